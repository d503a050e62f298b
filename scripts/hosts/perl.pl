use DBI;
my $db = DBI->connect("dbi:SQLite:dbname=$ENV{FILE}", "", "", {RaiseError => 1, AutoCommit => 1});
$db->sqlite_enable_load_extension(1);
$db->sqlite_load_extension($ENV{LEADX_SO}, "sqlite3_leadx_init");
open my $sql, "<", $ENV{SQL} or die;
my $row;
while (<$sql>) { if (/^SELECT/) { ($row) = $db->selectrow_array($_) } else { $db->do($_) } }
print "$row\n";
$db->disconnect;
