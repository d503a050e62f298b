# The three parts of a server: postgres, postgrest, nginx. Sourced by server.sh.
# Each has start_PART and a pid; what they have in common comes first.
# shellcheck shell=bash disable=SC2034,SC2154

parts=(postgres postgrest nginx)

# The pids of the parts that this run of the script started.
started=()

# Prints the pid of a part if it runs. A pid read from a file may by now be
# somebody else's: the process counts only when its command line names our
# folder.
pid_of() {
  local pid
  pid=$(cat "$live/$1.pid" 2>/dev/null) && [ -n "$pid" ] || return 1
  tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$live/" || return 1
  printf '%s\n' "$pid"
}

is_running() { pid_of "$1" >/dev/null; }

# Processes of a part, whether or not their parent still lives: a killed nginx
# leaves a worker that holds the ports, a killed postgres its backends. They are
# told by their working folder, which each part sets to ours.
leftovers_of() {
  local link pid
  find /proc/[0-9]*/cwd -maxdepth 0 \( -lname "$live" -o -lname "$live/*" \) 2>/dev/null |
    while IFS=/ read -r _ _ pid _; do
      [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != "$1" ] || printf '%s\n' "$pid"
    done
}

wait_gone() {
  local pid=$1 tries=$2
  while [ -d "/proc/$pid" ] && [ "$tries" -gt 0 ]; do
    # A zombie is gone, whoever has yet to collect it.
    grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null && return 0
    sleep 0.05
    tries=$((tries - 1))
  done
  [ ! -d "/proc/$pid" ]
}

# stop_part PART [SIGNAL] ends the part and whatever an earlier crash of it left.
stop_part() {
  local part=$1 signal=${2-TERM} pid
  if pid=$(pid_of "$part"); then
    kill -s "$signal" "$pid" 2>/dev/null || true
    wait_gone "$pid" 100 || kill -s KILL "$pid" 2>/dev/null || true
  fi
  for pid in $(leftovers_of "$part"); do
    kill -s KILL "$pid" 2>/dev/null || true
    wait_gone "$pid" 100 || true
  done
  rm -f "$live/$part.pid"
}

# start_daemon PART COMMAND... starts a program that stays, away from this
# script's terminal, output and lock. Every step down to the program is an exec,
# so its pid is known at once.
start_daemon() {
  local part=$1
  shift
  exec_as_server setsid "$@" </dev/null >>"$live/log/$part.log" 2>&1 {lock_fd}<&- &
  started+=($!)
  printf '%s\n' "$!" >"$live/$part.pid"
}

# fill TEMPLATE FILE writes the template with every {{name}} replaced by the
# value of the shell variable of that name.
fill() {
  local text name
  text=$(cat "$here/server/$1")
  while [[ $text =~ \{\{([a-z_]+)\}\} ]]; do
    name=${BASH_REMATCH[1]}
    text=${text//"{{$name}}"/"${!name}"}
  done
  printf '%s\n' "$text" >"$2"
}

# postgres -------------------------------------------------------------------

make_cluster() {
  as_server "$postgres_bin/initdb" -D "$live/pg" -U postgres -A trust -E UTF8 --locale=C.UTF-8 \
    --no-sync --no-instructions >"$live/log/initdb.log" 2>&1 ||
    fail_start "initdb failed: $(tail -n 3 "$live/log/initdb.log")"
  as_server mkdir "$live/pg/leadx.d"
  printf "include_dir 'leadx.d'\n" >>"$live/pg/postgresql.conf"
}

# The socket's folder is closed to everybody but the server's user, and there
# is no TCP port, so `trust` trusts only who could read the data anyway.
configure_postgres() {
  {
    printf "listen_addresses = ''\n"
    printf "unix_socket_directories = '%s'\n" "$live/sock"
    printf "port = 5432\nmax_connections = 60\ntimezone = 'UTC'\njit = off\n"
    if [ "$durable" = no ]; then
      printf 'fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n'
      printf 'wal_level = minimal\nmax_wal_senders = 0\n'
    fi
  } >"$live/pg/leadx.d/leadx.conf"
  give_to_server "$live/pg/leadx.d"
}

# A killed postgres leaves its pid in two files. The next one would refuse to
# start while that pid is in use, by whomever, and we know that it is not ours.
start_postgres() {
  stop_part postgres
  rm -f "$live/pg/postmaster.pid" "$live"/sock/.s.PGSQL.5432*
  start_daemon postgres "$postgres_bin/postgres" -D "$live/pg"
  if ! wait_until 120 is_ready_or_crashed psql_answers || ! psql_answers; then
    fail_start "PostgreSQL does not answer"
  fi
}

psql_answers() {
  run_psql -d postgres -c 'select 1' >/dev/null 2>&1
}

run_psql() {
  PGHOST=$live/sock PGPORT=5432 PGDATABASE=leadx PGUSER=postgres "$postgres_bin/psql" -X "$@"
}

make_database() {
  run_psql -d postgres -q -c 'create database leadx' >&2
  run_psql -q -v ON_ERROR_STOP=1 --single-transaction \
    -v jwt_secret="$secret" -v issuer="$(auth_url)" \
    -v id_1="${user_id[1]}" -v email_1="${user_email[1]}" -v password_1="${user_password[1]}" \
    -v id_2="${user_id[2]}" -v email_2="${user_email[2]}" -v password_2="${user_password[2]}" \
    -v id_3="${user_id[3]}" -v email_3="${user_email[3]}" -v password_3="${user_password[3]}" \
    -f "$here/server/roles.sql" -f "$here/server/leadx_crm.sql" \
    -f "$here/server/auth_api.sql" -f "$here/server/users.sql" \
    >"$live/log/schema.log" 2>&1 || fail_start "the schema was refused: $(tail -n 5 "$live/log/schema.log")"
}

# The anonymous role never gets longer than its usual three seconds.
set_timeouts() {
  local anon_timeout=$statement_timeout
  [ "$anon_timeout" -le 3000 ] || anon_timeout=3000
  run_psql -q \
    -c "alter role authenticated set statement_timeout = $statement_timeout" \
    -c "alter role authenticator set statement_timeout = $statement_timeout" \
    -c "alter role anon set statement_timeout = $anon_timeout" \
    -c "update auth.config set issuer = '$(auth_url)'"
}

# postgrest --------------------------------------------------------------------

# The binary is copied where the server's user can reach it, for the checkout
# may be under a folder that is closed to that user.
configure_postgrest() {
  local binary sock=$live/sock
  binary=$(find_postgrest) || die "PostgREST is not installed; run scripts/deps.sh"
  cmp -s "$binary" "$live/postgrest" || install -m 755 "$binary" "$live/postgrest"
  fill postgrest.conf.in "$live/postgrest.conf"
  [ -z "$jwt_aud" ] || printf 'jwt-aud = "%s"\n' "$jwt_aud" >>"$live/postgrest.conf"
  [ -z "$pre_request" ] || printf 'db-pre-request = "%s"\n' "$pre_request" >>"$live/postgrest.conf"
  give_to_server "$live/postgrest" "$live/postgrest.conf"
}

start_postgrest() {
  stop_part postgrest
  start_daemon postgrest "$live/postgrest" "$live/postgrest.conf"
}

# PostgREST reads the schema again when it is told to. Its log tells of any reading, also of one that began before; a
# function that is made here is known only to one that began after everything else was done.
reload_schema() {
  local mark=reload_$$_$RANDOM
  run_psql -q -v ON_ERROR_STOP=1 -c "create function auth_api.$mark() returns int language sql as 'select 1'" \
    -c "notify pgrst, 'reload config'" -c "notify pgrst, 'reload schema'"
  wait_until 60 is_known "$mark" || die "PostgREST did not reload its schema"
  run_psql -q -c "drop function auth_api.$mark()"
}

is_known() {
  curl -q -sf --noproxy '*' -o /dev/null -m 5 -H "Authorization: Bearer $anon" -H 'Accept-Profile: auth_api' "http://127.0.0.1:$port_rest/rpc/$1"
}

# nginx ----------------------------------------------------------------------------

configure_nginx() {
  fill nginx.conf.in "$live/nginx.conf"
  fill auth_call.conf.in "$live/auth_call.conf"
  cp "$here/server/require_key.conf" "$live/require_key.conf"
  give_to_server "$live/nginx.conf" "$live/auth_call.conf" "$live/require_key.conf"
}

start_nginx() {
  stop_part nginx
  start_daemon nginx "$nginx" -p "$live/" -e "$live/log/nginx.log" \
    -c "$live/nginx.conf" -g 'daemon off;'
}
