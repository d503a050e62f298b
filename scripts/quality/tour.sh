#!/bin/bash
# Does ext/README.md still describe ext/? Every function that it names in back quotes has to exist
# (`leadx_push_run`; a static one with its file: `push/push.c:run_plan`; one of SQL: `leadx_sync()`), and its table of rooms has to be the
# one that scripts/audit.sh checks. `make test` asks. Prints what is wrong; exit 1 when something is.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
readme=ext/README.md
failed=0
names=0

wrong() {
  printf '%s: %s\n' "$readme" "$*" >&2
  failed=1
}

# is_defined NAME FILE...: does a function of that name begin in one of the files?
is_defined() {
  local name=$1
  shift
  grep -qsE "^[a-z].*[ *]$name\(" "$@"
}

# shellcheck disable=SC2016 # the back quotes are those of the text
while read -r name; do
  names=$((names + 1))
  case $name in
  *:*) is_defined "${name#*:}" "ext/${name%%:*}" || wrong "there is no ${name#*:}() in ext/${name%%:*}" ;;
  leadx_*'()') grep -qF "\"${name%()}\"" ext/api/func.c || wrong "SQL has no $name" ;;
  leadx_*) is_defined "$name" ext/*/*.c || wrong "there is no $name()" ;;
  */*) [ -e "$name" ] || [ -e "ext/$name" ] || wrong "there is no file $name" ;;
  esac
done < <(grep -oE '`[^` ]+`' "$readme" | tr -d '`' | sort -u)

[ "$names" -gt 40 ] || wrong "only $names names were found"
[ "$(grep '^|' "$readme")" = "$(scripts/audit.sh --rooms)" ] ||
  wrong "the table of rooms is not the list of scripts/audit.sh; scripts/audit.sh --rooms prints it"
[ "$failed" = 0 ] || exit 1
printf '%s: all %s names exist\n' "$readme" "$names"
