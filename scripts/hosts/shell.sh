#!/bin/sh
{ printf '.bail on\n.load %s\n' "${LEADX_SO%.so}"; sed 's/$/;/' "$SQL"; } | sqlite3 "$FILE"
