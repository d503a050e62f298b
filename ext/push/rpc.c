/* The functions of the server's half. See rpc.h; what they do is in sql/server/rpc.sql. */
#include "push/rpc.h"

#include <string.h>

/* A cursor is some instants and a key; one that is longer is none. */
#define MAX_CURSOR_BYTES 16384

static int is_text(leadx_slice value, const char *text) {
  return leadx_json_kind_of(value) == LEADX_JSON_STRING &&
         leadx_json_string_is(value, text, strlen(text));
}

/* ---- the op of a change ---- */

/* Two lanes of 64 bits that are mixed with each other. What comes in has random bits of its own
** (the queue's ids), so this has to keep them apart, and nothing more. */
typedef struct op_hash {
  uint64_t a, b;
} op_hash;

static uint64_t stir(uint64_t x) {
  x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
  return x ^ x >> 29;
}

static void hash_bytes(op_hash *hash, const char *z, size_t n) {
  for (size_t i = 0; i < n; i++) {
    hash->a = (hash->a ^ (unsigned char)z[i]) * 1099511628211u;
    hash->b = stir(hash->b + (unsigned char)z[i]);
  }
  /* So that the end of one text and the beginning of the next cannot be exchanged. */
  hash->a = stir(hash->a ^ hash->b ^ n);
}

/* The queue rows, the table, the action, the version and the row: all that tells one effect from
** another. An id that an application chose by itself may exist on another device, too; what it says
** there is something else. */
static void make_op(leadx_change *change, const char *item, size_t n) {
  op_hash hash = {0x9e3779b97f4a7c15u, 0xc2b2ae3d27d4eb4fu};
  for (int i = 0; i < change->nmembers; i++)
    hash_bytes(&hash, change->members[i].id, strlen(change->members[i].id));
  hash_bytes(&hash, item, n);
  uint64_t high = stir(hash.a + hash.b), low = stir(hash.b ^ high * 3);
  sqlite3_snprintf(sizeof change->op, change->op, "%08x-%04x-8%03x-%04x-%04x%08x",
                   (unsigned)(high >> 32), (unsigned)(high >> 16 & 0xffffu),
                   (unsigned)(high & 0xfffu), (unsigned)(0x8000u | (low >> 48 & 0x3fffu)),
                   (unsigned)(low >> 32 & 0xffffu), (unsigned)(low & 0xffffffffu));
}

/* ---- push ---- */

/* What is asked of the server: a soft delete is an update there. */
static const char *action_of(const leadx_change *change) {
  if (change->action == LEADX_CREATE) return "CREATE";
  return change->action == LEADX_UPDATE || change->table->soft_delete ? "UPDATE" : "DELETE";
}

static void append_key(const leadx_change *change, sqlite3_str *out) {
  const leadx_table *table = change->table;
  for (int i = 0; i < table->nkey; i++) {
    sqlite3_str_appendall(out, i ? "," : "[");
    sqlite3_str_append(out, change->key_values[i].z, (int)change->key_values[i].n);
  }
  sqlite3_str_appendall(out, "]");
}

static void append_item(leadx_change *change, sqlite3_str *out) {
  const char *action = action_of(change);
  sqlite3_str_appendall(out, "{");
  int begin = sqlite3_str_length(out);
  sqlite3_str_appendall(out, "\"table\":");
  leadx_json_append_string(out, change->table->remote, strlen(change->table->remote));
  sqlite3_str_appendf(out, ",\"action\":\"%s\",\"key\":", action);
  append_key(change, out);
  sqlite3_str_appendall(out, ",\"version\":");
  if (change->version && change->action != LEADX_CREATE)
    leadx_json_append_string(out, change->version, strlen(change->version));
  else sqlite3_str_appendall(out, "null");
  if (action[0] != 'D') {
    sqlite3_str_appendall(out, ",\"row\":");
    if (change->action == LEADX_CREATE) leadx_change_append_object(change, 0, out);
    else leadx_spell_append_update(change, out);
  }
  const char *text = sqlite3_str_value(out);
  if (text) make_op(change, text + begin, (size_t)(sqlite3_str_length(out) - begin));
  sqlite3_str_appendf(out, ",\"op\":\"%s\"}", change->op);
}

leadx_request *leadx_rpc_push(const leadx_target *target, leadx_change *const *changes, int n,
                              leadx_err *err) {
  sqlite3_str *args = sqlite3_str_new(NULL);
  for (int i = 0; i < n; i++) {
    sqlite3_str_appendall(args, i ? ",\n" : "{\"ops\":[");
    append_item(changes[i], args);
  }
  sqlite3_str_appendall(args, "]}");
  return leadx_spell_call(target, "leadx_push", args, err);
}

static const char *const status_words[] = {"applied", "replayed", "conflict", "gone", "error"};

static int read_status(leadx_slice value, leadx_rpc_status *status) {
  for (int i = 0; i < (int)(sizeof status_words / sizeof status_words[0]); i++) {
    *status = (leadx_rpc_status)i;
    if (is_text(value, status_words[i])) return 1;
  }
  return 0;
}

/* May an answer of that status come without a row: one that may not be read, that is gone, that an
** error left alone? */
static int may_lack_row(const leadx_change *change, leadx_rpc_status status) {
  if (status == LEADX_RPC_APPLIED) return change->action == LEADX_CREATE;
  return status != LEADX_RPC_CONFLICT;
}

static const char *read_item(leadx_slice answer, const leadx_change *change, leadx_rpc_item *item) {
  memset(item, 0, sizeof *item);
  if (!is_text(leadx_json_member(answer, "op"), change->op))
    return "an operation that was not asked for";
  if (!read_status(leadx_json_member(answer, "status"), &item->status))
    return "a status that nobody knows";
  leadx_slice row = leadx_json_member(answer, "row");
  leadx_json_kind kind = leadx_json_kind_of(row);
  if (kind == LEADX_JSON_OBJECT) {
    if (!leadx_change_is_row(change, row)) return "a row that was not asked for";
    item->row = row;
  } else if (kind != LEADX_JSON_NULL || !may_lack_row(change, item->status)) {
    return "an operation without its row";
  }
  item->code = leadx_json_member(answer, "code");
  item->message = leadx_json_member(answer, "message");
  if (item->status == LEADX_RPC_ERROR && leadx_json_kind_of(item->code) != LEADX_JSON_STRING)
    return "an error without a code";
  return NULL;
}

const char *leadx_rpc_read_push(leadx_slice array, leadx_change *const *changes, int n,
                                leadx_rpc_item *items) {
  leadx_json_walk walk;
  leadx_slice answer;
  int i = 0;
  leadx_json_walk_init(&walk, array);
  while (leadx_json_walk_element(&walk, &answer)) {
    if (i == n) return "more answers than there were operations";
    const char *strange = read_item(answer, changes[i], &items[i]);
    if (strange) return strange;
    i++;
  }
  return i < n ? "fewer answers than there were operations" : NULL;
}

/* ---- pull ---- */

leadx_request *leadx_rpc_pull(const leadx_target *target, const leadx_table *table,
                              const char *cursor, int limit, leadx_err *err) {
  sqlite3_str *args = sqlite3_str_new(NULL);
  sqlite3_str_appendall(args, "{\"tbl\":");
  leadx_json_append_string(args, table->remote, strlen(table->remote));
  sqlite3_str_appendf(args, ",\"after\":%s,\"lim\":%d}", cursor ? cursor : "null", limit);
  return leadx_spell_call(target, "leadx_pull", args, err);
}

/* Counts the keys; -1 when one of them is no text. */
static int count_gone(leadx_slice gone) {
  leadx_json_walk walk;
  leadx_slice key;
  int n = 0;
  leadx_json_walk_init(&walk, gone);
  for (; leadx_json_walk_element(&walk, &key); n++) {
    if (leadx_json_kind_of(key) != LEADX_JSON_STRING || key.n <= 2) return -1;
  }
  return n;
}

static int is_same(leadx_slice value, const char *text) {
  return text && strlen(text) == value.n && memcmp(text, value.z, value.n) == 0;
}

static int is_empty_array(leadx_slice array) {
  leadx_json_walk walk;
  leadx_slice element;
  leadx_json_walk_init(&walk, array);
  return !leadx_json_walk_element(&walk, &element);
}

const char *leadx_rpc_read_pull(leadx_slice answer, const char *cursor, int limit,
                                leadx_rpc_page *page) {
  leadx_slice more = leadx_json_member(answer, "more");
  memset(page, 0, sizeof *page);
  page->rows = leadx_json_member(answer, "rows");
  page->gone = leadx_json_member(answer, "gone");
  page->cursor = leadx_json_member(answer, "cursor");
  page->has_more = leadx_json_kind_of(more) == LEADX_JSON_TRUE;
  if (leadx_json_kind_of(page->rows) != LEADX_JSON_ARRAY ||
      leadx_json_kind_of(page->gone) != LEADX_JSON_ARRAY)
    return "something that is no page";
  if (leadx_json_kind_of(page->cursor) != LEADX_JSON_OBJECT || page->cursor.n > MAX_CURSOR_BYTES)
    return "a page without a cursor";
  if (!page->has_more && leadx_json_kind_of(more) != LEADX_JSON_FALSE)
    return "a page that does not say whether it is the last";
  page->ngone = count_gone(page->gone);
  if (page->ngone < 0) return "a deleted row without its key";
  if (page->ngone > limit) return "more deleted rows than were asked for";
  /* A server that sends us to where we are would send us in circles. */
  if (page->has_more &&
      (is_same(page->cursor, cursor) || (page->ngone == 0 && is_empty_array(page->rows))))
    return "the same place again";
  return NULL;
}

/* ---- what is installed ---- */

leadx_request *leadx_rpc_ask(const leadx_target *target, leadx_err *err) {
  sqlite3_str *url = sqlite3_str_new(NULL);
  sqlite3_str_appendf(url, "%s/rpc/leadx_installed", target->url);
  return leadx_spell_get(target, url, NULL, err);
}

static int has_keys(const leadx_table *table, leadx_slice keys) {
  leadx_json_walk walk;
  leadx_slice key;
  int n = 0;
  if (leadx_json_kind_of(keys) != LEADX_JSON_ARRAY) return 0;
  leadx_json_walk_init(&walk, keys);
  for (; leadx_json_walk_element(&walk, &key); n++) {
    if (n == table->nkey || !is_text(key, table->columns[table->key[n]].remote)) return 0;
  }
  return n == table->nkey;
}

int leadx_rpc_serves(leadx_slice installed, const leadx_table *table) {
  leadx_slice one = leadx_json_member(installed, table->remote);
  return leadx_json_kind_of(leadx_json_member(one, "stamp")) == LEADX_JSON_TRUE &&
         is_text(leadx_json_member(one, "version"), table->version_remote) &&
         leadx_json_kind_of(leadx_json_member(one, "tombstones")) == LEADX_JSON_TRUE &&
         has_keys(table, leadx_json_member(one, "keys"));
}
