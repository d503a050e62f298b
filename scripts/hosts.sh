#!/bin/bash
# Takes the same leadx.so through a whole sync in every host language at hand: load, track, write, sync with
# a real server, read back, close. One line per host; a host that is missing has failed. `make hosts` calls it.
#
#   scripts/hosts.sh [HOST...]
#
# Needs the Debian packages sqlite3 python3 libdbd-sqlite3-perl libsqlite3-tcl php-cli php-sqlite3 ruby-sqlite3
# libxerial-sqlite-jdbc-java default-jdk-headless, and npm for Node. LEADX_SO, LEADX_A and BUILD say what is tested.
# shellcheck disable=SC2016,SC2317  # programs of other languages in quotes; functions called by the name of their host
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${BUILD:-$here/../build}
export LEADX_SO=${LEADX_SO:-$here/../dist/leadx.so}
archive=${LEADX_A:-$here/../dist/libleadx.a}
work=$(mktemp -d)
server=$build/hosts/server
failed=0

trap '"$here/server.sh" down --dir "$server"; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
mkdir -p "$build/hosts"
"$here/server.sh" up --dir "$server" || exit 1
variables=$("$here/server.sh" env --dir "$server") || exit 1
eval "$variables"

# The statements every host runs, one per line; the answer to the last is what it has to print.
statements() {
  cat <<SQL
SELECT leadx_configure('$LEADX_URL', '$LEADX_APIKEY')
SELECT leadx_set_token('$LEADX_TOKEN')
CREATE TABLE customers(id TEXT PRIMARY KEY, name TEXT)
SELECT leadx_track('customers', '{"mode":"push"}')
INSERT INTO customers VALUES (leadx_uuid(), 'host $1')
SELECT leadx_sync('{"strict":true}')
SELECT status || ' ' || count(*) FROM leadx_queue
SQL
}

# Did the row that the host wrote arrive?
arrived() { [ "$(psql -Atc "select count(*) from public.customers where name = 'host $1'")" = 1 ]; }

# host NAME COMMAND... runs it with the file and the statements in its environment.
host() {
  local name=$1 out
  shift
  export FILE=$work/$name.db SQL=$work/$name.sql
  statements "$name" >"$SQL"
  if out=$("$@" 2>&1) && [ "${out##*$'\n'}" = 'SYNCED 1' ] && arrived "$name"; then
    printf '%-22s ok\n' "$name"
  else
    failed=1
    printf '%-22s FAILED: %s\n' "$name" "$(tail -n 3 <<<"$out" | tr '\n' ' ')"
  fi
}

in_shell() { { printf '.bail on\n.load %s\n' "${LEADX_SO%.so}"; sed 's/$/;/' "$SQL"; } | sqlite3 "$FILE" | tail -n 1; }

in_python() {
  /usr/bin/python3 - <<'PY'
import os, sqlite3
db = sqlite3.connect(os.environ['FILE'], isolation_level=None)
db.enable_load_extension(True)
db.load_extension(os.environ['LEADX_SO'])
for sql in open(os.environ['SQL']): row = db.execute(sql).fetchone()
print(row[0])
db.close()
PY
}

# As a Python that was built without enable_load_extension: an automatic extension, through the C library.
in_ctypes() {
  /usr/bin/python3 - <<'PY'
import ctypes, os, sqlite3
library = [line.split()[-1] for line in open('/proc/self/maps') if 'libsqlite3' in line][0]
leadx = ctypes.CDLL(os.environ['LEADX_SO'])
assert ctypes.CDLL(library).sqlite3_auto_extension(leadx.sqlite3_leadx_init) == 0
db = sqlite3.connect(os.environ['FILE'], isolation_level=None)
for sql in open(os.environ['SQL']): row = db.execute(sql).fetchone()
print(row[0])
db.close()
PY
}

in_perl() {
  perl -MDBI -e '
    my $db = DBI->connect("dbi:SQLite:dbname=$ENV{FILE}", "", "", {RaiseError => 1, AutoCommit => 1});
    $db->sqlite_enable_load_extension(1);
    $db->sqlite_load_extension($ENV{LEADX_SO}, "sqlite3_leadx_init");
    open my $sql, "<", $ENV{SQL}; my $row;
    while (<$sql>) { chomp; if (/^SELECT/) { ($row) = $db->selectrow_array($_) } else { $db->do($_) } }
    print "$row\n"; $db->disconnect'
}

in_tcl() {
  tclsh <<'TCL'
package require sqlite3
sqlite3 db $env(FILE)
db enable_load_extension 1
db onecolumn "SELECT load_extension('$env(LEADX_SO)')"
foreach sql [split [string trim [read [open $env(SQL)]]] \n] { set row [db onecolumn $sql] }
puts $row
db close
TCL
}

in_php() {
  php -d "sqlite3.extension_dir=$(dirname "$LEADX_SO")" -r '
    $db = new SQLite3(getenv("FILE")); $db->enableExceptions(true);
    $db->loadExtension(basename(getenv("LEADX_SO")));
    foreach (file(getenv("SQL"), FILE_IGNORE_NEW_LINES) as $sql) $row = str_starts_with($sql, "SELECT") ? $db->querySingle($sql) : $db->exec($sql);
    echo $row, "\n"; $db->close();'
}

in_ruby() {
  ruby -rsqlite3 -e '
    db = SQLite3::Database.new(ENV["FILE"]); db.enable_load_extension(true); db.load_extension(ENV["LEADX_SO"])
    row = nil; File.foreach(ENV["SQL"], chomp: true) { |sql| row = db.get_first_value(sql) }
    puts row; db.close'
}

# npm_package NAME: installs it beside the build, once.
npm_package() { [ -d "$build/hosts/npm/node_modules/$1" ] || npm install --silent --no-fund --no-audit --prefix "$build/hosts/npm" "$1" >&2; }

in_better_sqlite3() {
  npm_package better-sqlite3 && cd "$build/hosts/npm" && node -e '
    const db = require("better-sqlite3")(process.env.FILE); db.loadExtension(process.env.LEADX_SO); let row;
    for (const sql of require("fs").readFileSync(process.env.SQL, "utf8").trim().split("\n")) {
      const stmt = db.prepare(sql); row = stmt.reader ? stmt.pluck().get() : stmt.run(); }
    console.log(row); db.close();'
}

in_node_sqlite() {
  npm_package node@24 && cd "$build/hosts/npm" && node_modules/node/bin/node --no-warnings -e '
    const { DatabaseSync } = require("node:sqlite");
    const db = new DatabaseSync(process.env.FILE, { allowExtension: true }); db.loadExtension(process.env.LEADX_SO); let row;
    for (const sql of require("fs").readFileSync(process.env.SQL, "utf8").trim().split("\n")) row = db.prepare(sql).get();
    console.log(Object.values(row)[0]); db.close();'
}

in_java() {
  cat >"$work/Host.java" <<'JAVA'
import java.nio.file.*;
import java.sql.*;

public class Host {
  public static void main(String[] args) throws Exception {
    org.sqlite.SQLiteConfig config = new org.sqlite.SQLiteConfig();
    config.enableLoadExtension(true);
    try (Connection db = config.createConnection("jdbc:sqlite:" + System.getenv("FILE")); Statement stmt = db.createStatement()) {
      stmt.execute("SELECT load_extension('" + System.getenv("LEADX_SO") + "')");
      String row = null;
      for (String sql : Files.readAllLines(Path.of(System.getenv("SQL"))))
        if (stmt.execute(sql)) try (ResultSet rows = stmt.getResultSet()) { if (rows.next()) row = rows.getString(1); }
      System.out.println(row);
    }
  }
}
JAVA
  java -cp "/usr/share/java/sqlite-jdbc.jar:/usr/share/java/slf4j-api.jar" "$work/Host.java"
}

in_static_c() {
  cat >"$work/host.c" <<'C'
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int sqlite3_leadx_init(sqlite3 *, char **, const void *);
int main(void) {
  char line[4096], last[256] = "";
  sqlite3 *db;
  FILE *sql = fopen(getenv("SQL"), "r");
  if (sqlite3_auto_extension((void (*)(void))sqlite3_leadx_init) || sqlite3_open(getenv("FILE"), &db)) return 1;
  while (fgets(line, sizeof line, sql)) {
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(db, line, -1, &stmt, NULL)) return 2;
    if (sqlite3_step(stmt) == SQLITE_ROW) snprintf(last, sizeof last, "%s", sqlite3_column_text(stmt, 0));
    if (sqlite3_finalize(stmt)) return fprintf(stderr, "%s\n", sqlite3_errmsg(db)), 3;
  }
  puts(last);
  return sqlite3_close(db);
}
C
  # shellcheck disable=SC2046 # Several flags.
  gcc -o "$work/host" "$work/host.c" "$archive" $(pkg-config --cflags --libs sqlite3 libcurl libcjson) -pthread && "$work/host"
}

all=(shell python ctypes perl tcl php ruby better_sqlite3 node_sqlite java static_c)
[ $# -gt 0 ] || set -- "${all[@]}"
for name in "$@"; do host "$name" "in_$name"; done
exit "$failed"
