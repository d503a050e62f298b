#!/bin/bash
# The server that leadx's tests, demo and benchmarks talk to: PostgreSQL and
# PostgREST behind nginx as Supabase's gateway, with LeadX CRM's tables, row
# level security and sign-in. Unprivileged, on the loopback interface only, on
# free ports, in a folder of its own; any number of them run side by side.
#
#   scripts/server/server.sh up      starts what is not running, waits until it answers
#   scripts/server/server.sh down    stops it and removes all its data
#   scripts/server/server.sh stop [PART]      stops all, or one part; data and ports stay
#   scripts/server/server.sh restart [PART]   stops and starts all, or one part
#   scripts/server/server.sh status  says what runs; exit 0 when all does, else 3
#   scripts/server/server.sh env     prints its addresses, keys and tokens as shell exports
#   scripts/server/server.sh token [--sub UUID] [--exp SECONDS] [--role ROLE]
#   scripts/server/server.sh psql [--reload] [PSQL ARGUMENT...]
#   scripts/server/server.sh reload  makes PostgREST read a changed schema, and waits for it
#
# PART is postgres, postgrest or nginx. Every command takes --dir DIR; without
# it the server is the one in build/server. `up` also takes settings, which stay
# with the server, and restarts it when one of them changes:
#
#   --durable               flush to disk, as a real server does (--no-durable)
#   --max-rows N            rows in one answer (1000)
#   --statement-timeout MS  for signed-in users (8000); anonymous ones have 3000 at most
#   --max-body SIZE         what the gateway takes, e.g. 256k (64m)
#   --jwt-aud AUDIENCE      refuse tokens made for somebody else
#   --pre-request FUNCTION  an SQL function to call before each request
#   --schemas LIST          schemas that are served ("public")
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=programs.sh
. "$here/server/programs.sh"
# shellcheck source=place.sh
. "$here/server/place.sh"
# shellcheck source=keys.sh
. "$here/server/keys.sh"
# shellcheck source=parts.sh
. "$here/server/parts.sh"

# Two colleagues in one team, and a third person in another.
user_id=('' 11111111-1111-4111-8111-111111111111
  22222222-2222-4222-8222-222222222222
  33333333-3333-4333-8333-333333333333)
user_email=('' sari@leadx.test budi@leadx.test dewi@other.test)
user_password=('' 'sari offline 1' 'budi offline 2' 'dewi offline 3')

# What a server is started with. All of these are read by name, from the state
# file and from the templates, which shellcheck cannot see.
# shellcheck disable=SC2034
{
  durable=no
  max_rows=1000
  statement_timeout=8000
  max_body=64m
  jwt_aud=
  pre_request=
  schemas=public
}
setting_names=(durable max_rows statement_timeout max_body jwt_aud pre_request schemas)
state_names=("${setting_names[@]}" port_rest port_http port_tls secret publishable secret_key anon service)

dir=$here/../build/server
live=
lock_fd=0
is_new=no

die() {
  printf 'server: %s\n' "$*" >&2
  exit 1
}

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2
  exit 2
}

# wait_until SECONDS COMMAND... tries twenty times a second.
wait_until() {
  local end=$((SECONDS + $1))
  shift
  while ! "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.05
  done
}

auth_url() { printf 'http://127.0.0.1:%s/auth/v1' "$port_http"; }

# State ------------------------------------------------------------------------

save_state() {
  local name
  (
    umask 077
    for name in "${state_names[@]}"; do
      printf '%s=%q\n' "$name" "${!name}"
    done >"$live/state.new"
  )
  mv "$live/state.new" "$live/state"
}

load_state() {
  # shellcheck disable=SC1091 # Written by save_state, and unknown beforehand.
  . "$live/state"
}

# The server that a command speaks of has to be there.
need_server() {
  find_live || die "no server in $dir; start one with: scripts/server/server.sh up"
  load_state
}

choose_ports() {
  port_rest=$(free_port)
  while port_http=$(free_port) && [ "$port_http" = "$port_rest" ]; do :; done
  while port_tls=$(free_port) && [ "$port_tls" = "$port_rest" ] || [ "$port_tls" = "$port_http" ]; do :; done
}

# Up -----------------------------------------------------------------------------

answers() {
  local status
  status=$(curl -q -s --noproxy '*' -o /dev/null -m 5 -w '%{http_code}' -H "apikey: $publishable" \
    "http://127.0.0.1:$port_http/rest/v1/customers?limit=0" 2>/dev/null) || return 1
  [ "$status" = 200 ]
}

has_crashed() {
  local pid
  for pid in ${started[@]+"${started[@]}"}; do
    kill -0 "$pid" 2>/dev/null || return 0
  done
  return 1
}

# There is no point in waiting for an answer from a process that has ended.
is_ready_or_crashed() { "$1" || has_crashed; }

show_logs() {
  local log
  for log in "$live"/log/{postgres,postgrest,nginx}.log; do
    [ -s "$log" ] || continue
    printf -- '--- %s\n' "${log##*/}" >&2
    tail -n 15 "$log" >&2
  done
}

# A server that has never answered is of no use to anybody, so it is removed;
# one that has keeps its data.
fail_start() {
  printf 'server: %s\n' "$*" >&2
  show_logs
  stop_all
  [ "$is_new" = no ] || remove_live
  exit 1
}

configure() {
  configure_postgres
  configure_postgrest
  configure_nginx
}

# PostgREST waits ever longer between its tries to reach a database that was
# away, up to half a minute, so it starts afresh with the database.
start_missing() {
  local part
  is_running postgres || stop_part postgrest
  for part in "${parts[@]}"; do
    is_running "$part" || "start_$part"
  done
}

# Between the choice of a port and its use somebody else may have taken it; a
# new server then tries others, since nobody knows its addresses yet.
start_and_wait() {
  local attempt
  for attempt in 1 2 3; do
    start_missing
    if wait_until 120 is_ready_or_crashed answers && answers; then return 0; fi
    if [ "$is_new" = no ] || ! grep -qis 'address already in use\|resource busy' "$live"/log/{nginx,postgrest}.log; then
      break
    fi
    printf 'server: a port was taken meanwhile (attempt %d)\n' "$attempt" >&2
    stop_part nginx
    stop_part postgrest
    started=()
    choose_ports
    configure
    set_timeouts
    save_state
  done
  fail_start "no answer through the gateway"
}

make_server() {
  is_new=yes
  make_live
  choose_ports
  make_keys
  make_certificates &
  make_cluster
  wait $! || fail_start "no certificates"
  configure
  start_postgres
  make_database
  set_timeouts
  save_state
}

find_programs() {
  if ! postgres_bin=$(find_postgres_bin) || ! nginx=$(find_nginx) || ! find_postgrest >/dev/null; then
    die "PostgreSQL, nginx or PostgREST is missing; run scripts/deps.sh"
  fi
}

# Applies the settings that were named on the command line to a server that
# is there already.
change_settings() {
  local before=
  local name
  for name in "${setting_names[@]}"; do before+="${!name}|"; done
  apply_given
  for name in "${setting_names[@]}"; do
    before=${before#"${!name}|"}
  done
  [ -n "$before" ] || return 0
  stop_all
  configure
  start_postgres
  set_timeouts
  save_state
}

up() {
  find_programs
  lock_dir
  if find_live; then
    load_state
    change_settings
  else
    apply_given
    remove_ruins
    make_server
  fi
  start_and_wait
  printf 'server: up in %s, http://127.0.0.1:%s/rest/v1\n' "$dir" "$port_http" >&2
}

# What an `up` that was killed half-way left behind.
remove_ruins() {
  find_remains || return 0
  stop_all
  remove_live
  lock_dir
}

# Down ---------------------------------------------------------------------------

stop_all() {
  stop_part nginx
  stop_part postgrest
  # SIGINT ends PostgreSQL's sessions and shuts it down in order.
  stop_part postgres INT
}

down() {
  [ -d "$dir" ] || return 0
  lock_dir
  if ! find_remains; then
    rmdir "$dir" 2>/dev/null || true
    return 0
  fi
  stop_part nginx
  stop_part postgrest
  # Nothing is kept, so nothing needs to be written: SIGQUIT is the quick way.
  stop_part postgres QUIT
  remove_live
}

stop() {
  local part=${1-}
  if [ -z "$part" ]; then
    [ -d "$dir" ] || return 0
    lock_dir
    ! find_live || stop_all
    return 0
  fi
  check_part "$part"
  lock_dir
  need_server
  if [ "$part" = postgres ]; then stop_part postgres INT; else stop_part "$part"; fi
}

restart() {
  find_programs
  lock_dir
  need_server
  if [ -n "${1-}" ]; then
    check_part "$1"
    stop_part "$1"
  else
    stop_all
  fi
  start_and_wait
}

check_part() {
  case $1 in
  postgres | postgrest | nginx) ;;
  *) die "no part \"$1\"; there are ${parts[*]}" ;;
  esac
}

# Telling --------------------------------------------------------------------------

status() {
  local part pid rc=0
  if ! find_live; then
    printf 'no server in %s\n' "$dir"
    return 3
  fi
  load_state
  for part in "${parts[@]}"; do
    if pid=$(pid_of "$part"); then
      printf '%-9s  up    pid %s\n' "$part" "$pid"
    else
      printf '%-9s  down\n' "$part"
      rc=3
    fi
  done
  if [ "$rc" = 0 ] && ! answers; then
    printf 'all parts run, but no answer comes through the gateway\n'
    rc=3
  fi
  return "$rc"
}

export_line() { printf 'export %s=%q\n' "$1" "$2"; }

print_env() {
  local n suffix part day=86400
  need_server
  export_line LEADX_URL "http://127.0.0.1:$port_http/rest/v1"
  export_line LEADX_URL_TLS "https://localhost:$port_tls/rest/v1"
  export_line LEADX_CA "$live/keys/ca.pem"
  export_line LEADX_AUTH_URL "$(auth_url)"
  export_line LEADX_POSTGREST "http://127.0.0.1:$port_rest"
  export_line LEADX_APIKEY "$publishable"
  export_line LEADX_ANON_JWT "$anon"
  export_line LEADX_SERVICE_KEY "$service"
  export_line LEADX_SECRET_KEY "$secret_key"
  for n in 1 2 3; do
    suffix=_$n
    export_line "LEADX_USER$suffix" "${user_id[$n]}"
    export_line "LEADX_EMAIL$suffix" "${user_email[$n]}"
    export_line "LEADX_PASSWORD$suffix" "${user_password[$n]}"
    [ "$n" != 1 ] || suffix=
    export_line "LEADX_TOKEN$suffix" "$(user_token "${user_id[$n]}" "$day" authenticated)"
  done
  export_line PGHOST "$live/sock"
  export_line PGPORT 5432
  export_line PGDATABASE leadx
  export_line PGUSER postgres
  export_line LEADX_SERVER_DIR "$(readlink -f "$dir")"
  export_line LEADX_SERVER_LIVE "$live"
  for part in "${parts[@]}"; do
    export_line "LEADX_PID_${part^^}" "$(pid_of "$part" || true)"
  done
}

token() {
  local sub=${user_id[1]} seconds=3600 role=authenticated
  while [ $# -gt 0 ]; do
    [ $# -gt 1 ] || usage
    case $1 in
    --sub) sub=$2 ;;
    --exp) seconds=$2 ;;
    --role) role=$2 ;;
    *) usage ;;
    esac
    shift 2
  done
  need_server
  user_token "$sub" "$seconds" "$role"
}

psql_command() {
  local reload=no
  if [ "${1-}" = --reload ]; then
    reload=yes
    shift
  fi
  need_server
  postgres_bin=$(find_postgres_bin) || die "PostgreSQL is missing; run scripts/deps.sh"
  if [ "$reload" = no ] || [ $# -gt 0 ]; then
    run_psql "$@"
  fi
  [ "$reload" = no ] || reload_schema
}

# Command line ---------------------------------------------------------------------

given=()

# Notes a setting that `up` was given; it is applied after the state is read.
give() {
  local name=$1 value=$2 pattern=$3
  [[ $value =~ ^($pattern)$ ]] || die "bad value for --${name//_/-}: $value"
  given+=("$name=$value")
}

apply_given() {
  local pair
  for pair in ${given[@]+"${given[@]}"}; do
    printf -v "${pair%%=*}" '%s' "${pair#*=}"
  done
}

parse_up() {
  while [ $# -gt 0 ]; do
    case $1 in
    --durable) give durable yes yes && shift && continue ;;
    --no-durable) give durable no no && shift && continue ;;
    esac
    [ $# -gt 1 ] || usage
    case $1 in
    --max-rows) give max_rows "$2" '[0-9]+' ;;
    --statement-timeout) give statement_timeout "$2" '[0-9]+' ;;
    --max-body) give max_body "$2" '[0-9]+[km]?' ;;
    --jwt-aud) give jwt_aud "$2" '[A-Za-z0-9_.:/-]*' ;;
    --pre-request) give pre_request "$2" '[A-Za-z0-9_.]*' ;;
    --schemas) give schemas "$2" '[A-Za-z0-9_, ]+' ;;
    *) usage ;;
    esac
    shift 2
  done
}

# Takes --dir out of the arguments, wherever it stands before the first
# argument of psql.
arguments=()
take_dir() {
  while [ $# -gt 0 ]; do
    if [ "$1" = --dir ]; then
      [ $# -gt 1 ] || usage
      dir=$2
      shift 2
    else
      [ "${arguments[0]-}" != psql ] || [ "$1" = --reload ] || break
      arguments+=("$1")
      shift
    fi
  done
  arguments+=("$@")
}

main() {
  local command
  take_dir "$@"
  set -- ${arguments[@]+"${arguments[@]}"}
  [ $# -gt 0 ] || usage
  command=$1
  shift
  # The caller may be set up for some other database.
  unset "${!PG@}"
  choose_user
  dir=$(readlink -m "$dir")
  case $command in
  up) parse_up "$@" && up ;;
  down) down ;;
  stop) stop "$@" ;;
  restart) restart "$@" ;;
  restart-*) restart "${command#restart-}" ;;
  status) status ;;
  env) print_env ;;
  token) token "$@" ;;
  psql) psql_command "$@" ;;
  reload) psql_command --reload ;;
  *) usage ;;
  esac
}

main "$@"
