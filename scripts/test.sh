#!/bin/bash
# Runs test programs side by side, each with a real server of its own, and stops
# those servers whatever happens. `make test` calls it.
#
#   scripts/test.sh [--dir DIR] [--suite NAME] [--programs | --scripts "NAME..."] LANE...
#
# A LANE is a test program, which runs all suites, or PROGRAM=SUITE+SUITE...; each has a server of its own.
#
# DIR is the first server's folder (build/test/server), DIR.2 the second one's. The programs find theirs
# through the variables that `scripts/server/server.sh env` prints, and the loadable
# file through LEADX_SO. Check's own variables (CK_RUN_CASE, CK_FORK,
# CK_VERBOSITY) pass through. LEADX_TEST_SECONDS (3600) is how long one program
# may take: some ten minutes on two idle cores, and several times that on a busy machine.
#
# Beside the last lanes run the scripts: "audit" (scripts/audit.sh on the loadable file), "hosts" (scripts/hosts.sh, those
# that Debian packages), "map" (the tests that tests/quality/COVERAGE.md names), "tour" (the functions that ext/README.md names), "sim" (the simulation against a
# real server; LEADX_SIM is the program) and "readme" (README.md and docs/). --scripts names those that are wanted, --programs wants none.
set -euo pipefail

# A locale that the machine names but does not have makes Debian's psql warn in the middle of what tests read.
export LC_ALL=C.UTF-8
# Nobody is there to be asked, and a standard input that is closed would be the number of the next file.
exec </dev/null

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=$here/../build/test/server
suite=
scripts='audit hosts sim map tour readme'
programs=() # of each lane
suites=()   # of each lane, with blanks between them; empty: all
verdicts=()
failed=0
work=$(mktemp -d)
running=()

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2
  exit 2
}

parse() {
  while [ $# -gt 0 ]; do
    case $1 in
    --dir | --suite | --scripts)
      [ $# -gt 1 ] || usage
      case $1 in --dir) dir=$2 ;; --suite) suite=$2 ;; --scripts) scripts=$2 ;; esac
      shift
      ;;
    --programs) scripts= ;;
    -*) usage ;;
    *=*) programs+=("${1%%=*}") && suites+=("$(tr + ' ' <<<"${1#*=}")") ;;
    *) programs+=("$1") && suites+=('') ;;
    esac
    shift
  done
}

clean_up() {
  local rc=$?
  trap - EXIT INT TERM HUP
  local i
  for i in "${!running[@]}"; do kill "${running[$i]}" 2>/dev/null || true; done
  for i in "${!programs[@]}"; do "$here/server/server.sh" down --dir "$(server_dir "$i")" || true; done
  "$here/server/server.sh" down --dir "$dir.scripts" || true
  rm -rf "$work"
  exit "$rc"
}

# Where the server of the n-th program (from 0) lives.
server_dir() {
  if [ "$1" = 0 ]; then printf '%s' "$dir"; else printf '%s.%d' "$dir" $(($1 + 1)); fi
}

# start_server DIR
start_server() {
  # What an earlier run that was killed has left is not a known state.
  "$here/server/server.sh" down --dir "$1"
  "$here/server/server.sh" up --dir "$1"
  local variables
  variables=$("$here/server/server.sh" env --dir "$1")
  eval "$variables"
}

is_sanitized() { nm -D "$1" | grep -E '__(asan|tsan)_init' >/dev/null; }

# A sanitizer has to see one process from its start to its end; elsewhere each
# test runs in a process of its own, which names the test that crashes.
set_up_form() {
  # The bounds that tests have are for an idle machine.
  export CK_DEFAULT_TIMEOUT=${CK_DEFAULT_TIMEOUT:-60} CK_TIMEOUT_MULTIPLIER=${CK_TIMEOUT_MULTIPLIER:-5}
  if is_sanitized "$1"; then
    export CK_FORK=no
    export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    export TSAN_OPTIONS=halt_on_error=1:die_after_fork=0
  fi
}

# Starts the n-th program in the background, where a signal to this script is acted
# upon at once instead of after the program's end.
start_program() {
  : >"$work/$1.log"
  (
    start_server "$(server_dir "$1")"
    set_up_form "${programs[$1]}"
    [ -z "${suites[$1]}" ] || export LEADX_SUITES=${suites[$1]}
    exec timeout -k 10 "${LEADX_TEST_SECONDS:-3600}" "${programs[$1]}"
  ) >"$work/$1.log" 2>&1 &
  running[$1]=$!
}

# Shows what the n-th program says until it ends.
follow_program() {
  local pid=${running[$1]} rc=0
  printf '\n=== %s, lane %d\n' "${programs[$1]##*/}" "$(($1 + 1))"
  tail -n +1 -f --pid="$pid" "$work/$1.log" &
  local tail_pid=$!
  wait "$pid" || rc=$?
  unset "running[$1]"
  wait "$tail_pid" || true
  note_verdict "${programs[$1]##*/} $(($1 + 1))" "$work/$1.log" "$rc"
}

# Check's closing line, or why there is none.
note_verdict() {
  local program=$1 log=$2 rc=$3 line
  line=$(grep -aE '^[0-9]+%: Checks: ' "$log" | tail -n 1) || line='no result'
  [ "$rc" != 124 ] || line="$line (stopped: it took longer than ${LEADX_TEST_SECONDS:-3600} s)"
  if [ "$rc" != 0 ]; then
    failed=1
    [[ $line != 100%* ]] || line="$line (but exit code $rc, see above)"
  fi
  verdicts+=("$line  [$program]")
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

# The simulation against the real server.
run_simulation() {
  start_server "$dir.scripts"
  run_script sim "$LEADX_SIM" --real --devices 3 --steps 60 --seeds 12 --seconds 600 --whole
}

# README.md and docs/ are promises like any other: what is generated in them, their links, and their sessions,
# which run on a server as new as the one that the reader starts.
run_readme() {
  local line='README.md, docs: 0 faults'
  printf '\n=== README.md, docs\n'
  start_server "$dir.scripts"
  if ! "$here/readme.sh" --check || ! "$here/readme.sh" --session; then
    failed=1
    line='README.md, docs: not true any more, see above'
  fi
  verdicts+=("$line")
}

# Is the script wanted, by --suite or else by --scripts?
wants() { if [ -n "$suite" ]; then [ "$suite" = "$1" ]; else [[ " $scripts " == *" $1 "* ]]; fi; }

run_scripts() {
  ! wants audit || run_script audit "$here/audit.sh" "${LEADX_SO:-$here/../dist/leadx.so}"
  ! wants hosts || run_script hosts "$here/hosts.sh" --apt
  [ -z "${LEADX_SIM-}" ] || ! wants sim || run_simulation
  ! wants map || run_script map "$here/quality/coverage_map.sh"
  ! wants tour || run_script tour "$here/quality/tour.sh"
  ! wants readme || run_readme
}

main() {
  parse "$@"
  trap clean_up EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  [ -z "$suite" ] || export CK_RUN_SUITE=$suite
  local i
  # Most of a suite's time is spent waiting for a server, so programs run side by side; what is no program
  # runs beside the sanitized one, which takes longest.
  case $suite in
  audit | hosts | map | tour | readme | sim) ;;
  *)
    for i in "${!programs[@]}"; do start_program "$i"; done
    [ ${#programs[@]} = 0 ] || follow_program 0
    ;;
  esac
  run_scripts
  for i in "${!running[@]}"; do follow_program "$i"; done
  printf '\n'
  printf '%s\n' "${verdicts[@]}"
  return "$failed"
}

main "$@"
