/* See doc.h. A leadx_doc is a cJSON value under another name, so that no other file can reach
** around this one.
**
** cJSON's allocator hooks are one setting for the whole process. A host may use the same library
** and hold objects of it, so they stay as they are; only the printed text is copied into SQLite's
** memory.
**
** A container that lost a member is given the type that cJSON refuses to print: that makes the
** failure sticky, wherever in the tree it happened, without a field of our own. */
#include "base/doc.h"

#include <cjson/cJSON.h>

#include "base/json.h"

static const cJSON *item_of(const leadx_doc *doc) { return (const cJSON *)doc; }

static cJSON *own_item_of(leadx_doc *doc) { return (cJSON *)doc; }

/* ---- reading ---- */

/* The check is ours, because cJSON's own reading is lenient (control bytes, broken surrogates,
** 1000 levels) and because after it lack of memory is the only reason left to fail. (A cJSON older
** than 1.7.19 without the distributions' patches also fails at numbers of 64 characters.) */
leadx_doc *leadx_doc_parse(const char *who, const char *z, size_t n, leadx_err *err) {
  leadx_slice value;
  size_t at = 0;
  const char *problem = leadx_json_check(z, n, 0, &value, &at);
  if (problem) {
    leadx_err_set(err, SQLITE_ERROR, "%s: not JSON at byte %lld: %s", who, (long long)at, problem);
    return NULL;
  }
  cJSON *root = cJSON_ParseWithLength(value.z, value.n);
  if (!root) leadx_err_nomem(err);
  return (leadx_doc *)root;
}

int leadx_doc_is_object(const leadx_doc *doc) { return cJSON_IsObject(item_of(doc)); }

int leadx_doc_is_array(const leadx_doc *doc) { return cJSON_IsArray(item_of(doc)); }

int leadx_doc_is_string(const leadx_doc *doc) { return cJSON_IsString(item_of(doc)); }

int leadx_doc_is_number(const leadx_doc *doc) { return cJSON_IsNumber(item_of(doc)); }

int leadx_doc_is_bool(const leadx_doc *doc) { return cJSON_IsBool(item_of(doc)); }

int leadx_doc_is_null(const leadx_doc *doc) { return cJSON_IsNull(item_of(doc)); }

/* cJSON finds members of arrays too, by the names it does not give them; hence the question. */
const leadx_doc *leadx_doc_get(const leadx_doc *object, const char *name) {
  if (!leadx_doc_is_object(object)) return NULL;
  return (const leadx_doc *)cJSON_GetObjectItemCaseSensitive(item_of(object), name);
}

const char *leadx_doc_text(const leadx_doc *object, const char *name) {
  return leadx_doc_string(leadx_doc_get(object, name));
}

const char *leadx_doc_string(const leadx_doc *value) {
  return cJSON_GetStringValue(item_of(value));
}

double leadx_doc_number(const leadx_doc *value) {
  return leadx_doc_is_number(value) ? cJSON_GetNumberValue(item_of(value)) : 0;
}

int leadx_doc_true(const leadx_doc *value) { return cJSON_IsTrue(item_of(value)); }

const leadx_doc *leadx_doc_first(const leadx_doc *container) {
  return container ? (const leadx_doc *)item_of(container)->child : NULL;
}

const leadx_doc *leadx_doc_next(const leadx_doc *value) {
  return (const leadx_doc *)item_of(value)->next;
}

const char *leadx_doc_name(const leadx_doc *member) { return item_of(member)->string; }

/* ---- writing ---- */

leadx_doc *leadx_doc_new_object(void) { return (leadx_doc *)cJSON_CreateObject(); }

leadx_doc *leadx_doc_new_array(void) { return (leadx_doc *)cJSON_CreateArray(); }

void leadx_doc_free(leadx_doc *root) { cJSON_Delete(own_item_of(root)); }

/* Either the parent owns the child now, or nobody does and the parent says so when printed. */
static void settle(cJSON *parent, cJSON *child, int is_added) {
  if (is_added) return;
  cJSON_Delete(child);
  if (parent) parent->type = cJSON_Invalid;
}

static void add_item(leadx_doc *object, const char *name, cJSON *item) {
  settle(own_item_of(object), item, cJSON_AddItemToObject(own_item_of(object), name, item));
}

static void push_item(leadx_doc *array, cJSON *item) {
  settle(own_item_of(array), item, cJSON_AddItemToArray(own_item_of(array), item));
}

static cJSON *new_text(const char *text) {
  return text ? cJSON_CreateString(text) : cJSON_CreateNull();
}

void leadx_doc_add_text(leadx_doc *object, const char *name, const char *text) {
  add_item(object, name, new_text(text));
}

/* As digits, because cJSON prints a number with 15 of them when that looks close enough. */
void leadx_doc_add_int(leadx_doc *object, const char *name, int64_t n) {
  char digits[24];
  sqlite3_snprintf((int)sizeof digits, digits, "%lld", (long long)n);
  add_item(object, name, cJSON_CreateRaw(digits));
}

void leadx_doc_add_bool(leadx_doc *object, const char *name, int truth) {
  add_item(object, name, cJSON_CreateBool(truth != 0));
}

void leadx_doc_add_null(leadx_doc *object, const char *name) {
  add_item(object, name, cJSON_CreateNull());
}

void leadx_doc_add(leadx_doc *object, const char *name, leadx_doc *child) {
  add_item(object, name, own_item_of(child));
}

void leadx_doc_push(leadx_doc *array, leadx_doc *child) { push_item(array, own_item_of(child)); }

void leadx_doc_push_text(leadx_doc *array, const char *text) { push_item(array, new_text(text)); }

void leadx_doc_remove(leadx_doc *object, const char *name) {
  cJSON_DeleteItemFromObjectCaseSensitive(own_item_of(object), name);
}

leadx_doc *leadx_doc_copy(const leadx_doc *value) {
  return (leadx_doc *)cJSON_Duplicate(item_of(value), 1);
}

char *leadx_doc_print(const leadx_doc *doc) {
  char *printed = cJSON_PrintUnformatted(item_of(doc));
  char *text = printed ? sqlite3_mprintf("%s", printed) : NULL;
  cJSON_free(printed);
  return text;
}
