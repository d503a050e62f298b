-- What leadx_server_sql() prints, part 3: the functions that devices call. All of them run with the caller's
-- rights, so row level security, grants, checks and triggers hold as they do for a plain request.

-- name: server_push
/* leadx_push(ops): a mixed batch in one round trip. Each operation stands in a savepoint of its own, so a bad
   one takes nothing with it. It is an object
     {"op": uuid, "table": name, "action": "CREATE" | "UPDATE" | "DELETE", "key": value or [values],
      "version": text or null, "row": {column: value, …}}
   and has an answer at the same place of the result:
     {"op", "status", "row", "code", "message"}
   applied: done, row is the server's row as it is now (null where it may not be read).
   replayed: this very operation was applied before; nothing was done, row is as it is now.
   conflict: the version is another one (CREATE: the key is taken); nothing was done, row is the server's.
   gone: there is no such row for this user.
   error: code and message are PostgreSQL's, and nothing of it was kept. */
create or replace function leadx.key_condition(t leadx.tables, key jsonb) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $leadx$
declare
  parts jsonb := case when jsonb_typeof(key) = 'array' then key else jsonb_build_array(key) end;
  condition text;
begin
  select string_agg(format('t.%I = %L::%s', a.attname, parts ->> (k.n - 1)::int, format_type(a.atttypid, a.atttypmod)), ' and ')
  into condition
  from unnest(t.keys) with ordinality k(name, n)
  join pg_attribute a on a.attrelid = t.tbl and a.attname = k.name and not a.attisdropped
  where parts ->> (k.n - 1)::int is not null;
  if condition is null or jsonb_array_length(parts) <> cardinality(t.keys)
     or (select count(*) from jsonb_array_elements_text(parts) e where e is not null) <> cardinality(t.keys) then
    raise exception using errcode = '22023', message = format('the key of %s must have %s values', t.name, cardinality(t.keys));
  end if;
  return condition;
end
$leadx$;

-- The row as the caller may see it: null when there is none, or when the table may not be read at all.
create or replace function leadx.visible_row(t leadx.tables, condition text) returns json
language plpgsql stable set search_path = pg_catalog, pg_temp as $leadx$
declare
  found_row json;
begin
  execute format('select row_to_json(t) from %s t where %s', t.tbl, condition) into found_row;
  return found_row;
exception when insufficient_privilege then
  return null;
end
$leadx$;

-- The columns of a document as three lists; a name that is no column is refused.
create or replace function leadx.columns_of(t leadx.tables, doc jsonb, out names text, out vals text, out sets text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $leadx$
declare
  unknown text;
begin
  select string_agg(quote_ident(a.attname), ', '), string_agg('r.' || quote_ident(a.attname), ', '),
    string_agg(quote_ident(a.attname) || ' = r.' || quote_ident(a.attname), ', '), min(k.name) filter (where a.attname is null)
  into names, vals, sets, unknown
  from jsonb_object_keys(doc) k(name)
  left join pg_attribute a on a.attrelid = t.tbl and a.attname = k.name and a.attnum > 0 and not a.attisdropped;
  if unknown is not null then
    raise exception using errcode = '42703', message = format('column "%s" of "%s" does not exist', unknown, t.name);
  end if;
  if names is null then
    raise exception using errcode = '22023', message = 'the row has no column';
  end if;
end
$leadx$;

-- Does one operation; status and row are the answer.
create or replace function leadx.perform(t leadx.tables, item jsonb, out status text, out found_row json)
language plpgsql volatile set search_path = pg_catalog, pg_temp as $leadx$
declare
  condition text := leadx.key_condition(t, item -> 'key');
  matching text := condition;
  c record;
begin
  if item ->> 'version' is not null then
    matching := condition || (select format(' and t.%I = %L::%s', a.attname, item ->> 'version', format_type(a.atttypid, a.atttypmod))
                              from pg_attribute a where a.attrelid = t.tbl and a.attname = t.version);
  end if;
  case item ->> 'action'
    when 'CREATE' then
      c := leadx.columns_of(t, item -> 'row');
      begin
        -- Plain, because with ON CONFLICT or RETURNING a table could not be written that may not be read.
        execute format('insert into %1$s (%2$s) select %3$s from jsonb_populate_record(null::%1$s, $1) r', t.tbl, c.names, c.vals)
          using item -> 'row';
        status := 'applied';
      exception when unique_violation then
        found_row := leadx.visible_row(t, condition);
        if found_row is null then
          raise;
        end if;
        status := 'conflict';
        return;
      end;
      found_row := leadx.visible_row(t, condition);
      return;
    when 'UPDATE' then
      c := leadx.columns_of(t, item -> 'row');
      execute format('update %1$s t set %2$s from jsonb_populate_record(null::%1$s, $1) r where %3$s returning row_to_json(t)',
                     t.tbl, c.sets, matching) into found_row using item -> 'row';
    when 'DELETE' then
      execute format('delete from %s t where %s returning row_to_json(t)', t.tbl, matching) into found_row;
    else
      raise exception using errcode = '22023', message = 'the action must be CREATE, UPDATE or DELETE';
  end case;
  status := 'applied';
  if found_row is null then
    found_row := leadx.visible_row(t, condition);
    status := case when found_row is null then 'gone' else 'conflict' end;
  end if;
end
$leadx$;

create or replace function leadx.apply(item jsonb) returns json
language plpgsql volatile set search_path = pg_catalog, pg_temp as $leadx$
declare
  t leadx.tables;
  me text := leadx.uid();
  id uuid;
  status text;
  found_row json;
  code text;
  words text;
  more text;
begin
  begin
    id := (item ->> 'op')::uuid;
    if id is null then
      raise exception using errcode = '22023', message = 'an operation needs an op, a random uuid';
    end if;
    select * into t from leadx.tables where name = item ->> 'table';
    if not found then
      raise exception using errcode = '42P01', message = format('table "%s" is not registered', item ->> 'table'),
        hint = 'run the text of leadx_server_sql() on the server';
    end if;
    insert into leadx.ops (owner, op) values (me, id) on conflict do nothing;
    if found then
      select p.status, p.found_row into status, found_row from leadx.perform(t, item) p;
      if status <> 'applied' then
        delete from leadx.ops where owner = me and op = id;
      end if;
    else
      status := 'replayed';
      found_row := leadx.visible_row(t, leadx.key_condition(t, item -> 'key'));
    end if;
  exception when others then
    get stacked diagnostics code = returned_sqlstate, words = message_text, more = pg_exception_detail;
    return json_build_object('op', item -> 'op', 'status', 'error', 'row', null, 'code', code, 'message', concat_ws('; ', words, nullif(more, '')));
  end;
  return json_build_object('op', item -> 'op', 'status', status, 'row', found_row, 'code', null, 'message', null);
end
$leadx$;

-- Operations of one shape (table, action, columns) on different rows, in one statement. null when not every one of them
-- could be applied just so; then nothing of it was kept.
create or replace function leadx.apply_alike(items jsonb[]) returns json[]
language plpgsql volatile set search_path = pg_catalog, pg_temp as $leadx$
declare
  t leadx.tables;
  n int := cardinality(items);
  done int;
  c record;
  same_key text;
  found_rows json[];
begin
  if items[1] ->> 'action' not in ('CREATE', 'UPDATE') then
    return null;
  end if;
  select * into strict t from leadx.tables where name = items[1] ->> 'table';
  insert into leadx.ops (owner, op) select leadx.uid(), (i ->> 'op')::uuid from unnest(items) i on conflict do nothing;
  get diagnostics done = row_count;
  if done <> n then
    raise exception 'not new';
  end if;
  c := leadx.columns_of(t, items[1] -> 'row');
  select string_agg(format('t.%I = (case when jsonb_typeof(i -> ''key'') = ''array'' then i -> ''key'' ->> %s else i ->> ''key'' end)::%s', a.attname,
                           k.n - 1, format_type(a.atttypid, a.atttypmod)), ' and ')
  into same_key
  from unnest(t.keys) with ordinality k(name, n)
  join pg_attribute a on a.attrelid = t.tbl and a.attname = k.name and not a.attisdropped;
  if items[1] ->> 'action' = 'CREATE' then
    execute format('insert into %1$s (%2$s) select %3$s from unnest($1) i, jsonb_populate_record(null::%1$s, i -> ''row'') r', t.tbl, c.names, c.vals)
      using items;
    execute format('select array_agg(row_to_json(t) order by n) from unnest($1) with ordinality u(i, n) join %s t on %s', t.tbl, same_key)
      into found_rows using items;
  else
    execute format('with changed as (update %1$s t set %2$s from unnest($1) with ordinality u(i, n), jsonb_populate_record(null::%1$s, i -> ''row'') r
                                     where %3$s and (i ->> ''version'' is null or t.%4$I = (i ->> ''version'')::%5$s)
                                     returning n, row_to_json(t) as found_row)
                    select array_agg(found_row order by n) from changed', t.tbl, c.sets, same_key, t.version,
                   (select format_type(atttypid, atttypmod) from pg_attribute where attrelid = t.tbl and attname = t.version))
      into found_rows using items;
  end if;
  if cardinality(found_rows) is distinct from n then
    raise exception 'not all';
  end if;
  return array(select json_build_object('op', items[i] -> 'op', 'status', 'applied', 'row', found_rows[i], 'code', null, 'message', null)
               from generate_series(1, n) i);
exception when others then
  return null;
end
$leadx$;

-- The same for any number of them: halves until what remains goes through, or stands alone.
create or replace function leadx.apply_run(items jsonb[]) returns json[]
language plpgsql volatile set search_path = pg_catalog, pg_temp as $leadx$
declare
  n int := cardinality(items);
  answers json[];
begin
  if n = 1 then
    return array[leadx.apply(items[1])];
  end if;
  answers := leadx.apply_alike(items);
  return coalesce(answers, leadx.apply_run(items[1 : n / 2]) || leadx.apply_run(items[n / 2 + 1 : n]));
end
$leadx$;

create or replace function {{schema}}.leadx_push(ops jsonb) returns json
language plpgsql volatile security invoker set search_path = pg_catalog, pg_temp as $leadx$
declare
  run record;
  answers json[] := '{}';
begin
  if jsonb_typeof(ops) is distinct from 'array' or jsonb_array_length(ops) > 10000 then
    raise exception using errcode = '22023', message = 'leadx_push takes a JSON array of at most 10000 operations';
  end if;
  set constraints all immediate; -- a broken reference is this operation's error, not the whole batch's
  delete from leadx.ops where owner = leadx.uid() and at < now() - interval '30 days';
  for run in
    with item as (
      select value, ordinality as n, concat_ws(' ', value ->> 'table', value ->> 'action', case when jsonb_typeof(value -> 'row') = 'object' then
               (select jsonb_agg(k order by k)::text from jsonb_object_keys(value -> 'row') k) end) as shape
      from jsonb_array_elements(ops) with ordinality),
    begun as (select *, case when shape is distinct from lag(shape) over (order by n) then 1 else 0 end as first from item),
    numbered as (select *, sum(first) over (order by n) as number from begun)
    select array_agg(value order by n) as items, count(*) = count(distinct value ->> 'key') as are_different from numbered group by number order by number
  loop
    if run.are_different then
      answers := answers || leadx.apply_run(run.items);
    else
      answers := answers || array(select leadx.apply(i) from unnest(run.items) with ordinality u(i, n) order by n);
    end if;
  end loop;
  return array_to_json(answers);
end
$leadx$;

-- name: server_pull
/* leadx_pull(tbl, after, lim): the next page of a table behind the cursor that the previous page gave (null: from
   the beginning), in the order of version and key:
     {"rows": […], "gone": [keys], "cursor": {…}, "more": true | false}
   It ends before the oldest stamp that a transaction still open can have given. So no row is missed however
   slow its transaction, and the next pull goes on exactly there, without an overlap. gone are the keys
   of rows that were deleted since the first page and that the caller does not see again. */
create or replace function leadx.page(t leadx.tables, after jsonb, until timestamptz, lim int, out rows json, out n int, out place jsonb)
language plpgsql volatile set search_path = pg_catalog, pg_temp as $leadx$
declare
  names text;
  key text;
  place_values text;
begin
  select string_agg(format('t.%I', a.attname), ', ' order by k.n), string_agg(format('to_jsonb(t.%I)', a.attname), ', ' order by k.n),
    string_agg(format('%L::%s', after -> 'key' ->> (k.n - 1)::int, format_type(a.atttypid, a.atttypmod)), ', ' order by k.n)
  into names, key, place_values
  from unnest(t.keys) with ordinality k(name, n)
  join pg_attribute a on a.attrelid = t.tbl and a.attname = k.name and not a.attisdropped;
  execute format(
    'with page as materialized (select * from %1$s t where t.%2$I < $1 %3$s order by t.%2$I, %4$s limit $2)
     select coalesce((select json_agg(row_to_json(t) order by t.%2$I, %4$s) from page t), ''[]''), (select count(*)::int from page),
       (select jsonb_build_object(''version'', to_jsonb(t.%2$I), ''key'', jsonb_build_array(%5$s)) from page t order by %6$s limit 1)',
    t.tbl, t.version,
    case when after ->> 'version' is null then ''
         else format('and (t.%I, %s) > (%L::timestamptz, %s)', t.version, names, after ->> 'version', place_values) end,
    names, key, (select string_agg(format('t.%I desc', c), ', ' order by i) from unnest(array[t.version] || t.keys) with ordinality u(c, i)))
  into rows, n, place using until, lim;
end
$leadx$;

-- The deleted rows. A key that the caller sees was created again and is no deleted one.
create or replace function leadx.graves(t leadx.tables, after_at timestamptz, after_id bigint, until timestamptz, lim int,
  out gone json, out n int, out place jsonb)
language plpgsql volatile set search_path = pg_catalog, pg_temp as $leadx$
declare
  condition text;
begin
  select string_agg(format('t.%I = (%s)::%s', a.attname,
           case when cardinality(t.keys) = 1 then 'd.key' else format('d.key::jsonb ->> %s', k.n - 1) end,
           format_type(a.atttypid, a.atttypmod)), ' and ')
  into condition
  from unnest(t.keys) with ordinality k(name, n)
  join pg_attribute a on a.attrelid = t.tbl and a.attname = k.name and not a.attisdropped;
  execute format(
    'with d as materialized (select d.id, d.key, d.deleted_at from %1$s d where d.table_name = $1 and d.deleted_at < $4
                             and (d.deleted_at, d.id) > ($2, $3) order by d.deleted_at, d.id limit $5)
     select coalesce((select json_agg(d.key order by d.deleted_at, d.id) from d where not exists (select 1 from %2$s t where %3$s)), ''[]''),
       (select count(*)::int from d),
       (select jsonb_build_object(''gone_at'', to_jsonb(d.deleted_at), ''gone_id'', d.id) from d order by d.deleted_at desc, d.id desc limit 1)',
    t.tombstones, t.tbl, condition)
  into gone, n, place using t.name, after_at, after_id, until, lim;
end
$leadx$;

create or replace function {{schema}}.leadx_pull(tbl text, after jsonb default null, lim int default 1000) returns json
language plpgsql volatile security invoker set search_path = pg_catalog, pg_temp as $leadx$
declare
  t leadx.tables;
  until timestamptz;
  page record;
  place jsonb;
  graves record;
begin
  select * into t from leadx.tables where name = leadx_pull.tbl;
  if not found then
    raise exception using errcode = '42P01', message = format('table "%s" is not registered', leadx_pull.tbl),
      hint = 'run the text of leadx_server_sql() on the server';
  end if;
  lim := least(greatest(coalesce(lim, 1000), 0), 10000);
  until := leadx.settled_until();
  page := leadx.page(t, after, until, lim);
  place := coalesce(after, '{}') || coalesce(page.place, '{}');
  -- A device at the beginning has nothing to lose: its deleted rows are those from now on.
  graves := leadx.graves(t, coalesce((after ->> 'gone_at')::timestamptz, until), coalesce((after ->> 'gone_id')::bigint, 0), until, lim);
  place := jsonb_build_object('gone_at', to_jsonb(until), 'gone_id', 0) || place || coalesce(graves.place, '{}');
  return json_build_object('rows', page.rows, 'gone', graves.gone, 'cursor', place, 'more', lim > 0 and greatest(page.n, graves.n) = lim);
end
$leadx$;

-- name: server_installed
/* leadx_installed(): what of all this is in force, for leadx_check(). It reads the catalog and no row. */
create or replace function {{schema}}.leadx_installed() returns json
language sql stable security invoker set search_path = pg_catalog, pg_temp as $leadx$
  select coalesce(json_object_agg(t.name, json_build_object(
    'stamp', exists (select 1 from pg_trigger g where g.tgrelid = t.tbl and g.tgname = 'zzz_leadx_stamp' and g.tgenabled in ('O', 'A')),
    'tombstones', exists (select 1 from pg_trigger g where g.tgrelid = t.tbl and g.tgname = 'zzz_leadx_bury' and g.tgenabled in ('O', 'A')),
    'index', leadx.has_index(t.tbl, array[t.version] || t.keys),
    'version', t.version,
    'keys', to_json(t.keys),
    'required', (select coalesce(json_agg(attname order by attnum), '[]') from pg_attribute a where a.attrelid = t.tbl and attnum > 0
                 and not attisdropped and attnotnull and not atthasdef and attidentity = ''),
    'rls', c.relrowsecurity,
    'policies', (select count(*) from pg_policy p where p.polrelid = t.tbl),
    'select', has_table_privilege(t.tbl, 'select'),
    'insert', has_table_privilege(t.tbl, 'insert'),
    'update', has_table_privilege(t.tbl, 'update'),
    'delete', has_table_privilege(t.tbl, 'delete'))), '{}')
  from leadx.tables t join pg_class c on c.oid = t.tbl
$leadx$;

-- Who may call them: users, and whoever has the publishable key alone; what they then may do, row level security says.
revoke all on function {{schema}}.leadx_push(jsonb), {{schema}}.leadx_pull(text, jsonb, int), {{schema}}.leadx_installed() from public;
grant execute on function {{schema}}.leadx_push(jsonb), {{schema}}.leadx_pull(text, jsonb, int), {{schema}}.leadx_installed()
  to anon, authenticated, service_role;
