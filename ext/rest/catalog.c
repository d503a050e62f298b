/* What tables a server has. See catalog.h.
**
** PostgREST's OpenAPI document has a member of "definitions" for each table, with a property for each
** column: {"format":"bigint","default":0,"maxLength":20,"description":"…Note:\nThis is a Primary
** Key.<pk/>"}. "required" lists the columns that are NOT NULL, and "paths" tells what can be done. */
#include "rest/catalog.h"

#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

static int is_usable(const char *name) {
  size_t n = name ? strlen(name) : 0;
  if (n == 0 || n > LEADX_CATALOG_NAME_BYTES) return 0;
  for (const char *c = name; *c; c++) {
    if ((unsigned char)*c < 0x20 || *c == 0x7f) return 0;
  }
  return 1;
}

static int count(const leadx_doc *container, int most) {
  int n = 0;
  for (const leadx_doc *e = leadx_doc_first(container); e && n <= most; e = leadx_doc_next(e)) n++;
  return n;
}

static int has_text(const leadx_doc *array, const char *text) {
  for (const leadx_doc *e = leadx_doc_first(array); e; e = leadx_doc_next(e)) {
    const char *name = leadx_doc_string(e);
    if (name && strcmp(name, text) == 0) return 1;
  }
  return 0;
}

int leadx_catalog_column_of(const leadx_catalog_table *table, const char *name) {
  for (int i = 0; name && i < table->ncolumns; i++) {
    if (strcmp(table->columns[i].name, name) == 0) return i;
  }
  return -1;
}

const leadx_catalog_table *leadx_catalog_find(const leadx_catalog *catalog, const char *name) {
  for (int i = 0; i < catalog->n; i++) {
    if (strcmp(catalog->tables[i].name, name) == 0) return &catalog->tables[i];
  }
  return NULL;
}

/* ---- defaults ---- */

/* Calls whose whole text is known. */
static const struct known_call {
  const char *text;
  leadx_filling filling;
} known_calls[] = {
    {"now()", LEADX_FILLED_NOW},
    {"CURRENT_TIMESTAMP", LEADX_FILLED_NOW},
    {"clock_timestamp()", LEADX_FILLED_NOW},
    {"statement_timestamp()", LEADX_FILLED_NOW},
    {"transaction_timestamp()", LEADX_FILLED_NOW},
    {"timezone('utc'::text, now())", LEADX_FILLED_NOW},
    {"(now() AT TIME ZONE 'utc'::text)", LEADX_FILLED_NOW},
    {"CURRENT_DATE", LEADX_FILLED_TODAY},
    {"(now())::date", LEADX_FILLED_TODAY},
    {"gen_random_uuid()", LEADX_FILLED_UUID},
    {"uuid_generate_v4()", LEADX_FILLED_UUID},
    {"extensions.uuid_generate_v4()", LEADX_FILLED_UUID},
};

static int is_number(const char *text) {
  const char *at = text + (*text == '-');
  size_t digits = strspn(at, "0123456789");
  if (!digits || digits > 18) return 0;
  at += digits;
  if (*at == '.') {
    size_t fraction = strspn(at + 1, "0123456789");
    if (!fraction || fraction > 18) return 0;
    at += 1 + fraction;
  }
  return *at == 0;
}

/* Is the rest of a DEFAULT behind a literal a cast and nothing else: "::character varying"? */
static int is_cast(const char *at) {
  if (*at == 0) return 1;
  if (at[0] != ':' || at[1] != ':') return 0;
  at += 2;
  return *at && strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_. "
                           "(),[]\"") == strlen(at);
}

/* Reads 'text'::type. *value stays NULL when it is none. */
static int read_quoted(const char *text, char **value) {
  if (*text != '\'') return SQLITE_OK;
  sqlite3_str *out = sqlite3_str_new(NULL);
  const char *at = text + 1;
  for (; *at && !(at[0] == '\'' && at[1] != '\''); at++) {
    sqlite3_str_appendchar(out, 1, *at);
    at += *at == '\'';
  }
  int is_text = *at == '\'' && is_cast(at + 1), is_empty = sqlite3_str_length(out) == 0;
  int rc = sqlite3_str_errcode(out);
  char *read = sqlite3_str_finish(out);
  if (rc == SQLITE_OK && is_text && is_empty && !(read = sqlite3_mprintf(""))) rc = SQLITE_NOMEM;
  if (rc == SQLITE_OK && is_text) *value = read;
  else sqlite3_free(read);
  return rc;
}

static int keep_value(leadx_catalog_column *column, leadx_filling filling, const char *text) {
  column->value = sqlite3_mprintf("%s", text);
  column->filling = filling;
  return column->value ? SQLITE_OK : SQLITE_NOMEM;
}

/* A DEFAULT as PostgreSQL writes the expression. */
static int read_expression(leadx_catalog_column *column, const char *text) {
  column->filling = LEADX_FILLED_SOMEHOW;
  for (size_t i = 0; i < sizeof known_calls / sizeof known_calls[0]; i++) {
    if (strcmp(text, known_calls[i].text) == 0) column->filling = known_calls[i].filling;
  }
  if (column->filling != LEADX_FILLED_SOMEHOW) return SQLITE_OK;
  if (strcmp(text, "true") == 0) column->filling = LEADX_FILLED_TRUE;
  else if (strcmp(text, "false") == 0) column->filling = LEADX_FILLED_FALSE;
  else if (strncmp(text, "NULL", 4) == 0 && is_cast(text + 4)) column->filling = LEADX_FILLED_NOT;
  else if (is_number(text)) return keep_value(column, LEADX_FILLED_NUMBER, text);
  else {
    int rc = read_quoted(text, &column->value);
    if (column->value) column->filling = LEADX_FILLED_TEXT;
    return rc;
  }
  return SQLITE_OK;
}

/* A DEFAULT of the OpenAPI document: a JSON value where PostgREST could make one of the expression.
** Of a text column it has taken the quotes away, so that a call and a text cannot be told apart: what
** has a parenthesis in it, or is a word of SQL, counts as a call. */
static int read_told(leadx_catalog_column *column, const leadx_doc *value) {
  const char *text = leadx_doc_string(value);
  /* It tells no default of JSON and arrays, nor a sequence. */
  int may_be_silent = strncmp(column->type, "json", 4) == 0 || strstr(column->type, "[]") ||
                      strstr(column->type, "int") || strcmp(column->type, "numeric") == 0;
  if (!value && !may_be_silent) return SQLITE_OK;
  column->filling = LEADX_FILLED_SOMEHOW;
  if (!value) return SQLITE_OK;
  if (leadx_doc_is_bool(value)) {
    column->filling = leadx_doc_true(value) ? LEADX_FILLED_TRUE : LEADX_FILLED_FALSE;
    return SQLITE_OK;
  }
  double number = leadx_doc_number(value);
  if (leadx_doc_is_number(value) && number > -1e15 && number < 1e15) {
    char digits[40];
    sqlite3_snprintf(sizeof digits, digits, "%!.15g", number);
    size_t n = strlen(digits);
    if (n > 2 && strcmp(digits + n - 2, ".0") == 0) digits[n - 2] = 0;
    return is_number(digits) ? keep_value(column, LEADX_FILLED_NUMBER, digits) : SQLITE_OK;
  }
  if (!text) return SQLITE_OK;
  int rc = read_expression(column, text);
  int is_texts = strncmp(column->type, "text", 4) == 0 ||
                 strncmp(column->type, "character varying", 17) == 0 || strchr(column->type, '.');
  int is_word = strncmp(text, "CURRENT_", 8) == 0 || strncmp(text, "SESSION_", 8) == 0 ||
                strncmp(text, "LOCAL", 5) == 0;
  if (rc != SQLITE_OK || column->filling != LEADX_FILLED_SOMEHOW || !is_texts || is_word ||
      strpbrk(text, "():"))
    return rc;
  /* Quotes inside are still doubled. */
  char *quoted = sqlite3_mprintf("'%s'", text);
  if (!quoted) return SQLITE_NOMEM;
  rc = read_quoted(quoted, &column->value);
  if (column->value) column->filling = LEADX_FILLED_TEXT;
  sqlite3_free(quoted);
  return rc;
}

/* ---- the OpenAPI document ---- */

/* The notes that PostgREST puts behind a column's comment, which is somebody's text. NULL: none. */
static const char *notes_of(const leadx_doc *property) {
  const char *text = leadx_doc_text(property, "description"), *found = NULL;
  for (const char *at = text ? strstr(text, "Note:\n") : NULL; at; at = strstr(at + 1, "Note:\n")) {
    if (at == text || at[-1] == '\n') found = at;
  }
  return found;
}

static int is_key_note(const char *notes) {
  return notes && strstr(notes, "This is a Primary Key.<pk/>") != NULL;
}

/* The text between two marks, inside the document's own memory: the mark behind it becomes a NUL. */
static const char *cut_out(char *notes, const char *before, const char *behind) {
  char *from = strstr(notes, before);
  if (!from) return NULL;
  from += strlen(before);
  char *to = strstr(from, behind);
  if (!to) return NULL;
  *to = 0;
  return from;
}

/* <fk table='customers' column='id'/>. The last of a note is read, as a name may hold anything. */
static void read_reference_note(leadx_catalog_table *table, int column, const char *notes) {
  const char *mark = notes ? strstr(notes, "<fk table='") : NULL;
  if (!mark || table->nreferences == LEADX_CATALOG_REFERENCES) return;
  char *own = (char *)(uintptr_t)mark; /* the document is ours alone */
  const char *target = strstr(mark, "' column='") ? cut_out(own, "' column='", "'/>") : NULL;
  const char *parent = target ? cut_out(own, "<fk table='", "' column='") : NULL;
  if (!is_usable(parent) || !is_usable(target)) return;
  leadx_catalog_reference *reference = &table->references[table->nreferences++];
  reference->n = 1;
  reference->column[0] = column;
  reference->table = parent;
  reference->target[0] = target;
}

static int read_property(leadx_catalog_table *table, const leadx_doc *property,
                         const leadx_doc *required) {
  leadx_catalog_column *column = &table->columns[table->ncolumns];
  const char *format = leadx_doc_text(property, "format");
  double length = leadx_doc_number(leadx_doc_get(property, "maxLength"));
  column->name = leadx_doc_name(property);
  column->type = format ? format : "text";
  column->not_null = has_text(required, column->name);
  column->length = length >= 1 && length <= 10485760 ? (int)length : 0;
  if (!is_usable(column->name) || strlen(column->type) > LEADX_CATALOG_NAME_BYTES) {
    table->fault = "has a column whose name is too long or holds control bytes";
    return SQLITE_OK;
  }
  const char *notes = notes_of(property);
  if (is_key_note(notes) && table->nkey == LEADX_CATALOG_KEY)
    table->fault = "has a primary key of more than 16 columns";
  else if (is_key_note(notes)) table->key[table->nkey++] = table->ncolumns;
  read_reference_note(table, table->ncolumns, notes);
  table->ncolumns++;
  return read_told(column, leadx_doc_get(property, "default"));
}

static int read_definition(leadx_catalog_table *table, const leadx_doc *definition,
                           const leadx_doc *paths) {
  const leadx_doc *properties = leadx_doc_get(definition, "properties"),
                  *required = leadx_doc_get(definition, "required");
  char *path = sqlite3_mprintf("/%s", table->name);
  /* The primary key of a table is NOT NULL; of a view nothing is. */
  table->is_view = !leadx_doc_first(required);
  if (!path) return SQLITE_NOMEM;
  const leadx_doc *verbs = leadx_doc_get(paths, path);
  table->is_writable = leadx_doc_get(verbs, "post") || leadx_doc_get(verbs, "patch");
  sqlite3_free(path);
  int rc = SQLITE_OK;
  for (const leadx_doc *p = leadx_doc_first(properties); p && rc == SQLITE_OK && !table->fault;
       p = leadx_doc_next(p))
    rc = read_property(table, p, required);
  return rc;
}

/* ---- leadx_describe() ---- */

static int read_column(leadx_catalog_table *table, const leadx_doc *one) {
  leadx_catalog_column *column = &table->columns[table->ncolumns];
  const char *type = leadx_doc_text(one, "type"), *told = leadx_doc_text(one, "default"), *bracket;
  column->name = leadx_doc_text(one, "name");
  column->type = type ? type : "text";
  column->not_null = leadx_doc_true(leadx_doc_get(one, "not_null"));
  column->is_computed = leadx_doc_true(leadx_doc_get(one, "computed"));
  column->is_identity = leadx_doc_true(leadx_doc_get(one, "identity"));
  if (!is_usable(column->name) || strlen(column->type) > LEADX_CATALOG_NAME_BYTES) {
    table->fault = "has a column whose name is too long or holds control bytes";
    return SQLITE_OK;
  }
  if (strncmp(column->type, "character varying(", 18) == 0 &&
      (bracket = strchr(column->type, '(')) != NULL) {
    long length = strtol(bracket + 1, NULL, 10);
    column->length = length >= 1 && length <= 10485760 ? (int)length : 0;
  }
  table->ncolumns++;
  if (column->is_computed || column->is_identity) column->filling = LEADX_FILLED_SOMEHOW;
  else if (told) return read_expression(column, told);
  return SQLITE_OK;
}

/* Reads names as indices of the table's columns. How many there are; -1 when one is none of them. */
static int read_indices(const leadx_catalog_table *table, const leadx_doc *names, int *out) {
  int n = 0;
  for (const leadx_doc *e = leadx_doc_first(names); e; e = leadx_doc_next(e)) {
    int column = leadx_catalog_column_of(table, leadx_doc_string(e));
    if (column < 0 || n == LEADX_CATALOG_KEY) return -1;
    out[n++] = column;
  }
  return n;
}

/* One that cannot be followed is left out: the server checks it all the same. */
static void read_reference(leadx_catalog_table *table, const leadx_doc *one) {
  leadx_catalog_reference *reference = &table->references[table->nreferences];
  const char *on_delete = leadx_doc_text(one, "delete");
  int n = 0;
  reference->n = read_indices(table, leadx_doc_get(one, "columns"), reference->column);
  reference->table = leadx_doc_text(one, "table");
  for (const leadx_doc *e = leadx_doc_first(leadx_doc_get(one, "target"));
       e && n < LEADX_CATALOG_KEY; e = leadx_doc_next(e)) {
    reference->target[n] = leadx_doc_string(e);
    if (!is_usable(reference->target[n++])) return;
  }
  if (reference->n < 1 || n != reference->n || !is_usable(reference->table)) return;
  reference->on_delete = on_delete && (*on_delete == 'c' || *on_delete == 'n') ? *on_delete : 0;
  table->nreferences++;
}

static int read_described(leadx_catalog_table *table, const leadx_doc *one) {
  int rc = SQLITE_OK;
  table->is_writable = leadx_doc_true(leadx_doc_get(one, "writable"));
  table->is_view = !leadx_doc_first(leadx_doc_get(one, "key"));
  for (const leadx_doc *c = leadx_doc_first(leadx_doc_get(one, "columns"));
       c && rc == SQLITE_OK && !table->fault; c = leadx_doc_next(c))
    rc = read_column(table, c);
  if (rc != SQLITE_OK || table->fault) return rc;
  table->nkey = read_indices(table, leadx_doc_get(one, "key"), table->key);
  if (table->nkey < 0) {
    table->nkey = 0;
    table->fault = "has a primary key that this user may not read, or of more than 16 columns";
  }
  for (const leadx_doc *r = leadx_doc_first(leadx_doc_get(one, "references"));
       r && table->nreferences < LEADX_CATALOG_REFERENCES; r = leadx_doc_next(r))
    read_reference(table, r);
  return SQLITE_OK;
}

/* ---- a table, all tables ---- */

static int make_room(leadx_catalog_table *table, int ncolumns) {
  size_t columns = sizeof *table->columns * ((size_t)ncolumns + 1),
         references = sizeof *table->references * (LEADX_CATALOG_REFERENCES + 1);
  table->columns = sqlite3_malloc64(columns);
  table->references = sqlite3_malloc64(references);
  if (!table->columns || !table->references) return SQLITE_NOMEM;
  memset(table->columns, 0, columns);
  memset(table->references, 0, references);
  return SQLITE_OK;
}

static int read_table(leadx_catalog *catalog, const leadx_doc *one, const leadx_doc *paths) {
  const char *name = leadx_doc_name(one);
  const leadx_doc *columns = leadx_doc_get(one, catalog->is_exact ? "columns" : "properties");
  int n = count(columns, LEADX_CATALOG_COLUMNS);
  if (!is_usable(name) || n == 0) return SQLITE_OK;
  leadx_catalog_table *table = &catalog->tables[catalog->n++];
  table->name = name;
  if (n > LEADX_CATALOG_COLUMNS) {
    table->fault = "has more columns than a table can have";
    return SQLITE_OK;
  }
  int rc = make_room(table, n);
  if (rc != SQLITE_OK) return rc;
  return catalog->is_exact ? read_described(table, one) : read_definition(table, one, paths);
}

int leadx_catalog_read(leadx_catalog *catalog, const char *who, leadx_doc *doc, int is_exact,
                       leadx_err *err) {
  *catalog = (leadx_catalog){.doc = doc, .is_exact = is_exact};
  const leadx_doc *all = is_exact ? doc : leadx_doc_get(doc, "definitions"),
                  *paths = leadx_doc_get(doc, "paths");
  if (!leadx_doc_is_object(all)) {
    leadx_catalog_clear(catalog);
    return leadx_err_set(err, SQLITE_ERROR, "%s: the server does not describe its tables", who);
  }
  int n = count(all, LEADX_CATALOG_TABLES), rc = SQLITE_OK;
  if (n > LEADX_CATALOG_TABLES) n = LEADX_CATALOG_TABLES;
  size_t bytes = sizeof *catalog->tables * ((size_t)n + 1);
  catalog->tables = sqlite3_malloc64(bytes);
  if (catalog->tables) memset(catalog->tables, 0, bytes);
  else rc = SQLITE_NOMEM;
  for (const leadx_doc *one = leadx_doc_first(all); one && n-- > 0 && rc == SQLITE_OK;
       one = leadx_doc_next(one))
    rc = read_table(catalog, one, paths);
  if (rc == SQLITE_OK) return SQLITE_OK;
  leadx_catalog_clear(catalog);
  return leadx_err_nomem(err);
}

void leadx_catalog_clear(leadx_catalog *catalog) {
  for (int i = 0; catalog->tables && i < catalog->n; i++) {
    leadx_catalog_table *table = &catalog->tables[i];
    for (int c = 0; table->columns && c < table->ncolumns; c++)
      sqlite3_free(table->columns[c].value);
    sqlite3_free(table->columns);
    sqlite3_free(table->references);
  }
  sqlite3_free(catalog->tables);
  leadx_doc_free(catalog->doc);
  *catalog = (leadx_catalog){0};
}
