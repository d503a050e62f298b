/* The real server in the model's place: the same devices, the same network with its faults,
** PostgREST and PostgreSQL behind them. A trigger there writes down what happens to the rows; when
** all is quiet, rows and history are read into the model's structures, and the same invariants are
** checked. See sim.h. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { LINE_BYTES = 4096 };

/* Tables that stamp as Supabase's do, a history of every column, and nothing else: who may see what
** is not asked here. */
static const char schema[] =
    "set client_min_messages = warning;"
    "drop table if exists sim_pipelines, sim_customers, sim_history cascade;"
    "create table sim_customers(id uuid primary key, name text, phone text, score int, note text, "
    "updated_at timestamptz, deleted_at timestamptz);"
    "create table sim_pipelines(id uuid primary key, customer_id uuid references "
    "sim_customers(id), title text, stage int,"
    " updated_at timestamptz, deleted_at timestamptz);"
    "create index on sim_customers(updated_at, id); create index on sim_pipelines(updated_at, id);"
    "create table sim_history(n bigserial primary key, tbl int, id uuid, col int, value jsonb);"
    "create or replace function sim_note() returns trigger language plpgsql security definer as "
    "$f$ declare"
    " o jsonb := case when tg_op = 'INSERT' then '{}' else to_jsonb(old) end; w jsonb := case when "
    "tg_op = 'DELETE' then '{}' else to_jsonb(new) end;"
    " t int := case when tg_table_name = 'sim_customers' then 0 else 1 end; k text; c int := 0; "
    "gone int := 0; begin"
    " if tg_op = 'INSERT' then gone := -1;"
    " elsif tg_op = 'DELETE' or (old.deleted_at is null and new.deleted_at is not null) then gone "
    ":= -2;"
    " elsif old.deleted_at is not null and new.deleted_at is null then gone := -1; end if;"
    " if gone <> 0 then insert into sim_history(tbl, id, col) values (t, coalesce(w ->> 'id', o "
    "->> 'id')::uuid, gone); end if;"
    " if tg_op = 'DELETE' then return null; end if;"
    " foreach k in array tg_argv loop"
    "  if o -> k is distinct from w -> k then insert into sim_history(tbl, id, col, value) values "
    "(t, new.id, c, w -> k); end if; c := c + 1;"
    " end loop; return null; end $f$;"
    "create trigger stamp before insert or update on sim_customers for each row execute function "
    "crm.stamp();"
    "create trigger stamp before insert or update on sim_pipelines for each row execute function "
    "crm.stamp();"
    "create trigger note after insert or update or delete on sim_customers for each row execute "
    "function sim_note('name', 'phone', 'score', 'note');"
    "create trigger note after insert or update or delete on sim_pipelines for each row execute "
    "function sim_note('customer_id', 'title', 'stage');"
    "grant all on sim_customers, sim_pipelines to authenticated";

/* Everything that the checks need, a line each: kind, table, id, then a row or an event. */
static const char report[] =
    "set timezone = 'UTC';"
    "select 'row', 0, id, to_jsonb(updated_at) #>> '{}', deleted_at is not null, to_jsonb(name), "
    "to_jsonb(phone), to_jsonb(score), to_jsonb(note) from sim_customers;"
    "select 'row', 1, id, to_jsonb(updated_at) #>> '{}', deleted_at is not null, "
    "to_jsonb(customer_id), to_jsonb(title), to_jsonb(stage) from sim_pipelines;"
    "select 'event', tbl, id, col, value from sim_history order by n";

static const char *need(const char *name) {
  const char *value = getenv(name);
  if (value) return value;
  fprintf(stderr, "%s is not set; take the variables of scripts/server/server.sh env first\n",
          name);
  exit(2);
}

/* Runs SQL as the superuser; each line of the output goes to take (unless NULL). */
static void run_psql(sim_world *world, const char *sql, void (*take)(sim_world *, char *line)) {
  char line[LINE_BYTES];
  need("PGHOST");
  setenv("LEADX_SIM_SQL", sql, 1);
  FILE *out = popen("printf '%s' \"$LEADX_SIM_SQL\" | psql -XAtq -F '|' -v ON_ERROR_STOP=1", "r");
  while (out && fgets(line, sizeof line, out)) {
    line[strcspn(line, "\n")] = 0;
    if (take) take(world, line);
  }
  if (!out || pclose(out) != 0) sim_fail(world, "psql failed: %.200s", sql);
}

/* Before PostgREST knows the tables, no device would get anywhere. */
void sim_real_prepare(void) {
  static sim_world nobody;
  char command[400];
  run_psql(&nobody, schema, NULL);
  snprintf(command, sizeof command, "scripts/server/server.sh reload --dir '%s'",
           need("LEADX_SERVER_DIR"));
  if (nobody.failed || system(command) != 0) exit(2);
}

void sim_real_begin(sim_world *world) {
  run_psql(world, "truncate sim_customers, sim_pipelines, sim_history", NULL);
}

void sim_real_configure(sim_device *device) {
  leadx_err err = {0};
  leadx_tokens tokens = {0};
  leadx_session_configure(device->ctx->session, need("LEADX_URL"), need("LEADX_APIKEY"), NULL, 0,
                          &err);
  if (err.rc != SQLITE_OK) sim_fail(device->world, "%s", err.text);
  leadx_session_check_token(device->ctx->session, "leadx_sim", need("LEADX_TOKEN"), &tokens.claims,
                            &err);
  leadx_tokens_copy(&tokens, need("LEADX_TOKEN"), NULL);
  leadx_session_replace_tokens(device->ctx->session, LEADX_ANY_SERIAL, &tokens);
  leadx_http_limits limits = {5000, 20000, 1 << 24, NULL, 8};
  if (!device->wire) device->wire = leadx_http_open(&limits, NULL, NULL, &err);
}

void sim_real_answer(sim_device *device, leadx_request *req) {
  leadx_err err = {0};
  leadx_request *done = NULL;
  sqlite3_free(req->answer);
  req->answer = NULL;
  if (device->wire->start(device->wire, req, &err) != SQLITE_OK)
    sim_fail(device->world, "%s", err.text);
  while (!device->world->failed && !done) done = device->wire->wait(device->wire, 1000);
  if (!req->answer) req->answer = sqlite3_mprintf("");
}

/* One of the server's own users: a new row, or an edit of one that may be there. */
void sim_real_write(sim_world *world) {
  int table = sim_below(world, NTABLES), edits = world->nrows[table] > 0 && sim_chance(world, 600);
  char id[ID_BYTES], sql[300];
  if (!edits && table == PIPELINES) return;
  sim_value value = sim_new_value(world, table, edits && table == PIPELINES ? 1 : 0, -1);
  if (!edits && world->nrows[table] == MAX_ROWS) return;
  sim_id(edits ? sim_below(world, world->nrows[table]) : world->nrows[table]++, id);
  const char *text = value.json + 1;
  int n = (int)strlen(text) - 1;
  if (edits) {
    snprintf(sql, sizeof sql,
             "update sim_%s set %s = '%.*s' where id = '%s' and deleted_at is null",
             sim_tables[table].name, table == PIPELINES ? "title" : "name", n, text, id);
  } else {
    snprintf(sql, sizeof sql, "insert into sim_customers(id, name) values ('%s', '%.*s')", id, n,
             text);
  }
  sim_say(world, "server: %s", sql);
  run_psql(world, sql, NULL);
}

/* ---- what the checks look at ---- */

static char *next_field(char **at) {
  char *field = *at, *bar = strchr(field, '|');
  *at = bar ? bar + 1 : field + strlen(field);
  if (bar) *bar = 0;
  return field;
}

static void take_value(const char *text, sim_value *value) {
  snprintf(value->json, VALUE_BYTES, "%s", *text ? text : "null");
}

static void take_event(sim_world *world, int table, int row, char *at) {
  int column = atoi(next_field(&at));
  sim_value value;
  take_value(next_field(&at), &value);
  sim_server_note(world, table, row, column, -1, column >= 0 ? &value : NULL);
}

static void take_line(sim_world *world, char *line) {
  int is_row = strcmp(next_field(&line), "row") == 0, table = atoi(next_field(&line));
  char *id = next_field(&line);
  int n = sim_row_of(id, strlen(id));
  if (n < 0) return;
  if (!is_row) {
    take_event(world, table, n, line);
    return;
  }
  sim_row *row = &world->server->row[table][n];
  char *version = next_field(&line);
  row->exists = 1;
  row->version = sim_stamp_parse(version, strlen(version));
  row->deleted_at = next_field(&line)[0] == 't';
  for (int c = 0; c < sim_tables[table].ncolumns; c++)
    take_value(next_field(&line), &row->value[c]);
}

void sim_real_load(sim_world *world) { run_psql(world, report, take_line); }
