#!/bin/bash
# One HTML page about a device, from its database file alone: what waits and for how long, problems with the statement that
# mends each, conflicts side by side, syncs over time, sizes. For whoever gets a file sent. It reads, and asks no server; the
# file holds no key and no token, and so does the page.
#
#   scripts/report.sh FILE >report.html      LEADX_SO is the built file (dist/leadx.so)
set -euo pipefail

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
so=${LEADX_SO-$here/../dist/leadx.so}

die() {
  printf 'report: %s\n' "$*" >&2
  exit 1
}

# The shell of SQLite reads its arguments as options where they begin with a hyphen.
path_of() { case $1 in -*) printf './%s' "$1" ;; *) printf '%s' "$1" ;; esac; }

# query MODE SQL: over the file, which nobody writes meanwhile. Texts of the file are data: MODE html escapes them.
query() { sqlite3 -readonly -batch -cmd ".load '${so%.so}'" -cmd ".mode $1" -cmd ".headers $([ "$1" = html ] && echo on || echo off)" "$file" "$2"; }

# table TITLE SQL: nothing where there are no rows.
table() {
  local rows
  rows=$(query html "$2")
  [ -z "$rows" ] || printf '<h2>%s</h2>\n<table>\n%s\n</table>\n' "$1" "$rows"
}

# A bar for each of the last syncs: its height is how long it took, its colour how it ended.
picture() {
  local bars
  bars=$(query list "WITH last AS (SELECT ms, state, row_number() OVER (ORDER BY at DESC) AS i FROM leadx_log LIMIT 100),
    scale AS (SELECT max(max(CAST(ms AS INTEGER)), 1) AS most FROM last)
    SELECT printf('<rect x=\"%d\" y=\"%d\" width=\"6\" height=\"%d\" class=\"%s\"/>', 800 - 8 * i,
      100 - max(2, 98 * CAST(ms AS INTEGER) / most), max(2, 98 * CAST(ms AS INTEGER) / most),
      CASE state WHEN 'ok' THEN 'ok' WHEN 'partial' THEN 'partial' WHEN 'offline' THEN 'offline' ELSE 'error' END)
    FROM last, scale")
  [ -n "$bars" ] || return 0
  printf '<h2>Syncs, the newest on the right</h2>\n<svg viewBox="0 0 800 102" role="img" aria-label="syncs">%s</svg>\n' "$bars"
  printf '<p class="key"><b class="ok">ok</b> <b class="partial">partial</b> <b class="offline">offline</b> <b class="error">error</b></p>\n'
}

page() {
  cat <<'HTML'
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>leadx report</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
body { font: 14px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #222 }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; vertical-align: top; padding: .3em .6em; border-bottom: 1px solid #ddd; overflow-wrap: anywhere }
svg { width: 100%; background: #f6f6f6 } .key b { padding: 0 .5em; color: #fff }
.ok { fill: #2a8; background: #2a8 } .partial { fill: #d80; background: #d80 } .offline { fill: #888; background: #888 } .error { fill: #c33; background: #c33 }
</style></head><body><h1>leadx report</h1>
HTML
  table 'The file' "SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size) / 1024 AS kilobytes,
    (SELECT count(*) FROM sync_queue) AS queue_rows, (SELECT count(*) FROM sync_queue WHERE status <> 'SYNCED') AS unsent,
    (SELECT min(created_at) FROM sync_queue WHERE status <> 'SYNCED') AS oldest_unsent, (SELECT max(at) FROM leadx_log) AS last_sync"
  table 'Problems' 'SELECT kind, entity_type AS entity, entity_id AS "key", label, since, code, message, fix FROM leadx_problems'
  table 'What waits' "SELECT entity_type AS entity, status, ifnull(error_code, '') AS code, count(*) AS rows, min(created_at) AS oldest,
    round((julianday('now') - min(julianday(created_at, 'auto'))) * 24, 1) AS hours FROM sync_queue WHERE status <> 'SYNCED' GROUP BY 1, 2, 3 ORDER BY 5"
  table 'Conflicts' 'SELECT entity_type AS entity, entity_id AS "key", "column", base AS "before", client AS "here", server AS "there", winner, resolution, detected_at FROM leadx_conflicts ORDER BY detected_at DESC LIMIT 200'
  picture
  table 'Last syncs' 'SELECT at, "trigger", state, pushed, pulled, conflicts, failed, requests, bytes_out, bytes_in, ms, error FROM leadx_log ORDER BY at DESC LIMIT 50'
  table 'Tables' 'SELECT table_name AS "table", entity_type AS entity, mode, pending, failed, synced, conflicts, last_push_at, last_pull_at, last_error FROM leadx_status'
  printf '</body></html>\n'
}

[ $# -eq 1 ] || die "usage: scripts/report.sh FILE >report.html"
[ -f "$1" ] || die "there is no file $1"
[ -f "$so" ] || die "there is no $so; run make first, or set LEADX_SO"
file=$(path_of "$1")
tracked=$(query list "SELECT count(*) FROM sqlite_schema WHERE name = 'leadx_tables'" 2>&1) || die "$1 cannot be read: $tracked"
[ "$tracked" = 1 ] || die "$1 has no table that leadx tracks"
page
