#!/bin/bash
# Reads the C sources with cppcheck and clang-tidy (its checks: ext/.clang-tidy)
# and the scripts with shellcheck. `make lint` calls it with the flags that the
# extension is compiled with.
#
#   scripts/lint.sh [COMPILER FLAG...]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
failed=0

run() {
  printf '%s\n' "$1"
  shift
  "$@" || failed=1
}

need() {
  command -v "$1" >/dev/null && return 0
  printf 'lint: %s is missing; as root: apt-get install %s\n' "$1" "$1" >&2
  exit 1
}

# What clang and cppcheck need to know: language, macros and folders; the
# protection that gcc is asked for is none of their business.
reading_flags() {
  local flag
  for flag in "$@"; do
    case $flag in
    -D_FORTIFY_SOURCE* | -U*) ;;
    -I* | -D* | -std=*) printf '%s\n' "$flag" ;;
    esac
  done
}

for tool in cppcheck clang-tidy clang-format shellcheck; do need "$tool"; done
mapfile -t flags < <(reading_flags "$@")
shopt -s nullglob
sources=(ext/*.c ext/*/*.c)
mapfile -t formatted < <(find ext tests scripts -name node_modules -prune -o -name '*.[ch]' -print | sort)
shell_files=(scripts/*.sh scripts/*/*.sh .ci/run)

# Macros named on the command line make cppcheck look at that one configuration,
# the loadable form, which is the one that is wanted.
run cppcheck cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,performance,portability \
  --suppress=missingIncludeSystem --suppress='*:/usr/include/*' "${flags[@]/#-std=/--std=}" "${sources[@]}"
# clang-tidy counts what it hides in system headers on stderr; errors are on stdout.
tidy() {
  printf '%s\0' "${sources[@]}" |
    xargs -0 -P "$(nproc)" -I '{}' clang-tidy --quiet --warnings-as-errors='*' '{}' -- "${flags[@]}" 2>/dev/null
}
run clang-tidy tidy
run clang-format clang-format --dry-run -Werror "${formatted[@]}"
run shellcheck shellcheck "${shell_files[@]}"
[ "$failed" = 0 ] || exit 1
printf 'nothing found\n'
