-- What leadx_server_sql() prints, part 3: the functions that devices call. All of them run with the caller's
-- rights, so row level security, grants, checks and triggers hold as they do for a plain request.

-- name: server_push
/* leadx_push(ops): a mixed batch in one round trip. Each operation stands in a savepoint of its own, so a bad
   one takes nothing with it. It is an object
     {"op": uuid, "table": name, "action": "CREATE" | "UPDATE" | "DELETE", "key": value or [values],
      "version": text or null, "row": {column: value, …}}
   and has an answer at the same place of the result:
     {"op", "status", "row", "code", "message"}
   applied: done, and seen: row is the server's row as it is now (null where it may not be read).
   replayed: this very operation was applied before; nothing was done, row is as it is now.
   conflict: the version is another one (CREATE: the key is taken), or a trigger kept the row as it was; nothing
   was done, row is the server's.
   gone: there is no such row for this user; code is deleted where a tombstone says so.
   error: code and message are PostgreSQL's, and nothing of it was kept. code is key when the server wrote the row
   under another key, forbidden when a trigger or a rule kept it out.
   later: not looked at, because half of the statement timeout is over; to be sent again. The first operation
   is never answered so.

   The functions of the schema leadx know pg_catalog alone. A statement on one of your tables runs under the
   search_path of the request, as a plain request's does: your triggers, policies and defaults may rely on
   it. So all names in such a statement are written in full. */

-- A table as statements spell it.
drop type if exists leadx.spelling;
create type leadx.spelling as (
  name text, -- as registered
  tbl text,
  version text, -- t.version
  version_type text,
  keys text[], -- t.key, …
  key_types text[],
  equals text[], -- of each key, the operator for "the same"
  is_plain boolean, -- all keys have PostgreSQL's own operators
  key_json text, -- the key of t as a JSON array
  columns text, -- what the caller may read of t
  row_json text, -- the same as JSON
  is_readable boolean -- the caller may read the key
);

create or replace function leadx.spell(t leadx.tables) returns leadx.spelling
language plpgsql stable set search_path = pg_catalog, pg_temp as $leadx$
declare
  s leadx.spelling;
begin
  s.name := t.name;
  s.tbl := t.tbl::text;
  s.version := format('t.%I', t.version);
  select format_type(a.atttypid, a.atttypmod) into s.version_type from pg_attribute a where a.attrelid = t.tbl and a.attname = t.version;
  select array_agg(format('t.%I', k.attname) order by k.n), array_agg(format_type(k.atttypid, k.atttypmod) order by k.n),
    array_agg(format('operator(%I.=)', k.home) order by k.n), bool_and(k.home = 'pg_catalog'),
    format('pg_catalog.jsonb_build_array(%s)', string_agg(format('t.%I', k.attname), ', ' order by k.n)),
    bool_and(has_column_privilege(t.tbl, k.attname::text, 'select'))
  into s.keys, s.key_types, s.equals, s.is_plain, s.key_json, s.is_readable
  from (select u.n, a.attname, a.atttypid, a.atttypmod, coalesce((
          -- A type of an extension has its operators beside it.
          select n.nspname from pg_type y join pg_operator o on o.oprname = '=' and o.oprleft = y.oid and o.oprright = y.oid
            and o.oprnamespace = y.typnamespace join pg_namespace n on n.oid = o.oprnamespace
          where y.oid = coalesce(nullif(d.typbasetype, 0), d.oid)), 'pg_catalog') as home
        from unnest(t.keys) with ordinality u(name, n)
        join pg_attribute a on a.attrelid = t.tbl and a.attname = u.name and not a.attisdropped
        join pg_type d on d.oid = a.atttypid) k;
  if has_table_privilege(t.tbl, 'select') then
    s.columns := 't.*';
    s.row_json := 'pg_catalog.row_to_json(t)';
  else
    select string_agg(format('t.%I', a.attname), ', ' order by a.attnum) into s.columns
    from pg_attribute a
    where a.attrelid = t.tbl and a.attnum > 0 and not a.attisdropped and has_column_privilege(t.tbl, a.attnum, 'select');
    s.row_json := format('(select pg_catalog.row_to_json(x) from (select %s) x)', s.columns);
  end if;
  return s;
end
$leadx$;

-- Runs a statement on a table of yours under the request's search_path. The statement may give back a truth and a row.
create or replace function leadx.run(statement text, gives boolean, doc jsonb, path text, out n bigint, out same boolean, out found_row json)
language plpgsql volatile set search_path = pg_catalog, pg_temp as $leadx$
begin
  perform pg_catalog.set_config('search_path', path, true);
  if gives then
    execute statement into same, found_row using doc;
  else
    execute statement using doc;
  end if;
  get diagnostics n = row_count;
end
$leadx$;

-- The values of a key, or an error; a key that is a null is none.
create or replace function leadx.key_parts(s leadx.spelling, key jsonb) returns jsonb
language plpgsql immutable set search_path = pg_catalog, pg_temp as $leadx$
declare
  parts jsonb := case when jsonb_typeof(key) = 'array' then key else jsonb_build_array(key) end;
begin
  if jsonb_array_length(parts) <> cardinality(s.keys)
     or (select count(e) from jsonb_array_elements_text(parts) e) <> cardinality(s.keys) then
    raise exception using errcode = '22023', message = format('the key of %s must have %s values', s.name, cardinality(s.keys));
  end if;
  return parts;
end
$leadx$;

create or replace function leadx.key_condition(s leadx.spelling, parts jsonb) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $leadx$
  select string_agg(format('%s %s %L::%s', s.keys[n], s.equals[n], parts ->> (n - 1), s.key_types[n]), ' and ')
  from generate_series(1, cardinality(s.keys)) n
$leadx$;

-- The row as the caller may see it: null when there is none, or when the table may not be read at all.
create or replace function leadx.visible_row(s leadx.spelling, condition text, path text) returns json
language plpgsql volatile set search_path = pg_catalog, pg_temp as $leadx$
begin
  if s.row_json is null or not s.is_readable then
    return null;
  end if;
  return (leadx.run(format('select true, %s from %s t where %s', s.row_json, s.tbl, condition), true, null, path)).found_row;
exception when insufficient_privilege then
  return null;
end
$leadx$;

-- The columns of a document as three lists; a name that is no column is refused. The version, which the stamp sets,
-- is left out where the caller may not write it. The table's columns are looked up in the document, not the other way.
create or replace function leadx.columns_of(t leadx.tables, doc jsonb, right_needed text, out names text, out vals text, out sets text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $leadx$
declare
  known name[];
  unknown text;
begin
  select array_agg(a.attname order by a.attnum) into known
  from pg_attribute a where a.attrelid = t.tbl and a.attnum > 0 and not a.attisdropped and doc ? a.attname::text;
  if coalesce(cardinality(known), 0) <> (select count(*) from jsonb_object_keys(doc)) then
    select k.name into unknown from jsonb_object_keys(doc) k(name) where known is null or k.name <> all (known::text[]) limit 1;
    raise exception using errcode = '42703', message = format('column "%s" of "%s" does not exist', left(unknown, 200), t.name);
  end if;
  select string_agg(quote_ident(k), ', '), string_agg('r.' || quote_ident(k), ', '), string_agg(quote_ident(k) || ' = r.' || quote_ident(k), ', ')
  into names, vals, sets
  from unnest(known) k where k <> t.version or has_column_privilege(t.tbl, k::text, right_needed);
  if names is null then
    raise exception using errcode = '22023', message = 'the row has no column';
  end if;
end
$leadx$;

-- Does a tombstone that the caller may see say that this row, of that version or a later one, was deleted?
create or replace function leadx.is_buried(t leadx.tables, s leadx.spelling, parts jsonb, version text, path text) returns boolean
language plpgsql volatile set search_path = pg_catalog, pg_temp as $leadx$
declare
  literals text;
begin
  if not leadx.shows(t.name) then
    return false;
  end if;
  select string_agg(format('%L::%s', parts ->> (k - 1), s.key_types[k]), ', ' order by k) into literals from generate_series(1, cardinality(s.keys)) k;
  -- The key as the tombstone spells it.
  return (leadx.run(format('select exists (select 1 from %s d where d.table_name operator(pg_catalog.=) %L
      and d.key operator(pg_catalog.=) (select %s from pg_catalog.jsonb_build_array(%s) k) %s), null::json', t.tombstones, t.name,
    case when cardinality(s.keys) = 1 then 'k operator(pg_catalog.->>) 0' else 'k::text' end, literals,
    case when version is null then '' else format('and d.deleted_at operator(pg_catalog.>=) %L::timestamptz', version) end), true, null, path)).same;
exception when insufficient_privilege then
  return false;
end
$leadx$;

-- Does one operation. Only what was written and seen is applied, or what was counted where it may not be read. A CREATE
-- without a key leaves it to the server; given is what it became.
create or replace function leadx.perform(t leadx.tables, s leadx.spelling, item jsonb, path text,
  out status text, out found_row json, out given jsonb)
language plpgsql volatile set search_path = pg_catalog, pg_temp as $leadx$
declare
  action text := item ->> 'action';
  is_keyless boolean := action = 'CREATE' and coalesce(jsonb_typeof(item -> 'key'), 'null') = 'null';
  condition text;
  matching text;
  statement text;
  back text;
  code text;
  c record;
  w record;
begin
  if not is_keyless then
    condition := leadx.key_condition(s, leadx.key_parts(s, item -> 'key'));
    matching := condition || case when item ->> 'version' is null then ''
                                  else format(' and %s operator(pg_catalog.=) %L::%s', s.version, item ->> 'version', s.version_type) end;
  end if;
  case action
    when 'CREATE' then
      c := leadx.columns_of(t, item -> 'row', 'insert');
      statement := format('insert into %1$s as t (%2$s) select %3$s from pg_catalog.jsonb_populate_record(null::%1$s, $1) r', s.tbl, c.names, c.vals);
      back := case when is_keyless then format(' returning true, pg_catalog.json_build_object(''key'', %s)', s.key_json)
                   else format(' returning (%s), null::json', condition) end;
    when 'UPDATE' then
      c := leadx.columns_of(t, item -> 'row', 'update');
      statement := format('update %1$s as t set %2$s from pg_catalog.jsonb_populate_record(null::%1$s, $1) r where %3$s', s.tbl, c.sets, matching);
      back := format(' returning (%s), %s', condition, s.row_json);
    when 'DELETE' then
      statement := format('delete from %s as t where %s', s.tbl, matching);
      back := format(' returning true, %s', s.row_json);
    else
      raise exception using errcode = '22023', message = 'the action must be CREATE, UPDATE or DELETE';
  end case;
  -- What a table may not be read of, or a rule forbids to give back, is asked for plainly the second time.
  for attempt in case when s.is_readable or is_keyless then 1 else 2 end .. 2 loop
    begin
      select * into w from leadx.run(statement || case when attempt = 1 then back else '' end, attempt = 1, item -> 'row', path);
      exit;
    exception
      when insufficient_privilege or feature_not_supported then
        code := sqlstate;
        if attempt = 2 or is_keyless or (code = '42501' and action <> 'CREATE') then
          raise;
        end if;
      when unique_violation then
        if action <> 'CREATE' or is_keyless then
          raise;
        end if;
        found_row := leadx.visible_row(s, condition, path);
        if found_row is null then
          raise;
        end if;
        status := 'conflict';
        return;
    end;
  end loop;
  if w.n > 0 and not w.same then
    raise exception using errcode = 'LX001', message = 'the server wrote this row under another key; nothing was kept';
  end if;
  if is_keyless and w.n > 0 then
    given := (w.found_row ->> 'key')::jsonb;
    condition := leadx.key_condition(s, leadx.key_parts(s, given));
  end if;
  found_row := case when w.n > 0 and action <> 'CREATE' then w.found_row end;
  if found_row is null and condition is not null then
    found_row := leadx.visible_row(s, condition, path);
  end if;
  if w.n > 0 and (found_row is not null or (action = 'CREATE' and code is distinct from '0A000')) then
    status := case when action = 'DELETE' and code = '0A000' then 'conflict' else 'applied' end;
  elsif found_row is not null then
    status := 'conflict';
  elsif action = 'CREATE' then
    raise exception using errcode = 'LX002', message = 'a trigger or a rule of the server kept this row out';
  else
    status := 'gone';
  end if;
end
$leadx$;

-- A JSON string with a NUL in it is no text of PostgreSQL's, and a message need not repeat a long value.
create or replace function leadx.answer(item jsonb, status text, found_row json, code text, message text) returns json
language sql immutable set search_path = pg_catalog, pg_temp as $leadx$
  select json_build_object('op', item -> 'op', 'status', status, 'row', found_row, 'code', code, 'message', left(message, 1000))
$leadx$;

create or replace function leadx.apply(t leadx.tables, s leadx.spelling, item jsonb, path text) returns json
language plpgsql volatile set search_path = pg_catalog, pg_temp as $leadx$
declare
  me text := leadx.uid();
  id uuid;
  p record;
  known jsonb;
  code text;
  words text;
  more text;
begin
  id := (item ->> 'op')::uuid;
  if id is null then
    raise exception using errcode = '22023', message = 'an operation needs an op, a random uuid';
  end if;
  if t.name is null then
    raise exception using errcode = '42P01', message = format('table "%s" is not registered', left(item ->> 'table', 200)),
      hint = 'run the text of leadx_server_sql() on the server';
  end if;
  insert into leadx.ops (owner, op) values (me, id) on conflict do nothing;
  if not found then
    select o.key into known from leadx.ops o where o.owner = me and o.op = id;
    known := leadx.key_parts(s, coalesce(known, item -> 'key'));
    return leadx.answer(item, 'replayed', leadx.visible_row(s, leadx.key_condition(s, known), path), null, null);
  end if;
  p := leadx.perform(t, s, item, path);
  if p.status <> 'applied' then
    delete from leadx.ops where owner = me and op = id;
  elsif p.given is not null then
    delete from leadx.ops where owner = me and op = id;
    insert into leadx.ops (owner, op, key) values (me, id, p.given);
  end if;
  return leadx.answer(item, p.status, p.found_row,
                      case when p.status = 'gone' and leadx.is_buried(t, s, leadx.key_parts(s, item -> 'key'), item ->> 'version', path) then 'deleted' end,
                      null);
exception when others then
  get stacked diagnostics code = returned_sqlstate, words = message_text, more = pg_exception_detail;
  return leadx.answer(item, 'error', null, case code when 'LX001' then 'key' when 'LX002' then 'forbidden' else code end,
                      concat_ws('; ', left(words, 500), nullif(left(more, 500), '')));
end
$leadx$;

-- Operations of one shape (table, action, columns) on different rows, in one statement. null when not every one of them
-- could be applied just so; then nothing of it was kept.
create or replace function leadx.apply_alike(t leadx.tables, s leadx.spelling, items jsonb[], path text) returns json[]
language plpgsql volatile set search_path = pg_catalog, pg_temp as $leadx$
declare
  action text := items[1] ->> 'action';
  n int := cardinality(items);
  done int;
  c record;
  same_key text;
  source text := 'rows from (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3)) with ordinality as u(doc, parts, version, n)';
  docs jsonb[];
  parts jsonb[];
  versions text[];
  found_rows json[];
begin
  if action not in ('CREATE', 'UPDATE') then
    return null;
  end if;
  select array_agg(i -> 'row' order by u.n), array_agg(leadx.key_parts(s, i -> 'key') order by u.n), array_agg(i ->> 'version' order by u.n)
  into docs, parts, versions from unnest(items) with ordinality u(i, n);
  insert into leadx.ops (owner, op) select leadx.uid(), (i ->> 'op')::uuid from unnest(items) i on conflict do nothing;
  get diagnostics done = row_count;
  if done <> n then
    return null; -- the rest of the transaction is undone by the caller
  end if;
  c := leadx.columns_of(t, docs[1], lower(action));
  select string_agg(format('%s %s pg_catalog.jsonb_array_element_text(u.parts, %s)::%s', s.keys[k], s.equals[k], k - 1, s.key_types[k]), ' and ')
  into same_key from generate_series(1, cardinality(s.keys)) k;
  perform pg_catalog.set_config('search_path', path, true);
  if action = 'CREATE' then
    c.names := pg_catalog.format('insert into %1$s as t (%2$s) select %3$s from %4$s, pg_catalog.jsonb_populate_record(null::%1$s, u.doc) r',
                      s.tbl, c.names, c.vals, source);
    if s.is_readable then
      execute pg_catalog.format('with t as (%s returning %s) select pg_catalog.count(*) from t join %s on %s', c.names,
                     pg_catalog.array_to_string(s.keys, ', '), source, same_key) into done using docs, parts, versions;
    else
      execute c.names using docs, parts, versions;
      get diagnostics done = row_count;
    end if;
    if done operator(pg_catalog.=) n and s.is_readable then
      execute pg_catalog.format('select pg_catalog.array_agg(%s order by u.n) from %s left join %s t on %s', s.row_json, source, s.tbl, same_key)
        into found_rows using docs, parts, versions;
    end if;
  else
    execute pg_catalog.format('with changed as (update %1$s as t set %2$s from %3$s, pg_catalog.jsonb_populate_record(null::%1$s, u.doc) r
                                     where %4$s and (u.version is null or %5$s operator(pg_catalog.=) u.version::%6$s)
                                     returning u.n as n, (%4$s) as same, %7$s as found_row)
                    select pg_catalog.count(*) filter (where same), pg_catalog.array_agg(found_row order by n) from changed',
                   s.tbl, c.sets, source, same_key, s.version, s.version_type, s.row_json)
      into done, found_rows using docs, parts, versions;
  end if;
  perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  if done <> n then
    return null;
  end if;
  return array(select leadx.answer(items[i], 'applied', found_rows[i], null, null) from generate_series(1, n) i);
end
$leadx$;

create or replace function leadx.try_alike(t leadx.tables, s leadx.spelling, items jsonb[], path text) returns json[]
language plpgsql volatile set search_path = pg_catalog, pg_temp as $leadx$
declare
  answers json[];
begin
  answers := leadx.apply_alike(t, s, items, path);
  if answers is null then
    raise exception 'not all'; -- undoes what was done
  end if;
  return answers;
exception
  when insufficient_privilege then
    -- A table that may be written, whose rows this user does not see: the rows are counted.
    if not s.is_readable or items[1] ->> 'action' <> 'CREATE' then
      return null;
    end if;
    s.is_readable := false;
    return leadx.try_alike(t, s, items, path);
  when others then
    return null;
end
$leadx$;

-- The same for any number of them: halves until what remains goes through, or a few are left, which go one by one. What has
-- not begun by the deadline has no answer (null); but the first, where must says so.
create or replace function leadx.apply_run(t leadx.tables, s leadx.spelling, items jsonb[], path text, are_different boolean,
  deadline timestamptz, must boolean) returns json[]
language plpgsql volatile set search_path = pg_catalog, pg_temp as $leadx$
declare
  n int := cardinality(items);
  half int := n / 2;
  answers json[] := array_fill(null::json, array[n]);
  alike json[];
begin
  if are_different and n > 1 and t.name is not null and clock_timestamp() < deadline then
    alike := leadx.try_alike(t, s, items, path);
    if alike is not null then
      return alike;
    end if;
  end if;
  if are_different and n > 4 then
    return leadx.apply_run(t, s, items[1 : half], path, true, deadline, must) || leadx.apply_run(t, s, items[half + 1 : n], path, true, deadline, false);
  end if;
  for i in 1 .. n loop
    exit when clock_timestamp() >= deadline and not (must and i = 1);
    answers[i] := leadx.apply(t, s, items[i], path);
  end loop;
  return answers;
end
$leadx$;

-- How many rows one answer has at most. PostgREST does not tell a function its db-max-rows, unless that stands in the
-- database (alter role authenticator set pgrst.db_max_rows = '500'); else it is a hosted project's.
create or replace function leadx.max_rows() returns int
language sql stable set search_path = pg_catalog, pg_temp as $leadx$
  select greatest(coalesce(nullif(current_setting('pgrst.db_max_rows', true), '')::int, 1000), 1)
$leadx$;

-- Operations that are a month old are forgotten, whoever sent them; a few at a time. With its owner's rights, because
-- those who never come back forget nothing.
create or replace function leadx.forget() returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp as $leadx$
  delete from leadx.ops where ctid = any (array(
    select o.ctid from leadx.ops o where o.at < now() - interval '30 days' order by o.at limit 2000 for update skip locked))
$leadx$;

create or replace function leadx.push(ops jsonb, path text) returns json
language plpgsql volatile set search_path = pg_catalog, pg_temp as $leadx$
declare
  budget interval := least(nullif(current_setting('statement_timeout')::interval, interval '0') / 2, interval '10 seconds');
  patience interval := least(nullif(current_setting('lock_timeout')::interval, interval '0'), budget / 4);
  deadline timestamptz;
  total int;
  run record;
  t leadx.tables;
  s leadx.spelling;
  answers json[] := '{}';
  part json[];
  done int := 0;
  at int;
  size int := 64;
  began timestamptz;
begin
  if jsonb_typeof(ops) is distinct from 'array' or jsonb_array_length(ops) > 10000 then
    raise exception using errcode = '22023', message = 'leadx_push takes a JSON array of at most 10000 operations';
  end if;
  total := jsonb_array_length(ops);
  -- A row that somebody else holds locked is this operation's trouble, not the whole batch's; so is a broken reference.
  perform set_config('lock_timeout', ceil(extract(epoch from patience) * 1000)::bigint::text, true);
  set constraints all immediate;
  perform leadx.forget();
  deadline := greatest(statement_timestamp() + budget, clock_timestamp() + interval '50 milliseconds');
  for run in
    with item as (
      select value, ordinality as n, md5(concat_ws(' ', value ->> 'table', value ->> 'action', case when jsonb_typeof(value -> 'row') = 'object' then
               (select string_agg(to_json(k)::text, ',') from jsonb_object_keys(value -> 'row') k) end)) as shape
      from jsonb_array_elements(ops) with ordinality where ordinality <= leadx.max_rows()),
    begun as (select *, case when shape is distinct from lag(shape) over (order by n) then 1 else 0 end as first from item),
    numbered as (select *, sum(first) over (order by n) as number from begun)
    select array_agg(value order by n) as items, count(*) as n,
      count(*) = count(distinct value ->> 'key') and bool_and(coalesce(jsonb_typeof(value -> 'key'), 'null') <> 'null') as are_different
    from numbered group by number order by number
  loop
    if t.name is distinct from run.items[1] ->> 'table' then
      select * into t from leadx.tables where name = run.items[1] ->> 'table';
      s := case when t.name is not null then leadx.spell(t) end;
    end if;
    at := 1;
    while at <= run.n and (clock_timestamp() < deadline or done = 0) loop
      began := clock_timestamp();
      part := leadx.apply_run(t, s, run.items[at : at + size - 1], path, run.are_different, deadline, done = 0);
      for i in 1 .. cardinality(part) loop
        answers[done + i] := part[i];
      end loop;
      done := done + cardinality(part);
      at := at + size;
      size := case when clock_timestamp() - began < budget / 20 then least(size * 2, 2048) else greatest(size / 2, 16) end;
    end loop;
    exit when clock_timestamp() >= deadline;
  end loop;
  for i in 1 .. total loop
    answers[i] := coalesce(answers[i], leadx.answer(ops -> (i - 1), 'later', null, null, null));
  end loop;
  return array_to_json(answers);
end
$leadx$;

create or replace function {{schema}}.leadx_push(ops jsonb) returns json
language sql volatile security invoker
return leadx.push(ops, pg_catalog.current_setting('search_path'));
alter function {{schema}}.leadx_push(jsonb) reset all;

-- name: server_pull
/* leadx_pull(tbl, after, lim): the next page of a table behind the cursor that the previous page gave (null: from
   the beginning), in the order of version and key:
     {"rows": […], "gone": [keys], "cursor": {…}, "more": true | false, "lim": n}
   It ends before the oldest stamp that a transaction still open can have given. So no row is missed however
   slow its transaction, and the next pull goes on exactly there, without an overlap. A transaction that is
   open for more than 150 seconds is passed over and stands in the cursor (open); when it has ended, the next
   page begins again where it began. gone are the keys of rows that were deleted since the first page and
   that the caller does not see again. lim is how many of each there are at most, which may be less than was
   asked for: more says whether there are others. */
create or replace function leadx.page(s leadx.spelling, after jsonb, until timestamptz, lim int, path text,
  out rows json, out n int, out place jsonb)
language plpgsql volatile set search_path = pg_catalog, pg_temp as $leadx$
declare
  names text := array_to_string(s.keys, ', ');
  behind text := '';
  literals text[];
  ordered text;
begin
  if after ->> 'version' is not null then
    select array_agg(format('%L::%s', after -> 'key' ->> (k - 1), s.key_types[k]) order by k) into literals
    from generate_series(1, cardinality(s.keys)) k;
    if s.is_plain then
      behind := format('and (%s, %s) operator(pg_catalog.>) (%L::timestamptz, %s)', s.version, names, after ->> 'version', array_to_string(literals, ', '));
    else
      -- Keys of an extension's type are compared by its own operators.
      select string_agg(format('(%s%s %s %s)', (select string_agg(format('%s %s %s and ', s.keys[j], s.equals[j], literals[j]), '' order by j)
               from generate_series(1, k - 1) j), s.keys[k], replace(s.equals[k], '.=)', '.>)'), literals[k]), ' or ' order by k)
      into behind from generate_series(1, cardinality(s.keys)) k;
      behind := format('and %1$s operator(pg_catalog.>=) %2$L::timestamptz and (%1$s operator(pg_catalog.>) %2$L::timestamptz or %3$s)',
                       s.version, after ->> 'version', behind);
    end if;
  end if;
  select string_agg(format('%s desc', c), ', ' order by i) into ordered from unnest(s.version || s.keys) with ordinality u(c, i);
  perform pg_catalog.set_config('search_path', path, true);
  execute pg_catalog.format(
    'with page as materialized (select %7$s from %1$s t where %2$s operator(pg_catalog.<) $1 %3$s order by %2$s, %4$s limit $2)
     select coalesce((select pg_catalog.json_agg(%8$s order by %2$s, %4$s) from page t), ''[]''::json), (select pg_catalog.count(*)::pg_catalog.int4 from page),
       (select pg_catalog.jsonb_build_object(''version'', %2$s, ''key'', %5$s) from page t order by %6$s limit 1)',
    s.tbl, s.version, behind, names, s.key_json, ordered, s.columns, s.row_json)
  into rows, n, place using until, lim;
end
$leadx$;

-- The deleted rows. A key that the caller sees was created again and is no deleted one.
create or replace function leadx.graves(t leadx.tables, s leadx.spelling, after_at timestamptz, after_id bigint, until timestamptz, lim int, path text,
  out gone json, out n int, out place jsonb)
language plpgsql volatile set search_path = pg_catalog, pg_temp as $leadx$
declare
  condition text;
begin
  select string_agg(format('%s %s (%s)::%s', s.keys[k], s.equals[k],
           case when cardinality(s.keys) = 1 then 'd.key' else format('pg_catalog.jsonb_array_element_text(d.key::pg_catalog.jsonb, %s)', k - 1) end,
           s.key_types[k]), ' and ')
  into condition from generate_series(1, cardinality(s.keys)) k;
  perform pg_catalog.set_config('search_path', path, true);
  execute pg_catalog.format(
    'with d as materialized (select d.id, d.key, d.deleted_at from %1$s d
                             where d.table_name operator(pg_catalog.=) $1 and d.deleted_at operator(pg_catalog.<) $4
                             and (d.deleted_at, d.id) operator(pg_catalog.>) ($2, $3) order by d.deleted_at, d.id limit $5)
     select coalesce((select pg_catalog.json_agg(d.key order by d.deleted_at, d.id) from d where not exists (select 1 from %2$s t where %3$s)), ''[]''::json),
       (select pg_catalog.count(*)::pg_catalog.int4 from d),
       (select pg_catalog.jsonb_build_object(''gone_at'', pg_catalog.to_jsonb(d.deleted_at), ''gone_id'', d.id) from d
        order by d.deleted_at desc, d.id desc limit 1)',
    t.tombstones, s.tbl, condition)
  into gone, n, place using t.name, after_at, after_id, until, lim;
end
$leadx$;

-- The cursor, put back to where the oldest transaction began that was passed over and has ended since.
create or replace function leadx.put_back(after jsonb, passed jsonb) returns jsonb
language plpgsql stable set search_path = pg_catalog, pg_temp as $leadx$
declare
  begun timestamptz;
begin
  select to_timestamp(min((e ->> 0)::bigint) + 1700000000) into begun
  from jsonb_array_elements(case jsonb_typeof(after -> 'open') when 'array' then after -> 'open' else '[]' end) e where not passed @> jsonb_build_array(e);
  if (after ->> 'version')::timestamptz >= begun then
    after := after - 'key' || jsonb_build_object('version', begun - interval '1 microsecond');
  end if;
  if (after ->> 'gone_at')::timestamptz >= begun then
    after := after || jsonb_build_object('gone_at', begun, 'gone_id', 0);
  end if;
  return after || jsonb_build_object('open', passed);
end
$leadx$;

create or replace function leadx.pull(tbl text, after jsonb, lim int, path text) returns json
language plpgsql volatile set search_path = pg_catalog, pg_temp as $leadx$
declare
  t leadx.tables;
  s leadx.spelling;
  settled record;
  page record;
  place jsonb;
  graves record;
begin
  select * into t from leadx.tables where name = pull.tbl;
  if not found then
    raise exception using errcode = '42P01', message = format('table "%s" is not registered', left(pull.tbl, 200)),
      hint = 'run the text of leadx_server_sql() on the server';
  end if;
  s := leadx.spell(t);
  if s.row_json is null then
    raise exception using errcode = '42501', message = format('permission denied for table %s', t.name);
  end if;
  lim := least(greatest(coalesce(lim, 1000), 0), leadx.max_rows());
  settled := leadx.settled(t.name);
  after := leadx.put_back(coalesce(after, '{}'), settled.passed);
  page := leadx.page(s, after, settled.until, lim, path);
  place := after || coalesce(page.place, '{}');
  if not leadx.shows(t.name) then
    -- Nobody is shown who was deleted until the policies are known again: the place among them stays.
    return json_build_object('rows', page.rows, 'gone', '[]'::json, 'cursor', jsonb_build_object('gone_at', settled.until, 'gone_id', 0) || place,
                             'more', lim > 0 and page.n = lim, 'lim', lim);
  end if;
  -- A device at the beginning has nothing to lose: its deleted rows are those from now on.
  graves := leadx.graves(t, s, coalesce((after ->> 'gone_at')::timestamptz, settled.until), coalesce((after ->> 'gone_id')::bigint, 0),
                         settled.until, lim, path);
  place := jsonb_build_object('gone_at', settled.until, 'gone_id', 0) || place || coalesce(graves.place, '{}');
  return json_build_object('rows', page.rows, 'gone', graves.gone, 'cursor', place, 'more', lim > 0 and greatest(page.n, graves.n) = lim, 'lim', lim);
end
$leadx$;

create or replace function {{schema}}.leadx_pull(tbl text, after jsonb default null, lim int default 1000) returns json
language sql volatile security invoker
return leadx.pull(tbl, after, lim, pg_catalog.current_setting('search_path'));
alter function {{schema}}.leadx_pull(text, jsonb, int) reset all;

-- name: server_installed
/* leadx_installed(): what of all this is in force, for leadx_check(). It reads the catalog and no row, and tells
   of a table to those alone who may do something with it: by a right, and by a policy where those hold.
   select, insert and update are true, or the columns for which they are granted. */
create or replace function leadx.granted(tbl regclass, what text) returns json
language sql stable set search_path = pg_catalog, pg_temp as $leadx$
  select case when has_table_privilege(tbl, what) then 'true'::json
              else (select coalesce(json_agg(a.attname order by a.attnum), '[]') from pg_attribute a
                    where a.attrelid = tbl and a.attnum > 0 and not a.attisdropped and has_column_privilege(tbl, a.attnum, what)) end
$leadx$;

create or replace function leadx.installed() returns json
language sql stable set search_path = pg_catalog, pg_temp as $leadx$
  select coalesce(json_object_agg(t.name, json_build_object(
    'stamp', exists (select 1 from pg_trigger g where g.tgrelid = t.tbl and g.tgname = 'zzz_leadx_stamp' and g.tgenabled in ('O', 'A')),
    'tombstones', exists (select 1 from pg_trigger g where g.tgrelid = t.tbl and g.tgname = 'zzz_leadx_bury' and g.tgenabled in ('O', 'A')),
    'current', t.policies is not distinct from leadx.policies_of(t.tbl),
    'index', leadx.has_index(t.tbl, array[t.version] || t.keys),
    'version', t.version,
    'keys', to_json(t.keys),
    'required', (select coalesce(json_agg(attname order by attnum), '[]') from pg_attribute a where a.attrelid = t.tbl and attnum > 0
                 and not attisdropped and attnotnull and not atthasdef and attidentity = ''),
    'rls', c.relrowsecurity,
    'policies', (select count(*) from pg_policy p where p.polrelid = t.tbl),
    'role', current_user,
    'select', leadx.granted(t.tbl, 'select'),
    'insert', leadx.granted(t.tbl, 'insert'),
    'update', leadx.granted(t.tbl, 'update'),
    'delete', has_table_privilege(t.tbl, 'delete'))), '{}')
  from leadx.tables t join pg_class c on c.oid = t.tbl
  where (has_any_column_privilege(t.tbl, 'select, insert, update') or has_table_privilege(t.tbl, 'delete'))
    and (not row_security_active(t.tbl) or exists (
      select 1 from pg_policy p, unnest(p.polroles) r where p.polrelid = t.tbl and p.polpermissive and (r = 0 or pg_has_role(r, 'usage'))))
$leadx$;

create or replace function {{schema}}.leadx_installed() returns json
language sql stable security invoker
return leadx.installed();
alter function {{schema}}.leadx_installed() reset all;

-- name: server_describe
/* leadx_describe(): what the caller's tables are, for leadx_clone(). It reads the catalog and no row, and tells of
   the tables and columns of this schema that the caller may read, and of no others. */
create or replace function leadx.type_of(type oid, modifier int) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $leadx$
declare
  known record;
begin
  loop
    select t.typtype, t.typbasetype, t.typtypmod into known from pg_type t where t.oid = type;
    exit when known.typtype is distinct from 'd';
    type := known.typbasetype;
    modifier := known.typtypmod;
  end loop;
  return case known.typtype when 'c' then 'json' else format_type(type, modifier) end;
end
$leadx$;

create or replace function leadx.names_of(tbl oid, numbers int2[]) returns json
language sql stable set search_path = pg_catalog, pg_temp as $leadx$
  select coalesce(json_agg(a.attname order by k.n), '[]') from unnest(numbers) with ordinality k(attnum, n)
  join pg_attribute a on a.attrelid = tbl and a.attnum = k.attnum
$leadx$;

create or replace function leadx.describe(home regnamespace) returns json
language sql stable set search_path = pg_catalog, pg_temp as $leadx$
  select coalesce(json_object_agg(c.relname, json_build_object(
    'columns', (select json_agg(json_build_object(
        'name', a.attname, 'type', leadx.type_of(a.atttypid, a.atttypmod), 'not_null', a.attnotnull,
        'default', case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end,
        'computed', a.attgenerated <> '' or a.attidentity = 'a', 'identity', a.attidentity <> '') order by a.attnum)
      from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and has_column_privilege(c.oid, a.attnum, 'select')),
    'key', coalesce((select to_json(t.keys) from leadx.tables t where t.tbl = c.oid), (select leadx.names_of(c.oid, k.conkey) from pg_constraint k where k.conrelid = c.oid and k.contype = 'p'), '[]'),
    'references', (select coalesce(json_agg(json_build_object(
        'columns', leadx.names_of(c.oid, k.conkey), 'table', p.relname, 'target', leadx.names_of(p.oid, k.confkey), 'delete', k.confdeltype)
        order by k.conname), '[]')
      from pg_constraint k join pg_class p on p.oid = k.confrelid
      where k.conrelid = c.oid and k.contype = 'f' and p.relnamespace = home),
    'writable', pg_relation_is_updatable(c.oid, true) & 12 <> 0 and has_any_column_privilege(c.oid, 'insert, update'))
    order by c.relname), '{}')
  from pg_class c
  where c.relnamespace = home and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
    and c.relname <> 'leadx_tombstones' and has_any_column_privilege(c.oid, 'select')
$leadx$;

create or replace function {{schema}}.leadx_describe() returns json
language sql stable security invoker
return leadx.describe({{schema_text}}::regnamespace);
alter function {{schema}}.leadx_describe() reset all;
