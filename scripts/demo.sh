#!/bin/bash
# Shows leadx at work: a device's database is written offline by plain sqlite3,
# synchronised with a real PostgreSQL behind PostgREST, changed again, and
# compared row by row. `make demo` calls it. Everything happens in a temporary
# folder and on a server of its own, which is stopped at the end whatever
# happens. Exit 1 when anything is not as it should be.
#
#   scripts/demo.sh      LEADX_SO is the built file (dist/leadx.so)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
so=${LEADX_SO-$here/../dist/leadx.so}
work=
db=
step_in=
step_out=
step_pid=

die() {
  printf 'demo: %s\n' "$*" >&2
  exit 1
}

clean_up() {
  local rc=$?
  trap - EXIT INT TERM HUP
  [ -z "$step_pid" ] || kill "$step_pid" 2>/dev/null || true
  if [ -n "$work" ]; then
    "$here/server/server.sh" down --dir "$work/server" || true
    rm -rf "$work"
  fi
  exit "$rc"
}

# Printing ---------------------------------------------------------------------

heading() { printf '\n%s\n' "$*"; }
say() { printf '  %s\n' "$*"; }
indent() { sed 's/^/  /;s/ *$//'; }

# The device ---------------------------------------------------------------------

# Plain sqlite3, as any program: it does not know leadx.
plain() { sqlite3 -batch -bail -cmd ".parameter set @owner \"'$LEADX_USER_1'\"" "$db"; }

# A connection as the app makes it. Nothing secret stands on a command line.
connect_sql() {
  printf '.load %s\n.output /dev/null\n' "${so%.so}"
  printf "SELECT leadx_configure('%s', '%s', '{\"connect_timeout\":2}');\n" "$LEADX_URL" "$LEADX_APIKEY"
  printf "SELECT leadx_set_token('%s');\n.output\n" "$LEADX_TOKEN"
}
connected() { { connect_sql && cat; } | sqlite3 -batch -bail "$db"; }

# A table, aligned.
table() { { printf '.mode column --wrap 0\n.headers on\n' && cat; } | connected | indent; }

# The server -----------------------------------------------------------------------

on_server() { "$here/server/server.sh" psql --dir "$work/server" -q -v ON_ERROR_STOP=1 "$@"; }

# server.sh tells what it does, which interests only when it fails.
quietly() {
  "$@" >"$work/output" 2>&1 && return 0
  cat "$work/output" >&2
  die "failed: $*"
}

# Progress ---------------------------------------------------------------------------

# One sqlite3 stays open for all steps: the size of a batch grows within a connection.
open_steps() {
  coproc STEPS { exec sqlite3 -batch -bail "$db"; }
  step_pid=$STEPS_PID
  exec {step_in}>&"${STEPS[1]}" {step_out}<&"${STEPS[0]}"
  connect_sql >&"$step_in"
}

close_steps() {
  local pid=$step_pid
  printf '.quit\n' >&"$step_in"
  exec {step_in}>&- {step_out}<&-
  step_pid=
  wait "$pid" || die "the steps ended with an error"
}

# One request: sets state, more, moved, pending and ms.
step() {
  local answer
  printf '%s\n' "SELECT r ->> 'state', r ->> 'more', (r ->> 'pushed') + (r ->> 'pulled'), r ->> 'pending', r ->> 'ms' FROM (SELECT leadx_step() AS r);" >&"$step_in"
  IFS= read -r -t 90 answer <&"$step_out" || die "no answer to leadx_step()"
  IFS='|' read -r state more moved pending ms <<<"$answer"
}

draw() {
  local done=$1 total=$2 width=40 full
  [ -t 1 ] || return 0
  full=$((total ? done * width / total : width))
  printf '\r  [%-*s] %d of %d changes' "$width" "$(printf '%*s' "$full" '' | tr ' ' '#')" "$done" "$total"
}

# Syncs by single requests until nothing is left to do.
sync_with_progress() {
  local state='' more=1 moved=0 pending=0 ms=0 total requests=0 spent=0 sizes='' idle=0
  total=$(connected <<<"SELECT pending FROM leadx_state;")
  open_steps
  while [ "$more" = 1 ]; do
    step
    [ "$state" = ok ] || die "the sync ended as \"$state\""
    requests=$((requests + 1))
    spent=$((spent + ms))
    if [ "$moved" = 0 ]; then idle=$((idle + 1)); else idle=0 sizes+=" $moved"; fi
    [ "$idle" -lt 20 ] || die "$idle requests in a row moved nothing"
    draw $((total - pending)) "$total"
  done
  close_steps
  [ ! -t 1 ] || printf '\r\033[K'
  [ "$pending" = 0 ] || die "$pending changes are left"
  say "$total changes in $requests requests and $spent ms; rows per request:$sizes"
}

# Comparing ----------------------------------------------------------------------------

dump_device() { sqlite3 -batch -bail -list -separator '|' -nullvalue '~' "$db" <"$here/demo/rows_device.sql" >"$work/device.rows"; }
dump_server() { on_server -A -t -F '|' -P 'null=~' -f "$here/demo/rows_server.sql" >"$work/server.rows"; }

count_rows() { grep -c "^$1|" "$2" || true; }

# Every column of every row, also the server's own stamp in updated_at.
compare() {
  local name counts='' equal=yes
  dump_device
  dump_server
  for name in customers pipelines activities settings; do
    counts+="${counts:+, }$name $(count_rows $name "$work/device.rows")/$(count_rows $name "$work/server.rows")"
  done
  say "rows on device/server: $counts"
  cmp -s "$work/device.rows" "$work/server.rows" || equal=no
  if [ "$equal" = no ] || [ ! -s "$work/device.rows" ]; then
    diff "$work/device.rows" "$work/server.rows" | head -n 10 >&2 || true
    die "the device and the server differ"
  fi
  say "all $(wc -l <"$work/device.rows") rows are equal: keys, money to the last digit, coordinates bit by bit, times"
}

# The story ------------------------------------------------------------------------------

prepare() {
  quietly "$here/server/server.sh" up --dir "$work/server"
  local variables
  variables=$("$here/server/server.sh" env --dir "$work/server")
  eval "$variables"
  plain <"$here/demo/device.sql" >/dev/null
  connected <<'SQL' >/dev/null
SELECT leadx_track('customers');
SELECT leadx_track('pipelines');
SELECT leadx_track('activities');
SELECT leadx_track('settings');
SQL
  printf 'leadx %s: a day offline, then one sync\n' "$(connected <<<'SELECT leadx_version();')"
  heading '1. A server and a device'
  say "PostgreSQL $(on_server -A -t -c 'show server_version' | cut -d' ' -f1), PostgREST 12 and nginx at $LEADX_URL; device.db with its four tables tracked"
}

work_offline() {
  heading '2. Offline: plain sqlite3, without the extension, writes the day down'
  plain <"$here/demo/write.sql"
  table <<'SQL'
SELECT entity_type, action, status, printf('%5d', count(*)) AS " rows" FROM leadx_queue GROUP BY 1, 2, 3 ORDER BY min(priority);
SQL
  table <<'SQL'
SELECT entity_type, action, state, payload ->> 'name' AS name, payload ->> 'city' AS city, printf('%20s', payload ->> 'credit_limit') AS "        credit_limit"
FROM leadx_queue WHERE entity_type = 'customer' ORDER BY rowid LIMIT 3;
SQL
}

try_unreachable() {
  local state
  heading '3. The server cannot be reached: three attempts cost nothing'
  quietly "$here/server/server.sh" stop nginx --dir "$work/server"
  for _ in 1 2 3; do state=$(connected <<<"SELECT leadx_sync() ->> 'state';"); done
  [ "$state" = offline ] || die "the state is \"$state\" and not offline"
  say "state $state: $(connected <<<"SELECT error FROM leadx_log ORDER BY at DESC LIMIT 1;")"
  say "$(connected <<<"SELECT count(*) || ' changes pending, retries charged: ' || sum(retry_count) FROM leadx_queue WHERE status = 'PENDING';")"
  [ "$(connected <<<"SELECT count(*) FROM leadx_queue WHERE status <> 'PENDING' OR retry_count > 0;")" = 0 ] || die "an attempt was charged"
  quietly "$here/server/server.sh" restart nginx --dir "$work/server"
}

read_back() {
  heading '5. Read back from PostgreSQL'
  compare
  on_server -P border=0 -P footer=off -c "
    select c.code, c.name as customer, c.credit_limit, c.latitude, c.longitude, q.stage, q.amount, a.kind
    from customers c join pipelines q on q.customer_id = c.id join activities a on a.pipeline_id = q.id
    where a.kind = 'VISIT' order by c.code limit 3" | sed '/^$/d' | indent
}

edit() {
  heading '6. Offline again: edits and deletes, then a second sync'
  plain <"$here/demo/edit.sql"
  say "queue: $(connected <<<"SELECT group_concat(n || ' ' || entity_type || ' ' || action, ', ') FROM (SELECT count(*) AS n, * FROM leadx_queue WHERE status = 'PENDING' GROUP BY entity_type, action);")"
  say "customer C-0001 was edited in two columns, from $(connected <<<"SELECT base FROM leadx_queue WHERE base ->> 'phone' <> '';")"
  local answer
  answer=$(connected <<<"SELECT leadx_sync();")
  say "$answer"
  [[ $answer == *'"state":"ok"'*'"pending":0'* ]] || die "the second sync is not done"
  local marked
  marked=$(on_server -A -t -c 'select count(*) from customers where deleted_at is not null')
  [ "$marked" = 2 ] || die "2 customers were marked as deleted, and the server has $marked"
  on_server -P border=0 -P footer=off -c "
    select code, phone, credit_limit, deleted_at is not null as is_deleted
    from customers where code in ('C-0001', 'C-0010') order by code" | sed '/^$/d' | indent
}

show_status() {
  heading '7. What the app can show'
  table <<'SQL'
SELECT entity_type, table_name, pending, failed, synced, conflicts, ifnull(last_error, '-') AS last_error FROM leadx_status;
SQL
  table <<'SQL'
SELECT "trigger", state, count(*) AS runs, sum(pushed) AS pushed, sum(requests) AS requests, sum(bytes_out) AS bytes_out, sum(bytes_in) AS bytes_in, sum(ms) AS ms
FROM leadx_log GROUP BY "trigger", state ORDER BY min(at);
SQL
}

main() {
  [ $# = 0 ] || die "takes no arguments"
  [ -f "$so" ] || die "no $so; run make demo"
  so=$(readlink -f "$so")
  trap clean_up EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  work=$(mktemp -d)
  db=$work/device.db
  prepare
  work_offline
  try_unreachable
  heading '4. Back online: one request per step, and the batch grows'
  sync_with_progress
  read_back
  edit
  show_status
  heading '8. The end of the day'
  compare
}

main "$@"
