# Where a server lives and as whom it runs. Sourced by server.sh.
#
# DIR is the folder the caller names. DIR/live is the server: a folder, or a
# link to one under /tmp where the user that runs the server could not reach
# DIR, or where DIR is too long for the name of a socket.
# shellcheck shell=bash disable=SC2154

# PostgreSQL refuses to run as root, so root hands the server to the account
# that Debian's package made for it, or else to nobody.
choose_user() {
  server_user=
  [ "$(id -u)" = 0 ] || return 0
  server_user=postgres
  id -u postgres >/dev/null 2>&1 || server_user=nobody
}

# Becomes a command, as the server's user and in the server's folder.
exec_as_server() {
  cd "$live" || exit 1
  [ -n "$server_user" ] || exec "$@"
  exec setpriv --reuid="$server_user" --regid="$(id -g "$server_user")" --init-groups \
    env HOME="$live" "$@"
}

as_server() { (exec_as_server "$@"); }

# Sets `live` to the real folder of the server in DIR; fails when there is none.
find_live() { find_remains && [ -f "$live/state" ]; }

# The same for a server that was never finished. What this script did not make
# it must not remove, whatever the name.
find_remains() {
  live=$(readlink -f "$dir/live" 2>/dev/null) && [ -f "$live/.leadx-server" ]
}

give_to_server() {
  [ -z "$server_user" ] || chown -R "$server_user:$(id -g "$server_user")" "$@"
}

# A Unix socket's path has 107 bytes at most.
is_usable() {
  local socket=$live/sock/.s.PGSQL.5432.lock
  [ ${#socket} -lt 107 ] && as_server test -w "$live" 2>/dev/null
}

make_live() {
  [ -d "$dir/live" ] || rm -f "$dir/live"
  mkdir -m 700 "$dir/live" || die "$dir/live is in the way, and it is no server of ours"
  live=$(readlink -f "$dir/live")
  give_to_server "$live"
  is_usable || make_live_elsewhere
  touch "$live/.leadx-server"
  mkdir "$live"/{keys,log,sock,tmp}
  touch "$live"/log/{postgres,postgrest,nginx,access}.log
  give_to_server "$live"
}

make_live_elsewhere() {
  local root
  rmdir "$dir/live"
  for root in "${TMPDIR:-/tmp}" /tmp; do
    live=$(mktemp -d "$root/leadx-server.XXXXXX")
    give_to_server "$live"
    if is_usable; then
      ln -s "$live" "$dir/live"
      return 0
    fi
    rmdir "$live"
  done
  die "no folder that user ${server_user:-$(id -un)} can reach"
}

remove_live() {
  rm -rf "$live"
  rm -f "$dir/live"
  rmdir "$dir" 2>/dev/null || true
}

# One command at a time changes the server in a folder. The lock is on the
# folder itself, so nothing is left behind; the folder may have been removed by
# whoever held the lock before, and then it is made again.
lock_dir() {
  while :; do
    mkdir -p "$dir"
    exec {lock_fd}<"$dir"
    flock -w 60 "$lock_fd" || die "another command has held $dir for a minute"
    [ "$dir" -ef "/proc/self/fd/$lock_fd" ] && return 0
    exec {lock_fd}<&-
  done
}

# Below the range that the kernel hands to outgoing connections.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    if ! (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      printf '%s\n' "$port"
      return 0
    fi
  done
}
