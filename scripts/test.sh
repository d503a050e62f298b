#!/bin/bash
# Runs test programs one after the other with a real server beside them, and
# stops that server whatever happens. `make test` calls it.
#
#   scripts/test.sh [--dir DIR] [--suite NAME] PROGRAM...
#
# DIR is the server's folder (build/test/server). The programs find the server
# through the variables that `scripts/server.sh env` prints, and the loadable
# file through LEADX_SO. Check's own variables (CK_RUN_CASE, CK_FORK,
# CK_VERBOSITY) pass through. LEADX_TEST_SECONDS (900) is how long one program
# may take. Then come the suites "audit" (scripts/audit.sh on the loadable file), "hosts" (scripts/hosts.sh, those that
# Debian packages), "sim" (the simulation against that server; LEADX_SIM is the program) and, last, "readme": README.md.
set -euo pipefail

# A locale that the machine names but does not have makes Debian's psql warn in the middle of what tests read.
export LC_ALL=C.UTF-8

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=$here/../build/test/server
suite=
programs=()
verdicts=()
failed=0
log=
running=

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2
  exit 2
}

parse() {
  while [ $# -gt 0 ]; do
    case $1 in
    --dir | --suite)
      [ $# -gt 1 ] || usage
      if [ "$1" = --dir ]; then dir=$2; else suite=$2; fi
      shift
      ;;
    -*) usage ;;
    *) programs+=("$1") ;;
    esac
    shift
  done
  [ ${#programs[@]} -gt 0 ] || usage
}

clean_up() {
  local rc=$?
  trap - EXIT INT TERM HUP
  [ -z "$running" ] || kill "$running" 2>/dev/null || true
  "$here/server.sh" down --dir "$dir" || true
  [ -z "$log" ] || rm -f "$log"
  exit "$rc"
}

start_server() {
  # What an earlier run that was killed has left is not a known state.
  "$here/server.sh" down --dir "$dir"
  "$here/server.sh" up --dir "$dir"
  local variables
  variables=$("$here/server.sh" env --dir "$dir")
  eval "$variables"
}

is_sanitized() { nm -D "$1" | grep -E '__(asan|tsan)_init' >/dev/null; }

# A sanitizer has to see one process from its start to its end; elsewhere each
# test runs in a process of its own, which names the test that crashes.
set_up_form() {
  export CK_DEFAULT_TIMEOUT=${CK_DEFAULT_TIMEOUT:-60}
  if is_sanitized "$1"; then
    export CK_FORK=no
    export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    export TSAN_OPTIONS=halt_on_error=1:die_after_fork=0
  fi
}

# The program runs in the background, where a signal to this script is acted
# upon at once instead of after the program's end.
run_program() {
  local program=$1 rc=0
  printf '\n=== %s\n' "${program##*/}"
  : >"$log"
  (
    set_up_form "$program"
    exec timeout -k 10 "${LEADX_TEST_SECONDS:-900}" "$program"
  ) >"$log" 2>&1 &
  running=$!
  tail -n +1 -f --pid="$running" "$log" &
  local tail_pid=$!
  wait "$running" || rc=$?
  running=
  wait "$tail_pid" || true
  note_verdict "$program" "$rc"
}

# Check's closing line, or why there is none.
note_verdict() {
  local program=$1 rc=$2 line
  line=$(grep -aE '^[0-9]+%: Checks: ' "$log" | tail -n 1) || line='no result'
  [ "$rc" != 124 ] || line="$line (stopped: it took longer than ${LEADX_TEST_SECONDS:-900} s)"
  if [ "$rc" != 0 ]; then
    failed=1
    [[ $line != 100%* ]] || line="$line (but exit code $rc, see above)"
  fi
  verdicts+=("$line  [${program##*/}]")
}

# run_script NAME COMMAND... runs what is no test program as a suite of its own.
run_script() {
  local name=$1 line="$1: 0 faults"
  shift
  printf '\n=== %s\n' "$name"
  if ! "$@"; then
    failed=1
    line="$name: not as it should be, see above"
  fi
  verdicts+=("$line")
}

# README.md is a promise like any other: its reference and its session, which
# runs on a server as new as the one that its reader starts.
run_readme() {
  local line='README.md: 0 faults'
  printf '\n=== README.md\n'
  [ "$suite" = readme ] || start_server
  if ! "$here/readme.sh" --check || ! "$here/readme.sh" --session; then
    failed=1
    line='README.md: not true any more, see above'
  fi
  verdicts+=("$line")
}

main() {
  parse "$@"
  trap clean_up EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  [ -z "$suite" ] || export CK_RUN_SUITE=$suite
  log=$(mktemp)
  start_server
  local program
  case $suite in
  audit | hosts | readme | sim) ;;
  *) for program in "${programs[@]}"; do run_program "$program"; done ;;
  esac
  case $suite in '' | audit) run_script audit "$here/audit.sh" "${LEADX_SO:-$here/../dist/leadx.so}" ;; esac
  case $suite in '' | hosts) run_script hosts "$here/hosts.sh" --apt ;; esac
  case $suite in '' | sim) [ -z "${LEADX_SIM-}" ] || run_script sim "$LEADX_SIM" --real --devices 3 --steps 60 --seeds 20 --seconds 12 ;; esac
  case $suite in '' | readme) run_readme ;; esac
  printf '\n'
  printf '%s\n' "${verdicts[@]}"
  return "$failed"
}

main "$@"
