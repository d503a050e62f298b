package require sqlite3
sqlite3 db $env(FILE)
db enable_load_extension 1
db onecolumn "SELECT load_extension('$env(LEADX_SO)')"
foreach sql [split [string trim [read [open $env(SQL)]]] \n] { set row [db onecolumn $sql] }
puts $row
db close
