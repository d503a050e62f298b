# Turns SQL files into C: one enum member and one string literal per named entry.
#
#   awk -v part=h -f scripts/embed_sql.awk sql/*/*.sql >build/gen/sql_text.h
#   awk -v part=c -f scripts/embed_sql.awk sql/*/*.sql >build/gen/sql_text.c
#
# An entry begins with a line "-- name: queue_claim" and ends before the next
# such line or with the file. Blank lines and comment lines at its beginning
# and end are for the reader and left out; those in between are kept.

function complain(text) {
  printf "%s:%d: %s\n", FILENAME, FNR, text >"/dev/stderr"
  failed = 1
}

function literal(line) {
  gsub(/\\/, "&&", line)
  gsub(/"/, "\\\"", line)
  gsub(/[?][?]/, "?\\?", line) # C11 reads ??( and its kind as one character
  return "\"" line
}

FNR == 1 { n_open = 0; waiting = "" }
{ sub(/\r$/, "") }

/^-- name:/ {
  name = $3
  if (NF != 3 || name !~ /^[a-z][a-z0-9_]*$/) complain("expected \"-- name: lower_case_name\"")
  if (name in place) complain("\"" name "\" is already defined at " place[name])
  place[name] = FILENAME ":" FNR
  n_open = ++count
  names[count] = name
  waiting = ""
  next
}

/^[ \t]*(--|$)/ {
  if (text[n_open] != "") waiting = waiting "\\n\"\n    " literal($0)
  next
}

n_open == 0 { complain("SQL before the first \"-- name:\""); next }

{
  text[n_open] = text[n_open] waiting (text[n_open] == "" ? "    " : "\\n\"\n    ") literal($0)
  waiting = ""
}

END {
  for (i = 1; i <= count; i++)
    if (text[i] == "") { print place[names[i]] ": \"" names[i] "\" has no SQL" >"/dev/stderr"; failed = 1 }
  if (!count) { print "embed_sql: no \"-- name:\" in any file" >"/dev/stderr"; failed = 1 }
  if (failed) exit 1

  print "/* Made by scripts/embed_sql.awk from sql/; edit those files instead. */"
  if (part == "h") {
    print "#ifndef LEADX_SQL_TEXT_H\n#define LEADX_SQL_TEXT_H\n\nenum leadx_sql_id {"
    for (i = 1; i <= count; i++) print "  LEADX_SQL_" toupper(names[i]) ","
    print "  LEADX_SQL_COUNT\n};\n"
    print "extern const char *const leadx_sql_text[LEADX_SQL_COUNT];"
    print "extern const char *const leadx_sql_name[LEADX_SQL_COUNT];\n\n#endif"
    exit
  }
  print "#include \"sql_text.h\"\n"
  print "/* C promises only 4095 bytes per literal; gcc and clang have no such limit. */"
  print "#pragma GCC diagnostic ignored \"-Woverlength-strings\"\n"
  print "const char *const leadx_sql_text[LEADX_SQL_COUNT] = {"
  for (i = 1; i <= count; i++) print "  /* " place[names[i]] " */\n  [LEADX_SQL_" toupper(names[i]) "] =\n" text[i] "\","
  print "};\n\nconst char *const leadx_sql_name[LEADX_SQL_COUNT] = {"
  for (i = 1; i <= count; i++) print "  [LEADX_SQL_" toupper(names[i]) "] = \"" names[i] "\","
  print "};"
}
