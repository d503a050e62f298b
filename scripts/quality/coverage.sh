#!/bin/bash
# Runs the suites of a program that counts (gcc --coverage) and says which lines, branches and functions
# of ext/ they ran. `make coverage` builds the program and calls this; it needs gcovr, which Debian packages.
#
#   scripts/quality/coverage.sh PROGRAM [SUITE]
#
# Prints a table. Beside PROGRAM's folder, in build/coverage, are uncovered.txt, the lines that nothing ran, each with its
# function, and index.html, the sources with their branches. tests/quality/UNCOVERED.md says why nothing runs them, and what is
# missing there is named. Exit 1 when a test failed or the whole of ext/ misses a goal; of one suite nothing but its tests is asked.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

program=${1:?usage: scripts/quality/coverage.sh PROGRAM [SUITE]}
suite=${2-}
lines=95 branches=85 functions=100
build=$(dirname "$(dirname "$program")")
out=$build/coverage
failed=0

command -v gcovr >/dev/null || {
  printf 'coverage: gcovr is missing; as root: apt-get install gcovr\n' >&2
  exit 1
}

# The table, one row per file and the sum; exit 1 when the sum misses a goal.
table() {
  awk -F, -v OFS=, -v lines="$lines" -v branches="$branches" -v functions="$functions" '
    function percent(n, of) { return of ? 100 * n / of : 100 }
    function row(name, l, lc, b, bc, f, fc) {
      printf "%-20s %5d of %5d %6.1f %%  %5d of %5d %6.1f %%  %5d of %5d %6.1f %%\n", name,
        lc, l, percent(lc, l), bc, b, percent(bc, b), fc, f, percent(fc, f)
    }
    NR == 1 {
      for (i = 1; i <= NF; i++) at[$i] = i
      printf "%-20s %-24s %-24s %s\n", "", "lines", "branches", "functions"
      next
    }
    {
      l = $at["line_total"]; lc = $at["line_covered"]; b = $at["branch_total"]; bc = $at["branch_covered"]
      f = $at["function_total"]; fc = $at["function_covered"]
      row($1, l, lc, b, bc, f, fc)
      L += l; LC += lc; B += b; BC += bc; F += f; FC += fc
    }
    END {
      row("all", L, LC, B, BC, F, FC)
      printf "%-20s %22d %%  %22d %%  %22d %%\n", "goal", lines, branches, functions
      exit !(L > 0 && percent(LC, L) >= lines && percent(BC, B) >= branches && percent(FC, F) >= functions)
    }' "$out/files.csv"
}

# FILE:LINE FUNCTION: TEXT for each line that nothing ran; gcovr says 3,7-9. A function begins at the left margin.
uncovered() {
  awk '$1 ~ /^ext\// && NF == 5 { print $1, $5 }' "$out/files.txt" | while read -r file missing; do
    awk -v file="$file" -v missing="$missing" '
      BEGIN {
        n = split(missing, part, ",")
        for (i = 1; i <= n; i++) {
          k = split(part[i], end, "-")
          for (line = end[1] + 0; line <= end[k] + 0; line++) wanted[line] = 1
        }
      }
      /^[a-z].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
      FNR in wanted { sub(/^ +/, ""); printf "%s:%d %s: %s\n", file, FNR, name, $0 }' "$file"
  done
}

# Functions with a line that nothing ran and no reason for it.
unexplained() {
  awk '{ sub(/:.*/, "", $1); sub(/:$/, "", $2); print $1, $2 }' "$out/uncovered.txt" | sort -u | while read -r file name; do
    grep -qF "\`$name\`" tests/quality/UNCOVERED.md || printf '%s: %s has lines that nothing ran, and tests/quality/UNCOVERED.md does not say why\n' "$file" "$name"
  done
}

mkdir -p "$out"
find "$build/cov" "$build/cov_pic" -name '*.gcda' -delete
scripts/test.sh --programs --dir "$out/server" --suite "$suite" "$program" || failed=1

gcovr --root . --filter 'ext/' --csv "$out/files.csv" --txt "$out/files.txt" --html-details "$out/index.html" "$build/cov" "$build/cov_pic"
uncovered >"$out/uncovered.txt"
printf '\n'
if [ -n "$suite" ]; then
  table || true
else
  table || failed=1
  unexplained
fi
printf '%d lines that nothing ran: %s; with their branches: %s\n' "$(wc -l <"$out/uncovered.txt")" "$out/uncovered.txt" "$out/index.html"
exit "$failed"
