#!/bin/bash
# Checks what cannot be seen by running leadx: what the built file exports and
# calls, how it is hardened, and whether the includes and calls of ext/ keep to the
# rooms. `make audit` calls it. Exit 1 when something is not as it should be.
#
#   scripts/audit.sh [FILE]     (dist/leadx.so, whose objects are in $BUILD/pic)
#   scripts/audit.sh --rooms    prints the table of the rooms
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ext=$here/../ext
sql=$here/../sql
so=${1-$here/../dist/leadx.so}
optional=$here/../tests/hosts/optional_api.def
objects=${BUILD:-$here/../build}/pic/ext
failures=0

# The architecture: the rooms of ext/, lowest first, each with what it is about. A file may include headers
# of its own room and of those named before it, and call what they define. The table of ext/README.md is made
# from this list (scripts/audit.sh --rooms).
rooms=(
  'base|bytes, time, errors, JSON; no handle'
  'store|the file: statements, the tables of leadx, what is tracked'
  'http|a request and its answer; the one user of libcurl'
  "rest|PostgREST's dialect: how a request is spelled, what an answer means"
  "rows|the application's rows: captured, keyed, compared, written"
  'session|who speaks, to which server'
  'run|what one sync shares: its state, its requests, what the server can do'
  'push|the outbox on its way: claimed in batches, sent, acknowledged'
  'pull|what others changed: pages behind a cursor, tombstones, reconcile'
  'sync|when, and in which order: one sync, the worker, its schedule'
  'api|what SQL can call'
)

# A header that only one file may know, so that what it stands for can be replaced there.
single_headers=('curl/[a-z]+\.h' '(cjson/)?cJSON\.h' 'pthread\.h')

# Without a length; parsing with hidden state; other programs and other code;
# the process's environment; files and streams that belong to the host; shared
# static buffers in a program with threads.
forbidden=(
  strcpy strcat sprintf vsprintf gets stpcpy wcscpy wcscat
  strtok
  system popen execl execlp execle execv execvp execve posix_spawn posix_spawnp fork vfork dlopen
  setenv unsetenv putenv clearenv
  printf vprintf puts putchar perror stdout stderr fopen freopen open creat unlink rename tmpfile tmpnam mktemp mkstemp
  gmtime localtime asctime ctime strerror rand srand signal exit _exit abort
)

pass() { printf 'ok    %s\n' "$*"; }

fail() {
  printf 'FAIL  %s\n' "$*"
  failures=$((failures + 1))
}

# holds TEXT COMMAND... passes or fails by the command's exit code.
holds() {
  local text=$1
  shift
  if "$@"; then pass "$text"; else fail "$text"; fi
}

has() { grep -qE -- "$1" <<<"$2"; }
lacks() { ! has "$@"; }

check_exports() {
  local exported
  exported=$(nm -D --defined-only "$so" | awk '{print $NF}' | paste -sd' ')
  if [ "$exported" = sqlite3_leadx_init ]; then
    pass "exports sqlite3_leadx_init and nothing else"
  else
    fail "exports more than sqlite3_leadx_init, or not it: ${exported:-nothing}"
  fi
}

check_hardening() {
  local dynamic segments entry
  dynamic=$(readelf -dW "$so")
  segments=$(readelf -lW "$so")
  entry=$(objdump -d --no-show-raw-insn --disassemble=sqlite3_leadx_init "$so")
  holds "relocations are read-only after loading (RELRO)" has 'GNU_RELRO' "$segments"
  holds "all symbols are bound at loading (BIND_NOW)" has 'BIND_NOW|FLAGS_1.* NOW' "$dynamic"
  holds "the stack is not executable" has 'GNU_STACK.* RW +0x' "$segments"
  holds "no segment is writable and executable" lacks 'LOAD.* RWE ' "$segments"
  holds "code is not relocated (no TEXTREL)" lacks 'TEXTREL' "$dynamic"
  holds "stays loaded (NODELETE)" has 'FLAGS_1.*NODELETE' "$dynamic"
  holds "no library search path of its own" lacks 'RPATH|RUNPATH' "$dynamic"
  holds "not linked with SQLite" lacks 'NEEDED.*sqlite' "$dynamic"
  # The code is looked at and not the file's note: the linker drops the note
  # because the start files of Debian's C library carry none.
  case $(uname -m) in
  x86_64) holds "functions begin as jump targets (-fcf-protection)" has 'endbr64' "$entry" ;;
  aarch64) holds "functions sign their return address (-mbranch-protection)" has 'paciasp' "$entry" ;;
  esac
  printf '      needs %s\n' "$(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<<"$dynamic" | paste -sd' ')"
}

check_calls() {
  local name called found=()
  called=$(nm -D --undefined-only "$so" | awk '{sub(/@.*/, "", $NF); print $NF}')
  for name in "${forbidden[@]}"; do
    # Fortified forms are __NAME_chk, large-file forms NAME64.
    if has "^(__${name}_chk|${name}(64)?)$" "$called"; then found+=("$name"); fi
  done
  if [ ${#found[@]} = 0 ]; then
    pass "calls none of the ${#forbidden[@]} functions that are not wanted"
  else
    fail "calls ${found[*]}"
  fi
  holds "buffers are checked at run time (__stack_chk_fail)" has '^__stack_chk_fail$' "$called"
}

check_single_headers() {
  local pattern files
  for pattern in "${single_headers[@]}"; do
    files=$({ grep -lE "^ *# *include *[<\"]${pattern}[>\"]" "$ext"/*.[ch] "$ext"/*/*.[ch] || true; } | sed 's|.*/||' | paste -sd' ')
    case $files in
    *' '*) fail "$pattern is included by more than one file: $files" ;;
    *) pass "$pattern is known to ${files:-no file}" ;;
    esac
  done
}

# A routine of SQLite that a build may leave out is a NULL pointer in an extension's table. Only base/host.c may call
# one, after asking; or it is asked for at load, by leadx_host_lacks(), and may be called anywhere.
check_optional_routines() {
  local before=$failures name member option files listed=0
  while IFS=' ' read -r name member option; do
    listed=$((listed + 1))
    if grep -q "!api->$member\\b" "$ext/base/host.c"; then continue; fi
    files=$({ grep -lE "\\bsqlite3_$name *\\(" "$ext"/*.[ch] "$ext"/*/*.[ch] || true; } | sed 's|.*/ext/||' | sed '/^base\/host\.c$/d' | paste -sd' ')
    [ -z "$files" ] || fail "sqlite3_$name, which $option may leave out, is called without asking in $files"
  done < <(sed -n 's/^OPTIONAL(\(.*\), \(.*\), "\(.*\)")$/\1 \2 \3/p' "$optional")
  [ "$listed" -gt 50 ] || fail "$optional names $listed routines only"
  [ "$failures" -gt "$before" ] || pass "none of $listed routines that a build of SQLite may leave out is called without asking"
}

# The place of a room in the list; leadx.c stands above all of them, generated headers below.
place_of() {
  local n
  [ "$1" != ext ] || { printf '%d\n' "${#rooms[@]}" && return 0; }
  for n in "${!rooms[@]}"; do
    [ "${rooms[$n]%%|*}" != "$1" ] || { printf '%d\n' "$n" && return 0; }
  done
  return 1
}

check_rooms() {
  local before=$failures file room own name header line other
  for file in "$ext"/*.[ch] "$ext"/*/*.[ch]; do
    name=${file#"$ext"/}
    room=ext
    [ "$name" = "${name#*/}" ] || room=${name%%/*}
    own=$(place_of "$room") || {
      fail "ext/$name: \"$room\" is no room of scripts/audit.sh"
      continue
    }
    while IFS=: read -r line header; do
      header=${header#*\"}
      header=${header%%\"*}
      if [ "$header" = sql_text.h ]; then continue; fi
      if ! other=$(place_of "${header%%/*}"); then
        fail "ext/$name:$line: $header does not name its room"
      elif [ "$other" -gt "$own" ]; then
        fail "ext/$name:$line: $header is of a room above"
      fi
    done < <(grep -nE '^ *# *include *"' "$file" || true)
  done
  [ "$failures" -gt "$before" ] || pass "includes go down only, through ${#rooms[@]} rooms"
}

# Which file calls which: "ROOM/FILE ROOM/FILE SYMBOL", once for each two files, from the objects.
list_calls() {
  local object name
  for object in "$objects"/*/*.o; do
    name=${object#"$objects"/}
    [ ! -f "$ext/${name%.o}.c" ] || nm -g "$object" | awk -v file="${name%.o}" '{ print file, $(NF - 1), $NF }'
  done | awk '$2 == "U" { used[$1 " " $3] = 1; next } { home[$3] = $1 }
    END { for (use in used) { split(use, part, " ")
      if (part[2] in home && home[part[2]] != part[1]) print part[1], home[part[2]], part[2] } }' | sort -u -k1,2
}

check_calls_between_files() {
  local before=$failures calls circle from to symbol
  calls=$(list_calls)
  [ -n "$calls" ] || {
    fail "no objects in $objects to read the calls from"
    return
  }
  while read -r from to symbol; do
    [ "$(place_of "${from%/*}")" -ge "$(place_of "${to%/*}")" ] ||
      fail "ext/$from.c calls $symbol() of a room above, ext/$to.c"
  done <<<"$calls"
  # tsort names the files of a circle on its standard error.
  circle=$(cut -d' ' -f1,2 <<<"$calls" | sort -u | tsort 2>&1 >/dev/null | sed -n 's|^tsort: \([^ ]*/[^ ]*\)$|\1|p' | paste -sd' ')
  [ -z "$circle" ] || fail "files call each other in a circle: $circle"
  [ "$failures" -gt "$before" ] || pass "calls go down only, and in no circle of files"
}

# Which file uses which statement of sql/: "ROOM/FILE NAME", from the sources. A file and its header count as one.
list_statements_used() {
  grep -oE '\bLEADX_SQL_[A-Z0-9_]+' "$ext"/*/*.[ch] | sed -E 's|.*/([^/]+/[^/]+)\.[ch]:LEADX_SQL_|\1 |' | tr '[:upper:]' '[:lower:]' | sort -u
}

# A file of statements is its module's alone: what another module needs of it, the module does for it. Those of
# sql/server/ are printed, which leadx_server_sql() does.
check_statements() {
  local before=$failures listed lines kind name home user
  lines=$(grep -HE '^-- name: ' "$sql"/*/*.sql | sed -E 's|.*/([^/]+/[^/]+)\.sql:-- name: |\1 |')
  listed=$(wc -l <<<"$lines")
  while read -r kind name home user; do
    case $kind in
    unused) fail "sql/$home.sql: nothing uses $name" ;;
    foreign) fail "sql/$home.sql: $name is used by ext/$user.c" ;;
    esac
  done < <(awk 'NR == FNR { home[$2] = $1; next }
    $2 in home { used[$2] = 1; if (home[$2] !~ /^server\// && home[$2] != $1) print "foreign", $2, home[$2], $1 }
    END { for (name in home) if (!(name in used)) print "unused", name, home[name], "-" }' <(printf '%s\n' "$lines") <(list_statements_used))
  [ "$listed" -gt 100 ] || fail "$sql has $listed statements only"
  [ "$failures" -gt "$before" ] || pass "each of $listed statements is used, by the module alone whose file it stands in"
}

# A rule that cannot fail is none: a check, a change of a copy of the sources, and the words with which it is found.
spoiled=(
  'check_rooms|sed -i "1a #include \"api/func.h\"" ext/rows/diff.c|api/func.h is of a room above'
  'check_rooms|sed -i "1a #include \"diff.h\"" ext/rows/diff.c|diff.h does not name its room'
  'check_single_headers|sed -i "1a #include <curl/curl.h>" ext/rows/diff.c|is included by more than one file'
  'check_optional_routines|sed -i "1a int x(void) { return sqlite3_progress_handler (0, 0, 0, 0); }" ext/rows/diff.c|is called without asking'
  'check_statements|sed -i "1a int x = LEADX_SQL_LEASE_TAKE;" ext/rows/diff.c|lease_take is used by ext/rows/diff.c'
  'check_statements|printf "\n-- name: lease_idle\nSELECT 1\n" >>sql/store/lease.sql|nothing uses lease_idle'
)

check_that_rules_can_fail() {
  local before=$failures tree check change words found
  tree=$(mktemp -d)
  while IFS='|' read -r check change words; do
    rm -rf "${tree:?}"/*
    cp -R "$ext" "$sql" "$tree"
    found=$(cd "$tree" && eval "$change" && ext=$tree/ext sql=$tree/sql && "$check")
    has "^FAIL .*$words" "$found" || fail "not found by $check: $change"
  done < <(printf '%s\n' "${spoiled[@]}")
  rm -rf "$tree"
  [ "$failures" -gt "$before" ] || pass "each of ${#spoiled[@]} faults put into a copy of the sources is found"
}

# The table of rooms as ext/README.md has it.
print_rooms() {
  local room
  printf '| room | what it is about |\n|---|---|\n'
  for room in "${rooms[@]}"; do printf '| %s | %s |\n' "${room%%|*}" "${room#*|}"; done
}

if [ "${1-}" = --rooms ]; then
  print_rooms
  exit 0
fi
[ -f "$so" ] || {
  printf 'audit: no %s; run make first\n' "$so" >&2
  exit 1
}
check_exports
check_hardening
check_calls
check_single_headers
check_optional_routines
check_rooms
check_statements
check_calls_between_files
check_that_rules_can_fail
[ "$failures" = 0 ] || {
  printf '%d not as it should be\n' "$failures"
  exit 1
}
