#!/bin/bash
# Runs the fuzzers of tests/fuzz one after the other, each beginning with its kept corpus and what earlier runs found
# interesting. `make fuzz` calls it. A finding ends its fuzzer and is kept as FOLDER/NAME-found/…; one that is mended
# belongs into tests/fuzz/corpus/NAME, where the suite "fuzz" replays it. Exit 1 when anything was found.
#
#   scripts/quality/fuzz.sh FOLDER [SECONDS [TARGET...]]     (45 seconds, all targets)
set -uo pipefail

[ $# -gt 0 ] || {
  printf 'usage: scripts/quality/fuzz.sh FOLDER [SECONDS [TARGET...]]\n' >&2
  exit 2
}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$1
seconds=${2:-45}
shift $(($# > 2 ? 2 : $#))
if [ $# -gt 0 ]; then targets=("$@"); else targets=(answer config file instant request sync); fi
failed=0

# Leaks are looked for by the suite, which has its memory from nowhere else; here the look takes longer than the target.
export ASAN_OPTIONS=detect_leaks=0:strict_string_checks=0:quarantine_size_mb=4:thread_local_quarantine_size_kb=256:malloc_context_size=3:max_malloc_fill_size=0
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

for target in "${targets[@]}"; do
  corpus=$here/../../tests/fuzz/corpus/$target
  found=$folder/$target-found
  [ -x "$folder/$target" ] || {
    printf 'fuzz: there is no target "%s"\n' "$target" >&2
    exit 2
  }
  mkdir -p "$folder/$target-corpus" "$found"
  # The folder that is named first gets what is new. Inputs that take long are mutated less, and longer ones than these say
  # nothing more.
  case $target in file | sync) speed=(-entropic_scale_per_exec_time=1 -max_len=512) ;; *) speed=(-max_len=4096) ;; esac
  if "$folder/$target" -max_total_time="$seconds" "${speed[@]}" -timeout=20 -detect_leaks=0 -rss_limit_mb=1024 -print_final_stats=1 \
    -verbosity=0 -artifact_prefix="$found/" "$folder/$target-corpus" "$corpus" >"$folder/$target.log" 2>&1; then
    printf '%-10s ok, %s executions\n' "$target" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/$target.log")"
  else
    failed=1
    printf '%-10s FOUND something: %s\n' "$target" "$found"
    tail -n 25 "$folder/$target.log"
  fi
done
exit "$failed"
