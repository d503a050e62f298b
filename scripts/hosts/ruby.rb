require "sqlite3"
db = SQLite3::Database.new(ENV["FILE"])
db.enable_load_extension(true)
db.load_extension(ENV["LEADX_SO"])
row = nil
File.foreach(ENV["SQL"], chomp: true) { |sql| row = db.get_first_value(sql) }
puts row
db.close
