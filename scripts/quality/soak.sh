#!/bin/bash
# Kills a device over and over, with a server that fails and lies, and fails every allocation
# and every access to the file: the suites that `make test` runs in small, at length. `make soak` calls it.
#
#   scripts/quality/soak.sh [--minutes N] [--kills N] [--faults N] [--seed N]
#
# Goes on for N minutes (10), in rounds of --kills kills with a truthful server and as many with one
# that spoils --faults of a thousand requests (10). Every round has another seed, which is printed. Stops
# at the first failure, with the seed that brings it back. Last comes the simulation: some hundreds of short
# runs against the real server, then the model's for N minutes more. BUILD (build) is where the programs are.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${BUILD:-$here/../../build}
minutes=10
kills=500
faults=10
seed=$(date +%s)

while [ $# -gt 0 ]; do
  [ $# -gt 1 ] || set -- --usage
  case $1 in
  --minutes) minutes=$2 ;;
  --kills) kills=$2 ;;
  --faults) faults=$2 ;;
  --seed) seed=$2 ;;
  *)
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
  esac
  shift 2
done

server=$build/soak/server
mkdir -p "$build/soak"
trap '"$here/../server/server.sh" down --dir "$server"' EXIT
trap 'exit 130' INT TERM HUP
"$here/../server/server.sh" up --dir "$server"
variables=$("$here/../server/server.sh" env --dir "$server")
eval "$variables"

# run SUITE [CASE]
run() {
  CK_RUN_SUITE=$1 CK_RUN_CASE=${2:-} CK_DEFAULT_TIMEOUT=86400 CK_VERBOSITY=normal \
    LEADX_SEED=$seed LEADX_CRASH_KILLS=$kills LEADX_CRASH_FAULTS=$faults LEADX_CRASH_SECONDS=86400 \
    LEADX_FAULTS_SECONDS=86400 LEADX_FAULTS_EVERY=100000 "$build/test/leadx_test"
}

# An empty CK_RUN_CASE would be the name of a case.
run_suite() { env -u CK_RUN_CASE CK_RUN_SUITE="$1" LEADX_FAULTS_SECONDS=86400 LEADX_FAULTS_EVERY=1000 "$build/test/leadx_test"; }

end=$((SECONDS + minutes * 60))
total=0
while [ "$SECONDS" -lt "$end" ]; do
  printf '=== seed %s, %s kills so far\n' "$seed" "$total"
  run crash random || { printf 'failed: again with --seed %s --kills %s --faults %s\n' "$seed" "$kills" "$faults" >&2; exit 1; }
  total=$((total + 2 * kills))
  seed=$((seed + 1))
done
LEADX_WEEK_SECONDS=$((minutes * 12)) run_suite week
run crash points
run_suite faults
printf '%s random kills in %s minutes, and every point: nothing lost, nothing doubled\n' "$total" "$minutes"
"$build/test/leadx_sim" --real --seeds 300 --devices 3 --steps 60 --from "$seed"
"$build/test/leadx_sim" --seeds 100000 --seconds $((minutes * 60))
