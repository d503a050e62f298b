-- What leadx_server_sql() prints, part 1: what all tables share. PostgreSQL 14 and later, made for a
-- stock Supabase project. Not for SQLite; ext/api/server_sql.c fills the {{holes}}. No hole stands inside a
-- dollar-quoted body, so that no name, however odd, can end one. Comments that the reader of the
-- printed text is to see are between statements, or written with slash and asterisk where an entry begins.

-- name: server_begin
/* The server's half of leadx. Run it in the SQL editor, or with psql -v ON_ERROR_STOP=1 -f FILE, as the
   owner of the tables, who need not be a superuser. It can be run again at any time, and has to be after a
   policy was changed: until then nobody sees which rows were deleted. What it changes, all or nothing:
   - on each table below: the triggers zzz_leadx_stamp and zzz_leadx_bury, and an index on version and key
     where there is none; the version of rows where it is missing or lies in the future;
   - the schema leadx, the table leadx_tombstones, and the functions leadx_push, leadx_pull, leadx_installed
     and leadx_describe.
   It grants nothing on your tables and takes nothing away, and it touches no policy, no other trigger and no
   other row. What it grants is on its own things alone, to anon, authenticated and service_role where they
   are, and to the roles that you gave a right on one of the tables. SELECT leadx_check() says what is lacking. */
begin;
-- A forgotten transaction on one of the tables makes this end with an error instead of blocking everybody.
set local lock_timeout = '15s';

-- leadx's own things live in a schema that PostgREST does not serve.
create schema if not exists leadx;
revoke all on schema leadx from public;

-- The tables that the functions below may touch, and no others.
create table if not exists leadx.tables (
  name text primary key,
  tbl regclass not null unique,
  version name not null,
  keys name[] not null,
  scope name[] not null default '{}', -- the columns that the policies for reading look at
  tombstones regclass not null
);
alter table leadx.tables add column if not exists whole boolean not null default false, -- they look at whole rows
  add column if not exists policies text; -- what the policies for reading were when this was run
alter table leadx.tables enable row level security;
revoke all on leadx.tables from public;
drop policy if exists everybody on leadx.tables;
create policy everybody on leadx.tables for select using (true);

-- The operations that were applied: a request that is sent again after its answer was lost is recognised.
create table if not exists leadx.ops (
  owner text not null,
  op uuid not null,
  at timestamptz not null default now(),
  primary key (owner, op)
);
alter table leadx.ops add column if not exists key jsonb; -- the key that the server gave
drop index if exists leadx.ops_at;
create index if not exists ops_age on leadx.ops (at);

-- Who sends the request: the token's subject, else the role.
create or replace function leadx.uid() returns text
language sql stable set search_path = pg_catalog, pg_temp as $leadx$
  select coalesce(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', current_user)
$leadx$;

alter table leadx.ops enable row level security;
revoke all on leadx.ops from public;
drop policy if exists own on leadx.ops;
create policy own on leadx.ops using (owner = (select leadx.uid())) with check (owner = (select leadx.uid()));

-- Functions that earlier forms of this text had, or had otherwise.
do $leadx$
declare
  f regprocedure;
begin
  for f in select p.oid from pg_catalog.pg_proc p
    where p.pronamespace = 'leadx'::regnamespace
      and p.proname = any ('{settled_until,page,graves,spell,key_parts,key_condition,visible_row,is_buried,columns_of,perform,apply,apply_alike,try_alike,apply_run}'::name[])
  loop
    execute format('drop function %s', f);
  end loop;
end
$leadx$;

-- name: server_stamp
/* The stamp: the server's clock at the moment of the write. What the client sends in that column is never
   kept, so a row that was made offline in the morning and sent in the evening is behind nobody's cursor.

   A transaction that is still open holds a shared advisory lock that tells the table and when it began; nobody
   ever waits for it. Its stamps will not be older than that, so a reader knows up to where nothing can come any
   more. The lock's first half is the table's name, hashed; its second half is in seconds. */
create or replace function leadx.stamp() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $leadx$
begin
  perform pg_advisory_xact_lock_shared(hashtext('leadx ' || tg_argv[1]), floor(extract(epoch from now()) - 1700000000)::int);
  if tg_argv[0] = 'updated_at' then
    new.updated_at := clock_timestamp();
  else
    new := jsonb_populate_record(new, jsonb_build_object(tg_argv[0], clock_timestamp()));
  end if;
  return new;
end
$leadx$;
revoke all on function leadx.stamp() from public;

-- The moment before which every stamp that will ever be given is visible. It must be asked in a statement
-- of its own, before the rows are read: then a writer is either among the locks or among the rows. A
-- replica does not know the locks of its primary and keeps a distance instead.
-- A transaction that began more than 150 seconds ago holds nothing back any more: it is passed over, the reader
-- notes it (begin and process), and reads on from its begin when it has ended. Nothing of it is lost.
create or replace function leadx.settled(name text, out until timestamptz, out passed jsonb)
language plpgsql volatile set search_path = pg_catalog, pg_temp as $leadx$
declare
  here timestamptz := clock_timestamp();
  edge bigint := floor(extract(epoch from here) - 1700000000)::bigint - 150;
  oldest bigint;
begin
  if pg_is_in_recovery() then
    until := pg_last_xact_replay_timestamp() - interval '150 seconds';
    passed := '[]';
    return;
  end if;
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using errcode = '0A000', message = 'leadx_pull needs the isolation level read committed';
  end if;
  -- A cursor has room for a hundred of them.
  select coalesce(jsonb_agg(jsonb_build_array(l.begun, l.pid) order by l.begun, l.pid) filter (where l.begun < edge and l.n <= 100), '[]'),
    min(l.begun) filter (where l.begun >= edge or l.n > 100)
  into passed, oldest
  from (select k.begun, k.pid, row_number() over (order by k.begun, k.pid) as n
        from (select distinct objid::bigint as begun, coalesce(pid, 0) as pid from pg_locks
              where locktype = 'advisory' and objsubid = 2
                and classid = (hashtext('leadx ' || settled.name)::bigint & 4294967295)::oid
                and database = (select d.oid from pg_database d where d.datname = current_database())) k) l;
  until := least(here, to_timestamp(oldest + 1700000000));
end
$leadx$;

-- name: server_tombstones
/* Tombstones: which rows were deleted, for the devices that have them. Of the deleted row only the key is
   shown, and only to those who could read the row: scope keeps the columns that the policies look at, or
   the whole row where a policy looks at that (row is an argument of a function, say). A tombstone that lacks
   a column which a policy began to use later is shown to nobody; leadx_reconcile() finds that row. Conditions
   on other tables are asked as they stand when a device reads. */
create table if not exists {{schema}}.leadx_tombstones (
  id bigint generated always as identity primary key,
  table_name text not null,
  key text not null,
  deleted_at timestamptz not null default clock_timestamp(),
  scope jsonb not null default '{}'
);
create index if not exists leadx_tombstones_order on {{schema}}.leadx_tombstones (table_name, deleted_at, id);
create index if not exists leadx_tombstones_key on {{schema}}.leadx_tombstones (table_name, key);
alter table {{schema}}.leadx_tombstones enable row level security;
revoke all on {{schema}}.leadx_tombstones from public;

-- The key as leadx writes it: the text itself, or a JSON array when it has several columns.
create or replace function leadx.key_text(doc jsonb, keys name[]) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $leadx$
  select case when cardinality(keys) = 1 then doc ->> keys[1]::text
              else (select jsonb_agg(doc -> k::text order by n) from unnest(keys) with ordinality u(k, n))::text end
$leadx$;

-- Runs with its owner's rights, because who deletes need not be able to write tombstones.
create or replace function leadx.bury() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $leadx$
declare
  t leadx.tables;
  doc jsonb;
begin
  select * into t from leadx.tables where name = tg_argv[0];
  if found then
    perform pg_advisory_xact_lock_shared(hashtext('leadx ' || t.name), floor(extract(epoch from now()) - 1700000000)::int);
    doc := to_jsonb(old);
    execute format('insert into %s (table_name, key, scope) values ($1, $2, $3)', t.tombstones)
      using t.name, leadx.key_text(doc, t.keys),
        case when t.whole then doc else (select coalesce(jsonb_object_agg(c, doc -> c::text), '{}') from unnest(t.scope) c) end;
  end if;
  return null;
end
$leadx$;
revoke all on function leadx.bury() from public;

-- Old tombstones can go when no device has been away for longer, e.g. once a day:
--   delete from {{schema}}.leadx_tombstones where deleted_at < now() - interval '180 days';
-- A device that was away for longer finds the deleted rows with leadx_reconcile().

-- name: server_register
/* Registering a table: checks its columns, makes the index unless one like it is there, and lets those see a
   tombstone who could see the row, by the table's own policies for reading. Says what it did. */

-- The policies for reading in words, to notice that one was changed.
create or replace function leadx.policies_of(tbl regclass) returns text
language sql stable set search_path = pg_catalog, pg_temp as $leadx$
  select md5(concat_ws(' ', c.relrowsecurity, (
    select string_agg(concat_ws(' ', polname, polpermissive,
             (select string_agg(case r when 0 then 'public' else r::regrole::text end, ',' order by r) from unnest(polroles) r),
             pg_get_expr(polqual, polrelid)), E'\n' order by polname)
    from pg_policy where polrelid = c.oid and polcmd in ('r', '*'))))
  from pg_class c where c.oid = tbl
$leadx$;

-- May the caller be shown tombstones of the table at all: are its policies those that the tombstones follow,
-- and may the caller read the key?
create or replace function leadx.shows(name text) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $leadx$
  select coalesce((select t.policies = leadx.policies_of(t.tbl)
                     and (select bool_and(has_column_privilege(t.tbl, k::text, 'select')) from unnest(t.keys) k)
                   from leadx.tables t where t.name = shows.name), false)
$leadx$;

-- The columns that a tombstone has to have kept.
create or replace function leadx.scope_of(name text) returns text[]
language sql stable set search_path = pg_catalog, pg_temp as $leadx$
  select case when t.whole then array(select a.attname::text from pg_attribute a where a.attrelid = t.tbl and a.attnum > 0 and not a.attisdropped)
              else t.scope::text[] end
  from leadx.tables t where t.name = scope_of.name
$leadx$;

-- A policy without USING lets nobody read, and forbids nothing either.
create or replace function leadx.protect(t leadx.tables) returns int
language plpgsql set search_path = pg_catalog, pg_temp as $leadx$
declare
  prefix text := left(md5(t.name), 12) || '.';
  relation text := (select relname from pg_class where oid = t.tbl);
  of_table text := format('table_name = %L and (select leadx.shows(%1$L)) and leadx_tombstones.scope ?& (select leadx.scope_of(%1$L))', t.name);
  p record;
  condition text;
  n int := 0;
begin
  for p in select polname from pg_policy where polrelid = t.tombstones and left(polname, length(prefix)) = prefix loop
    execute format('drop policy %I on %s', p.polname, t.tombstones);
  end loop;
  if not (select relrowsecurity from pg_class where oid = t.tbl) then
    execute format('create policy %I on %s for select using (%s)', prefix || '0', t.tombstones, of_table);
    return 1;
  end if;
  for p in
    select polname, polpermissive, pg_get_expr(polqual, polrelid) as qual,
      (select string_agg(case r when 0 then 'public' else r::regrole::text end, ', ') from unnest(polroles) r) as roles
    from pg_policy where polrelid = t.tbl and polcmd in ('r', '*') and polqual is not null order by polname
  loop
    n := n + 1;
    condition := format('exists (select 1 from jsonb_populate_record(null::%s, leadx_tombstones.scope) as %I where (%s))',
                        t.tbl, relation, p.qual);
    condition := case when p.polpermissive then format('%s and %s', of_table, condition)
                      else format('table_name <> %L or %s', t.name, condition) end;
    begin
      execute format('create policy %I on %s as %s for select to %s using (%s)', prefix || n, t.tombstones,
                     case when p.polpermissive then 'permissive' else 'restrictive' end, p.roles, condition);
    exception when others then
      raise warning 'leadx: the policy % of % cannot be applied to deleted rows (%); whom it concerns sees no tombstones, leadx_reconcile() finds them',
        p.polname, t.tbl, sqlerrm;
      -- A policy that gives is left out, one that takes away takes all.
      if not p.polpermissive then
        execute format('create policy %I on %s as restrictive for select using (table_name <> %L)', prefix || n, t.tombstones, t.name);
      end if;
    end;
  end loop;
  return n;
end
$leadx$;
revoke all on function leadx.protect(leadx.tables) from public;

create or replace function leadx.has_index(tbl regclass, columns name[]) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $leadx$
  select exists (
    select 1 from pg_index i
    where i.indrelid = tbl and i.indisvalid and i.indpred is null
      and columns = (select array_agg(a.attname order by k.n) from unnest(i.indkey::int2[]) with ordinality k(attnum, n)
                     join pg_attribute a on a.attrelid = tbl and a.attnum = k.attnum where k.n <= cardinality(columns)))
$leadx$;

-- Everybody's rights on leadx's own things, anew. Roles are asked for: a server without Supabase has others.
create or replace function leadx.let_in(tombstones regclass) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $leadx$
declare
  who text;
  home text := (select quote_ident(n.nspname) from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = tombstones);
  own regclass[] := array['leadx.tables'::regclass, 'leadx.ops'::regclass, tombstones];
  calls text := format('function %1$s.leadx_push(jsonb), %1$s.leadx_pull(text, jsonb, int), %1$s.leadx_installed(), %1$s.leadx_describe()', home);
begin
  -- Default privileges may have given rights to some.
  for who in
    select distinct case a.grantee when 0 then 'public' else a.grantee::regrole::text end
    from pg_class c, aclexplode(c.relacl) a where c.oid = any (own) and a.grantee <> c.relowner
  loop
    execute format('revoke all on %s from %s', array_to_string(own, ', '), who);
  end loop;
  execute format('revoke all on %s from public', calls);
  execute 'revoke all on all functions in schema leadx from public';
  for who in
    select quote_ident(rolname) from pg_roles where rolname in ('anon', 'authenticated', 'service_role')
    union
    select case a.grantee when 0 then 'public' else a.grantee::regrole::text end
    from leadx.tables t join pg_class c on c.oid = t.tbl, aclexplode(c.relacl) a where a.grantee <> c.relowner
    union
    select case a.grantee when 0 then 'public' else a.grantee::regrole::text end
    from leadx.tables t join pg_class c on c.oid = t.tbl join pg_attribute k on k.attrelid = t.tbl, aclexplode(k.attacl) a
    where a.grantee <> c.relowner
  loop
    execute format('grant usage on schema leadx to %s', who);
    execute format('grant select on leadx.tables to %s', who);
    execute format('grant select, insert, delete on leadx.ops to %s', who);
    execute format('grant select (id, table_name, key, deleted_at) on %s to %s', tombstones, who);
    execute format('grant execute on %s to %s', calls, who);
    execute format('grant execute on all functions in schema leadx to %s', who);
    -- What only the owner needs, and triggers.
    execute format('revoke all on function leadx.stamp(), leadx.bury(), leadx.protect(leadx.tables), leadx.let_in(regclass), '
                   'leadx.register(regclass, text, text, text[], regclass) from %s', who);
    if who = 'service_role' then
      execute format('grant all on %s to service_role', tombstones);
    end if;
  end loop;
end
$leadx$;

create or replace function leadx.register(tbl regclass, name text, version text, keys text[], tombstones regclass) returns text
language plpgsql set search_path = pg_catalog, pg_temp as $leadx$
declare
  t leadx.tables;
  type text := (select format_type(atttypid, null) from pg_attribute a
                where a.attrelid = tbl and a.attname = register.version and attnum > 0 and not attisdropped);
  healed bigint;
  secured boolean;
  forced boolean;
begin
  select relrowsecurity, relforcerowsecurity into secured, forced from pg_class c where c.oid = register.tbl;
  if type is null or type not in ('timestamp with time zone', 'timestamp without time zone') then
    raise exception 'leadx: the version column %.% is %, it must be a timestamptz', tbl, version, coalesce(type, 'not there')
      using hint = format('alter table %s add column %I timestamptz not null default now();', tbl, version);
  end if;
  if not exists (select 1 from pg_index i where i.indrelid = tbl and i.indisunique and i.indpred is null
                 and (select array_agg(a.attname::text order by a.attname::text) from pg_attribute a
                      where a.attrelid = tbl and a.attnum = any (i.indkey::int2[]))
                   = (select array_agg(k order by k) from unnest(keys) k)) then
    raise exception 'leadx: % has no primary key (or unique index) on (%)', tbl, array_to_string(keys, ', ');
  end if;
  insert into leadx.tables as known (name, tbl, version, keys, tombstones, policies, scope, whole)
  values (name, tbl, version, keys, tombstones, leadx.policies_of(tbl),
    (select coalesce(array_agg(distinct a.attname), '{}') from pg_policy p
     join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_class'::regclass
       and d.refobjid = p.polrelid and d.refobjsubid > 0
     join pg_attribute a on a.attrelid = p.polrelid and a.attnum = d.refobjsubid
     where p.polrelid = register.tbl and p.polcmd in ('r', '*')),
    -- A variable without the number of a column is a row.
    exists (select 1 from pg_policy p where p.polrelid = register.tbl and p.polcmd in ('r', '*')
            and strpos(p.polqual::text, ':varattno 0 ') > 0))
  on conflict on constraint tables_pkey do update
    set tbl = excluded.tbl, version = excluded.version, keys = excluded.keys, tombstones = excluded.tombstones,
    policies = excluded.policies, scope = excluded.scope, whole = excluded.whole
  returning known.* into t;
  if t.whole then
    raise notice 'leadx: a policy of % looks at whole rows, so tombstones keep the deleted rows whole until they are pruned (nobody is shown more than the key)', tbl;
  end if;
  if not leadx.has_index(tbl, array[version::name] || keys::name[]) then
    execute format('create index on %s (%I, %s)', tbl, version, (select string_agg(format('%I', k), ', ' order by n)
                   from unnest(keys) with ordinality u(k, n)));
  end if;
  execute format('update %s set %2$I = %2$I where %2$I is null or %2$I > clock_timestamp() + interval ''5 minutes''', tbl, version);
  get diagnostics healed = row_count;
  perform leadx.protect(t);
  perform leadx.let_in(tombstones);
  if not secured then
    raise warning 'leadx: row level security is off for %: everybody with the publishable key may do what the grants allow', tbl;
  elsif forced and row_security_active(tbl) then
    raise warning 'leadx: row level security of % holds for its owner too, who may not see rows whose version is missing or lies in the future', tbl;
  end if;
  return format('%s: stamped (%s), indexed, tombstones kept, row level security %s%s', name, version, case when secured then 'on' else 'OFF' end,
                case when healed > 0 then format(', %s rows got a new version', healed) else '' end);
end
$leadx$;
revoke all on function leadx.register(regclass, text, text, text[], regclass) from public;

-- name: server_end
/* Who may call the functions: users, and whoever has the publishable key alone; what they then may do, your
   grants and row level security say. Nothing here is about your tables. */
/* PostgREST reads the schema again. */
notify pgrst, 'reload schema';
commit;
