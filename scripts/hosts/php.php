<?php // php -d sqlite3.extension_dir=FOLDER names the folder that leadx.so is in
$db = new SQLite3(getenv("FILE"));
$db->enableExceptions(true);
$db->loadExtension(basename(getenv("LEADX_SO")));
foreach (file(getenv("SQL"), FILE_IGNORE_NEW_LINES) as $sql)
  $row = str_starts_with($sql, "SELECT") ? $db->querySingle($sql) : $db->exec($sql);
echo $row, "\n";
$db->close();
