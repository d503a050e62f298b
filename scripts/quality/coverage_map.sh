#!/bin/bash
# Does every test and file that tests/quality/COVERAGE.md names exist? `make test` asks.
# Prints what is missing; exit 1 when something is.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
missing=0
names=0

# What stands between back quotes in the table rows: suite.test, or a path.
named() { awk -F '`' '/^\| [0-9A-Z][0-9a. ]/ { for (i = 2; i <= NF; i += 2) print $i }' tests/quality/COVERAGE.md; }

while read -r name; do
  names=$((names + 1))
  case $name in
  */* | *.md) [ -f "$name" ] && continue ;;
  *.*) grep -qsF "START_TEST(${name#*.}) {" tests/*/test_"${name%%.*}".c tests/unit/*/test_"${name%%.*}".c && continue ;;
  esac
  printf 'tests/quality/COVERAGE.md names %s, which is not there\n' "$name" >&2
  missing=1
done < <(named)

# A row that names nothing shows nothing.
if awk -F '`' '/^\| [0-9A-Z][0-9a. ]/ && NF < 3 { print; found = 1 } END { exit !found }' tests/quality/COVERAGE.md >&2; then
  printf 'tests/quality/COVERAGE.md: these rows name no test\n' >&2
  missing=1
fi
[ "$names" -gt 100 ] || { printf 'tests/quality/COVERAGE.md: only %s names were found\n' "$names" >&2; missing=1; }
[ "$missing" = 0 ] || exit 1
printf 'tests/quality/COVERAGE.md: all %s names exist\n' "$names"
