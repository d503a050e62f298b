#!/bin/bash
# Runs the convergence simulation, then the programs that have one bug of the protocol each:
# the first must be silent, the others must not. `make sim` and `make test` call it.
#
#   scripts/quality/sim.sh LEADX_SIM SEEDS SECONDS [MUTANT...]
set -euo pipefail

sim=$1 seeds=$2 seconds=$3
shift 3
workers=$(nproc 2>/dev/null || echo 2)
failed=0

"$sim" --tables fixed --seeds "$seeds" --seconds "$seconds" --whole --workers "$workers" || failed=1
# People's programs over tables of the seed's own: as many as are known to be silent (SIM_MADE).
"$sim" --tables made --seeds "${SIM_MADE:-300}" --seconds "$seconds" --whole --workers "$workers" || failed=1
[ $# -gt 0 ] || exit "$failed"
echo "mutants of the protocol, each found within a bounded number of seeds:"
for mutant in no-overlap small-overlap upsert no-version; do
  "$sim" --tables fixed --mutant "$mutant" --expect-failure --seeds 2000 --seconds "$seconds" --workers "$workers" || failed=1
done
for program in "$@"; do
  "$program" --mutant "${program##*/}" --expect-failure --seeds 2000 --seconds "$seconds" --workers "$workers" || failed=1
done
exit "$failed"
