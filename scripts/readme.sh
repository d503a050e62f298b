#!/bin/bash
# Keeps README.md and docs/ true: docs/reference.md is generated from the tables that leadx works by,
# docs/hosts.md shows the programs that scripts/hosts.sh runs, every session in a page is run and compared
# with what the page says it prints, and every link leads somewhere. scripts/test.sh calls the last two forms.
#
#   scripts/readme.sh            writes the reference and the hosts into their pages
#   scripts/readme.sh --check    exit 1 when they are not up to date, when a link leads nowhere, when README.md
#                                leaves a page out or has grown beyond 180 lines
#   scripts/readme.sh --session [PAGE...]  runs the sessions, exit 1 when one prints anything else; ids, times
#                                and ports may differ
#   scripts/readme.sh --write-session [PAGE...]  takes over what they print; read the result
#
# A session stands between <!-- session --> and <!-- /session -->. Its blocks "sh" and "python" run one after
# the other in a folder of the page's own, "sql" runs on the server as in Supabase's SQL editor, and "text" is
# what the block before it prints. What a reader puts in place of (YOUR-PROJECT …) is the server's here.
#
# BUILD and DIST are make's. --session wants the server's variables (eval
# "$(scripts/server/server.sh env)") and the built file in LEADX_SO (dist/leadx.so).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=server/programs.sh
. "$here/server/programs.sh"
root=$(readlink -f "$here/..")
work=$(mktemp -d)

# The pages whose sessions are run, and beside them those whose links are followed.
pages=(README.md)
for page in "$root"/docs/*.md; do pages+=("docs/${page##*/}"); done
linked=("${pages[@]}" CHANGELOG.md SECURITY.md ext/README.md tests/README.md)
most_lines=180 # of README.md
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
  # shellcheck disable=SC2086 # Lists of flags, and a compiler may have a word before it.
  ${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -DSQLITE_CORE -I"$root/ext" -I"$(gen_dir)" $cflags \
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

# put_between NAME FILE: a page on standard input, with what stands between the markers of that name replaced.
put_between() {
  awk -v name="$1" -v file="$2" '
    { if (!inside) print }
    index($0, "<!-- " name " -->") == 1 { inside = 1; found++; while ((getline line < file) > 0) print line }
    index($0, "<!-- /" name " -->") == 1 { inside = 0; found++; print }
    END { exit found != 2 }' || die "docs/$1.md lacks the markers of $1"
}

# The pages that hold something generated; it stands between markers of the page's name.
generated=(reference hosts)

# Makes the generated pages anew in $work.
make_generated() {
  local name
  make_generator
  "$work/reference" >"$work/reference.part" || die "the reference cannot be made, see above"
  print_hosts >"$work/hosts.part"
  for name in "${generated[@]}"; do put_between "$name" "$work/$name.part" <"$root/docs/$name.md" >"$work/$name.md"; done
}

write() {
  local name
  make_generated
  for name in "${generated[@]}"; do
    cmp -s "$work/$name.md" "$root/docs/$name.md" || cat "$work/$name.md" >"$root/docs/$name.md"
  done
}

check() {
  local name
  make_generated
  for name in "${generated[@]}"; do
    diff -u --label "docs/$name.md" --label 'what it should be' "$root/docs/$name.md" "$work/$name.md" >&2 ||
      die "docs/$name.md is not up to date; run scripts/readme.sh"
  done
  check_links
  check_map
}

# Links ---------------------------------------------------------------------------

# outside_code FILE: the lines of a page that are not in a block of code.
outside_code() { awk '/^```/ { code = !code; next } !code' "$1"; }

# anchors FILE: what a link can name behind a "#", as GitHub makes it from the headings.
anchors() {
  outside_code "$1" | sed -nE 's/^#+ +//p' | tr '[:upper:]' '[:lower:]' | sed -E 's/[^[:alnum:] _-]//g; s/ /-/g'
}

# links FILE: where a page's links lead, those to other sites left out.
links() { outside_code "$1" | grep -oE '\]\([^)]+\)' | sed -E 's/^..//; s/.$//' | grep -vE '^[a-z]+:' || true; }

# A page is looked up beside the one that names it.
check_links() {
  local page link target n=0
  for page in "${linked[@]}"; do
    while IFS= read -r link; do
      [ -n "$link" ] || continue
      n=$((n + 1))
      target=$root/$page
      [ -z "${link%%#*}" ] || target=$(dirname "$root/$page")/${link%%#*}
      [ -e "$target" ] || die "$page: the link to $link leads nowhere"
      [[ $link != *#* ]] || anchors "$target" | grep -Fx -- "${link#*#}" >/dev/null ||
        die "$page: no heading makes the anchor of $link"
    done < <(links "$root/$page")
  done
  printf 'README.md and docs/: %d links lead somewhere\n' "$n"
}

# README.md is the map: it is short and leads to every page.
check_map() {
  local page lines
  lines=$(wc -l <"$root/README.md")
  [ "$lines" -le "$most_lines" ] || die "README.md has $lines lines, more than $most_lines"
  for page in "${linked[@]}"; do
    [ "$page" = README.md ] || links "$root/README.md" | grep -F "$page" >/dev/null || die "README.md does not lead to $page"
  done
}

# The sessions ----------------------------------------------------------------------

# folder_of PAGE: where the blocks of a page are put and run.
folder_of() { printf '%s/session/%s' "$work" "${1//\//_}"; }

has_session() { grep '^<!-- session -->' "$root/$1" >/dev/null; }

# fill: standard input with this server's values in place of the words that a reader replaces; unfill: the words again.
fill() {
  sed -e "s|https://YOUR-PROJECT.supabase.co|$LEADX_URL|g; s|sb_publishable_YOUR_KEY|$LEADX_APIKEY|g" \
    -e "s|you@example.com|$LEADX_EMAIL_1|g; s|your password|$LEADX_PASSWORD_1|g"
}

unfill() { sed -e "s|$LEADX_URL|https://YOUR-PROJECT.supabase.co/rest/v1|g; s|$LEADX_APIKEY|sb_publishable_YOUR_KEY|g"; }

# extract_session PAGE: writes each block of the page's sessions to a file: NN.sh, NN.py or NN.sql is run,
# NN.text is what it prints. A block without one may print what it likes.
extract_session() {
  local folder
  folder=$(folder_of "$1")
  mkdir -p "$folder"
  awk -v dir="$folder" '
    /^<!-- session -->/ { inside = 1 }
    /^<!-- \/session -->/ { inside = 0 }
    !inside { next }
    /^```/ && file != "" { close(file); file = ""; next }
    /^```(sh|python|sql)$/ { n++; sub(/^```/, ""); sub(/python/, "py"); file = sprintf("%s/%02d.%s", dir, n, $0); next }
    /^```text$/ { file = sprintf("%s/%02d.text", dir, n); next }
    file != "" { print > file }' "$root/$1"
}

# A folder like a fresh clone after make, whose server is the one that runs.
make_sandbox() {
  local folder
  folder=$(folder_of "$1")
  mkdir -p "$folder/clone/dist" "$folder/clone/scripts/server"
  ln -s "$(readlink -f "${LEADX_SO:-$root/dist/leadx.so}")" "$folder/clone/dist/leadx.so"
  {
    # shellcheck disable=SC2016 # It is the other script's argument.
    printf '#!/bin/bash\n[ "$1" != down ] || exit 0\n'
    printf 'exec %q --dir %q "$@"\n' "$here/server/server.sh" "$LEADX_SERVER_DIR"
  } >"$folder/clone/scripts/server/server.sh"
  chmod +x "$folder/clone/scripts/server/server.sh"
  ln -s "$here/report.sh" "$folder/clone/scripts/report.sh"
}

# What differs from one run to the next.
normalise() {
  sed -E 's/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/<id>/g
    s/[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(Z|\+00(:00)?)?/<time>/g
    s/"(ms|requests|pulled)":[0-9]+/"\1":<n>/g
    s/(127\.0\.0\.1|localhost):[0-9]+/\1:<port>/g
    s/[[:space:]]+$//' "$1"
}

# run_block FILE: shell is sourced, since what one block sets the next one uses.
run_block() {
  fill <"$1" >"$1.filled"
  # shellcheck disable=SC1090
  case $1 in
  *.py) "$python" "$1.filled" ;;
  *.sql) scripts/server/server.sh psql --reload -q -v ON_ERROR_STOP=1 -f "$1.filled" ;;
  *) . "$1.filled" ;;
  esac
}

run_blocks() {
  local folder=$1 block python
  python=$(find_loading_python) || die "no python3 here can load extensions; Debian's can"
  cd "$folder/clone"
  find "$folder" -maxdepth 1 -name '??.*' ! -name '*.text' | sort >"$folder/blocks"
  while IFS= read -r block; do
    run_block "$block" </dev/null >"${block%.*}.raw" 2>&1 || true
    unfill <"${block%.*}.raw" >"${block%.*}.out"
  done <"$folder/blocks"
}

# run_session PAGE
run_session() {
  extract_session "$1"
  make_sandbox "$1"
  # A server that sessions ran on before has their rows and tables.
  "$here/server/server.sh" psql --dir "$LEADX_SERVER_DIR" -q -c "set client_min_messages = warning" \
    -c "delete from customers where id::text like '5a71ca00%'" -c 'drop table if exists public.notes'
  (run_blocks "$(folder_of "$1")")
}

# write_session PAGE: puts what the session prints now in the place of what was written.
write_session() {
  run_session "$1"
  awk -v dir="$(folder_of "$1")" '
    /^<!-- session -->/ { inside = 1 }
    /^<!-- \/session -->/ { inside = 0 }
    inside && /^```(sh|python|sql)$/ { n++ }
    skipping && /^```$/ { skipping = 0 }
    !skipping { print }
    inside && /^```text$/ {
      skipping = 1
      file = sprintf("%s/%02d.out", dir, n)
      while ((getline line < file) > 0) print line
    }' "$root/$1" >"$work/page.md"
  cat "$work/page.md" >"$root/$1"
}

# session PAGE
session() {
  local text n=0
  run_session "$1"
  for text in "$(folder_of "$1")"/??.text; do
    [ -f "$text" ] || die "the session in $1 has no block that says what is printed"
    n=$((n + 1))
    diff -u --label "$1" --label 'what it prints' <(normalise "$text") <(normalise "${text%.text}.out") >&2 ||
      die "the session in $1 prints something else, see above"
  done
  printf '%s: %d blocks of the session print what is written\n' "$1" "$n"
}

# each DO PAGE...: those pages that have a session, all of them when none is named.
each() {
  local do=$1 page n=0
  shift
  [ -n "${LEADX_SERVER_DIR-}" ] || die "no server; take the variables of scripts/server/server.sh env first"
  [ $# -gt 0 ] || set -- "${pages[@]}"
  for page in "$@"; do
    has_session "$page" || continue
    n=$((n + 1))
    "$do" "$page"
  done
  [ "$n" -gt 0 ] || die "no page has a session"
}

case ${1-} in
'') write ;;
--check) check ;;
--session) each session "${@:2}" ;;
--write-session) each write_session "${@:2}" ;;
*) die "usage: scripts/readme.sh [--check | --session [PAGE...] | --write-session [PAGE...]]" ;;
esac
