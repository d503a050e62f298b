#!/bin/bash
# Do the tests notice when the code is wrong? Builds the test program once for each mutant of tests/quality/mutants.txt and runs
# the suites that have to fail. `make mutants` builds what is needed and calls this.
#
#   scripts/quality/mutants.sh FOLDER [WORD...]
#
# With WORDs only mutants whose file's name, or whose text without its blanks, contains one of them. The environment says how to build: MUTANT_CC and MUTANT_LD
# (compiler and linker with their flags), MUTANT_PACK (the linker for objects alone), MUTANT_SO (the linker for the loadable file), MUTANT_TESTS and MUTANT_PIC (the objects of
# the tests, and of the loadable file), LEADX_A (leadx as a library) and MUTANT_LIBS.
# A mutant whose text is not found exactly once has lost its place in the source, and nothing is run. Exit 1 then, when a
# suite fails without any mutant, and when fewer than 90 % are killed.
# shellcheck disable=SC2086 # what comes from the environment is commands with their arguments
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

folder=${1:?usage: scripts/quality/mutants.sh FOLDER [WORD...]}
shift
words=("$@")
: "${MUTANT_CC:?}" "${MUTANT_LD:?}" "${MUTANT_PACK:?}" "${MUTANT_SO:?}" "${MUTANT_TESTS:?}" "${MUTANT_PIC:?}" "${MUTANT_LIBS:?}" "${LEADX_A:?}"
workers=2
goal=90
export CK_DEFAULT_TIMEOUT=${CK_DEFAULT_TIMEOUT:-60} LC_ALL=C.UTF-8

# Writes FOLDER/N/mutant.c for each mutant, and FOLDER/list: N, file, suites, text, replacement, between tabs.
make_sources() {
  rm -rf "$folder"/[0-9]*
  awk -v folder="$folder" -v words="${words[*]}" '
    function wrong(message) { printf "tests/quality/mutants.txt:%d: %s\n", FNR, message >"/dev/stderr"; failed = 1 }
    function read_file(name,  line, text) {
      if (name in texts) return texts[name]
      while ((getline line <name) > 0) text = text line "\n"
      close(name)
      return texts[name] = text
    }
    function is_wanted(  i, n, word, bare) {
      bare = text
      gsub(/ /, "", bare)
      n = split(words, word, " ")
      for (i = 1; i <= n; i++) if (index(file, word[i]) || index(bare, word[i])) return 1
      return n == 0
    }
    # The file without its blanks, in which a text is looked for, and where each of its characters stands:
    # a line may be broken anywhere.
    function squeeze(name,  source, chars, i, n, at, bare) {
      if (name in bares) return bares[name]
      source = read_file(name)
      n = split(source, chars, "")
      for (i = 1; i <= n; i++) if (chars[i] !~ /[ \n]/) { place[name, ++at] = i; bare = bare chars[i] }
      return bares[name] = bare
    }
    function make(replacement,  source, bare, wanted, at, end) {
      source = read_file(file)
      bare = squeeze(file)
      wanted = text
      gsub(/ /, "", wanted)
      at = index(bare, wanted)
      if (!at) return wrong(file " has no \"" text "\"")
      if (index(substr(bare, at + 1), wanted)) return wrong(file " has this more than once: " text)
      end = place[file, at + length(wanted) - 1]
      at = place[file, at]
      if (text == replacement) return wrong("the mutant is the original")
      n++
      if (!is_wanted()) return
      system("mkdir -p " folder "/" n)
      printf "%s%s%s", substr(source, 1, at - 1), replacement, substr(source, end + 1) >(folder "/" n "/mutant.c")
      close(folder "/" n "/mutant.c")
      printf "%d\t%s\t%s\t%s\t%s\n", n, file, suites, text, replacement >(folder "/list")
    }
    BEGIN { printf "" >(folder "/list") }
    /^#/ || /^$/ { next }
    /^ext\// { file = $1; suites = $0; sub(/^[^ ]+ +/, "", suites); text = ""; next }
    /^- / { text = substr($0, 3); next }
    /^\+/ { if (file == "" || text == "") wrong("a file, suites and a text come first"); else make(substr($0, 3)); text = ""; next }
    { wrong("neither a file, nor - text, nor + text") }
    END { exit failed }' tests/quality/mutants.txt
}

# link PLACE [MUTANT]: the program, which is linked with leadx, and the loadable file that some suites load instead.
link() {
  local place=$1
  shift
  $MUTANT_LD -o "$place/leadx_test" "$@" "$folder/tests.o" "$folder/libleadx.a" $MUTANT_LIBS
  $MUTANT_SO -Wl,-u,sqlite3_leadx_init -o "$place/leadx.so" "${@/%.o/.so.o}" "$folder/leadx_pic.a" $MUTANT_LIBS
}

# build PLACE
build() {
  $MUTANT_CC -c -o "$1/mutant.o" "$1/mutant.c" && $MUTANT_CC -USQLITE_CORE -c -o "$1/mutant.so.o" "$1/mutant.c" && link "$1" "$1/mutant.o"
}

# run PLACE SUITE LOG; killed is what any other end than a success is.
run() { CK_RUN_SUITE=$2 LEADX_SO=$PWD/$1/leadx.so timeout -k 5 240 "$1/leadx_test" >"$3" 2>&1; }

# The first test that failed, or how else the program ended.
reason() {
  local line
  line=$(grep -aE '^[^ ]+:[0-9]+:[FE]:' "$1" | head -n 1 | cut -d: -f5) || true
  printf '%s' "${line:-it did not end well}"
}

try() {
  local n=$1 file=$2 suites=$3 text=$4 replacement=$5 place=$folder/$1 suite verdict=ALIVE why=
  if build "$place" 2>"$place/build.log"; then
    for suite in $suites; do
      run "$place" "$suite" "$place/$suite.log" && continue
      verdict=killed why="$suite: $(reason "$place/$suite.log")"
      break
    done
  else
    verdict=BROKEN why="see $place/build.log"
  fi
  rm -f "$place/leadx_test" "$place"/*.so "$place"/*.o
  printf '%s\n' "$verdict" >"$place/verdict"
  printf '%-6s %3d %-18s %s  =>  %s%s\n' "$verdict" "$n" "$file" "$text" "${replacement:-(nothing)}" "${why:+  [$why]}"
}

# The w-th worker has a server of its own.
use_server() {
  local variables
  variables=$(scripts/server/server.sh env --dir "$folder/server.$1")
  eval "$variables"
}

# Do the suites pass as things are? The w-th worker runs every workers-th of them.
try_suites() {
  local suite
  cut -f 3 "$folder/list" | tr ' ' '\n' | sort -u | awk -v w="$1" -v of="$workers" 'NR % of == w' | while read -r suite; do
    run "$folder" "$suite" "$folder/$suite.log" && continue
    printf 'the suite %s fails without any mutant: %s\n' "$suite" "$(reason "$folder/$suite.log")"
    return 1
  done
}

# Every workers-th mutant.
try_mutants() {
  local n file suites text replacement
  while IFS=$'\t' read -r n file suites text replacement; do
    [ $((n % workers)) = "$1" ] || continue
    try "$n" "$file" "$suites" "$text" "$replacement"
  done <"$folder/list"
}

# Runs a function in all workers at once.
all_workers() {
  local w pid failed=0
  pids=()
  for ((w = 0; w < workers; w++)); do
    (use_server "$w" && "$1" "$w") &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
  pids=()
  return "$failed"
}

clean_up() {
  local rc=$? w
  trap - EXIT INT TERM HUP
  for w in "${pids[@]}"; do kill "$w" 2>/dev/null || true; done
  for ((w = 0; w < workers; w++)); do scripts/server/server.sh down --dir "$folder/server.$w" || true; done
  exit "$rc"
}

main() {
  mkdir -p "$folder"
  rm -f "$folder"/*.log
  make_sources
  pids=()
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  # What is built meanwhile changes nothing here.
  $MUTANT_PACK -o "$folder/tests.o" $MUTANT_TESTS
  cp "$LEADX_A" "$folder/libleadx.a"
  rm -f "$folder/leadx_pic.a"
  ar rcs "$folder/leadx_pic.a" $MUTANT_PIC
  link "$folder"
  for ((w = 0; w < workers; w++)); do scripts/server/server.sh up --dir "$folder/server.$w"; done
  all_workers try_suites || exit 1
  all_workers try_mutants || exit 1
  awk -v goal="$goal" '
    { count[$1]++; n++ }
    END {
      printf "\n%d mutants: %d killed, %d alive, %d broken (goal: %d %% killed)\n", n, count["killed"], count["ALIVE"], count["BROKEN"], goal
      exit count["BROKEN"] || !n || 100 * count["killed"] < goal * n
    }' "$folder"/[0-9]*/verdict
}

main
