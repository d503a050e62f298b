#!/bin/bash
# Keeps README.md true: its reference is generated from the tables that leadx
# works by, its hosts are the programs that scripts/hosts.sh runs, and its
# session is run and compared. scripts/test.sh calls the
# last two.
#
#   scripts/readme.sh            writes the reference and the hosts into README.md
#   scripts/readme.sh --check    exit 1 when they are not up to date
#   scripts/readme.sh --session  runs the session, exit 1 when it prints anything
#                                else; ids, times and ports may differ
#   scripts/readme.sh --write-session  takes over what it prints; read the result
#
# BUILD and DIST are make's. --session wants the server's variables (eval
# "$(scripts/server/server.sh env)") and the built file in LEADX_SO (dist/leadx.so).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=server/programs.sh
. "$here/server/programs.sh"
root=$(readlink -f "$here/..")
readme=$root/README.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

die() {
  printf 'readme: %s\n' "$*" >&2
  exit 1
}

# The reference -------------------------------------------------------------------

make_generator() {
  local dist=${DIST:-dist} cflags libs
  # A make that called this script has jobs of its own, which are not shared.
  env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$root" BUILD="${BUILD:-build}" DIST="$dist" static >&2
  [[ $dist == /* ]] || dist=$root/$dist
  cflags=$(pkg-config --cflags sqlite3 2>/dev/null || true)
  libs=$(pkg-config --libs sqlite3 libcurl libcjson 2>/dev/null || printf -- '-lsqlite3 -lcurl -lcjson')
  # shellcheck disable=SC2086 # Lists of flags.
  "${CC:-cc}" -std=c11 -Wall -Wextra -Wpedantic -DSQLITE_CORE -I"$root/ext" -I"$(gen_dir)" $cflags \
    -o "$work/reference" "$here/readme/reference.c" "$dist/libleadx.a" $libs -pthread
}

gen_dir() {
  local build=${BUILD:-build}
  [[ $build == /* ]] || build=$root/$build
  printf '%s/gen\n' "$build"
}

# shellcheck disable=SC2016 # The backquotes are Markdown's.
# The hosts: a title, the program in scripts/hosts, and the language of its block.
hosts=(
  'The sqlite3 shell|shell.sh|sh'
  'Python|python.py|python'
  'A Python without `enable_load_extension`|python_ctypes.py|python'
  'Node, better-sqlite3|better_sqlite3.js|js'
  'Node, node:sqlite|node_sqlite.js|js'
  'Perl|perl.pl|perl'
  'Tcl|tcl.tcl|tcl'
  'PHP|php.php|php'
  'Ruby|ruby.rb|ruby'
  'Java, xerial|java.java|java'
  'C, linked statically|static_c.c|c'
)

print_hosts() {
  local entry title program language
  for entry in "${hosts[@]}"; do
    IFS='|' read -r title program language <<<"$entry"
    # shellcheck disable=SC2016
    printf '%s (`scripts/hosts/%s`):\n\n```%s\n' "$title" "$program" "$language"
    grep -v '^#!' "$here/hosts/$program"
    printf '```\n\n'
  done
}

# put_between NAME FILE: README.md on standard input, with what stands between the markers of that name replaced.
put_between() {
  awk -v name="$1" -v file="$2" '
    { if (!inside) print }
    index($0, "<!-- " name " -->") == 1 { inside = 1; found++; while ((getline line < file) > 0) print line }
    index($0, "<!-- /" name " -->") == 1 { inside = 0; found++; print }
    END { exit found != 2 }' || die "README.md lacks the markers of $1"
}

# Prints README.md with what is generated put in anew.
with_generated() {
  make_generator
  "$work/reference" >"$work/reference.md" || die "the reference cannot be made, see above"
  print_hosts >"$work/hosts.md"
  put_between reference "$work/reference.md" <"$readme" | put_between hosts "$work/hosts.md"
}

write() {
  with_generated >"$work/README.md"
  cmp -s "$work/README.md" "$readme" || cat "$work/README.md" >"$readme"
}

check() {
  with_generated >"$work/README.md"
  diff -u "$readme" "$work/README.md" >&2 || die "what README.md shows of the reference or of scripts/hosts is not up to date; run scripts/readme.sh"
}

# The session ---------------------------------------------------------------------

# Writes each block of the session to a file: N.sh or N.py is run, N.text is
# what it prints. A block without one may print what it likes.
extract_session() {
  awk -v dir="$work" '
    /^<!-- session -->/ { inside = 1 }
    /^<!-- \/session -->/ { inside = 0 }
    !inside { next }
    /^```/ && file != "" { close(file); file = ""; next }
    /^```(sh|python)$/ { n++; file = sprintf("%s/%02d.%s", dir, n, $0 == "```sh" ? "sh" : "py"); next }
    /^```text$/ { file = sprintf("%s/%02d.text", dir, n); next }
    file != "" { print > file }' "$readme"
}

# A folder like a fresh clone after make, whose server is the one that runs.
make_sandbox() {
  mkdir -p "$work/clone/dist" "$work/clone/scripts/server"
  ln -s "$(readlink -f "${LEADX_SO:-$root/dist/leadx.so}")" "$work/clone/dist/leadx.so"
  {
    # shellcheck disable=SC2016 # It is the other script's argument.
    printf '#!/bin/bash\n[ "$1" != down ] || exit 0\n'
    printf 'exec %q --dir %q "$@"\n' "$here/server/server.sh" "$LEADX_SERVER_DIR"
  } >"$work/clone/scripts/server/server.sh"
  chmod +x "$work/clone/scripts/server/server.sh"
}

# What differs from one run to the next.
normalise() {
  sed -E 's/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/<id>/g
    s/[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(Z|\+00(:00)?)?/<time>/g
    s/"(ms|requests|pulled)":[0-9]+/"\1":<n>/g
    s/(127\.0\.0\.1|localhost):[0-9]+/\1:<port>/g
    s/[[:space:]]+$//' "$1"
}

run_blocks() {
  local block python
  python=$(find_loading_python) || die "no python3 here can load extensions; Debian's can"
  cd "$work/clone"
  for block in "$work"/??.{sh,py}; do printf '%s\n' "$block"; done | sort >"$work/blocks"
  while IFS= read -r block; do
    # Shell is sourced, since what one block sets the next one uses.
    # shellcheck disable=SC1090
    if [[ $block == *.py ]]; then "$python" "$block"; else . "$block"; fi </dev/null >"${block%.*}.out" 2>&1 || true
  done <"$work/blocks"
}

run_session() {
  [ -n "${LEADX_SERVER_DIR-}" ] || die "no server; take the variables of scripts/server/server.sh env first"
  extract_session
  make_sandbox
  # A server that the session ran on before has its rows.
  "$work/clone/scripts/server/server.sh" psql -q -c "delete from customers where id::text like '5a71ca00%'"
  (run_blocks)
}

# Puts what the session prints now in the place of what was written.
write_session() {
  run_session
  awk -v dir="$work" '
    /^<!-- session -->/ { inside = 1 }
    /^<!-- \/session -->/ { inside = 0 }
    inside && /^```(sh|python)$/ { n++ }
    skipping && /^```$/ { skipping = 0 }
    !skipping { print }
    inside && /^```text$/ {
      skipping = 1
      file = sprintf("%s/%02d.out", dir, n)
      while ((getline line < file) > 0) print line
    }' "$readme" >"$work/README.md"
  cat "$work/README.md" >"$readme"
}

session() {
  run_session
  local text n=0
  for text in "$work"/??.text; do
    [ -f "$text" ] || die "README.md has no session"
    n=$((n + 1))
    diff -u --label 'README.md' --label 'what it prints' <(normalise "$text") <(normalise "${text%.text}.out") >&2 ||
      die "the session in README.md prints something else, see above"
  done
  printf 'README.md: %d blocks of the session print what is written\n' "$n"
}

case ${1-} in
'') write ;;
--check) check ;;
--session) session ;;
--write-session) write_session ;;
*) die "usage: scripts/readme.sh [--check | --session | --write-session]" ;;
esac
