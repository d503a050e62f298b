#!/bin/bash
# Measures leadx against its bare counterparts: the same tables without triggers, libcurl
# loops without a queue, a shell without the extension. Prints a table of ratios; nothing fails
# because a machine is slow. `make bench` builds what this runs.
#
#   scripts/quality/bench.sh PROGRAM [--rounds N] [--queue-rows N] [--pull-rows N] [--only PART-OF-A-NAME]
#
# The server is scripts/server/server.sh's, durable as a real one is, started for this run in a folder
# of its own unless LEADX_BENCH_SERVER names one that runs. ARGS="…" passes options through make.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

program=${1:?usage: scripts/quality/bench.sh PROGRAM [OPTION...]}
shift
: "${LEADX_SO:?}"
work=$(mktemp -d "$(dirname "$program")/run.XXXXXX")
server=${LEADX_BENCH_SERVER:-$work/server}

clean_up() {
  [ -n "${LEADX_BENCH_SERVER:-}" ] || scripts/server/server.sh down --dir "$server"
  rm -rf "$work"
}
trap clean_up EXIT

[ -n "${LEADX_BENCH_SERVER:-}" ] || scripts/server/server.sh up --durable --dir "$server"
environment=$(scripts/server/server.sh env --dir "$server")
eval "$environment"
LEADX_BENCH_DIR=$(readlink -f "$work") "$program" "$@"
