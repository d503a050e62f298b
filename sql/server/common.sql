-- What leadx_server_sql() prints, part 1: what all tables share. PostgreSQL 14 and later, made for a
-- stock Supabase project. Not for SQLite; ext/server.c fills the {{holes}}. No hole stands inside a
-- dollar-quoted body, so that no name, however odd, can end one. Comments that the reader of the
-- printed text is to see are between statements, or written with slash and asterisk where an entry begins.

-- name: server_begin
/* The server's half of leadx. Run it in the SQL editor, or with psql -v ON_ERROR_STOP=1 -f FILE, as the
   owner of the tables. It can be run again at any time, and should be after a policy was changed.
   It changes no row but those whose version is missing or lies in the future, and no policy of yours. */
begin;

-- leadx's own things live in a schema that PostgREST does not serve.
create schema if not exists leadx;
revoke all on schema leadx from public;
grant usage on schema leadx to anon, authenticated, service_role;

-- The tables that the functions below may touch, and no others.
create table if not exists leadx.tables (
  name text primary key,
  tbl regclass not null unique,
  version name not null,
  keys name[] not null,
  scope name[] not null default '{}', -- the columns that the policies for reading look at
  tombstones regclass not null
);
alter table leadx.tables enable row level security;
revoke all on leadx.tables from public, anon, authenticated;
grant select on leadx.tables to anon, authenticated, service_role;
drop policy if exists everybody on leadx.tables;
create policy everybody on leadx.tables for select using (true);

-- The operations that were applied: a request that is sent again after its answer was lost is recognised.
create table if not exists leadx.ops (
  owner text not null,
  op uuid not null,
  at timestamptz not null default now(),
  primary key (owner, op)
);
create index if not exists ops_at on leadx.ops (owner, at);

-- Who sends the request: the token's subject, else the role.
create or replace function leadx.uid() returns text
language sql stable set search_path = pg_catalog, pg_temp as $leadx$
  select coalesce(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', current_user)
$leadx$;

alter table leadx.ops enable row level security;
revoke all on leadx.ops from public, anon, authenticated;
grant select, insert, delete on leadx.ops to anon, authenticated, service_role;
drop policy if exists own on leadx.ops;
create policy own on leadx.ops using (owner = (select leadx.uid())) with check (owner = (select leadx.uid()));

-- name: server_stamp
/* The stamp: the server's clock at the moment of the write. What the client sends in that column is never
   kept, so a row that was made offline in the morning and sent in the evening is behind nobody's cursor.

   A transaction that is still open holds a shared advisory lock that tells when it began; nobody ever waits
   for it. Its stamps will not be older than that, so a reader knows up to where nothing can come any more. */
create or replace function leadx.stamp() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $leadx$
begin
  perform pg_advisory_xact_lock_shared(1818583396, floor(extract(epoch from now()) - 1700000000)::int);
  if tg_argv[0] = 'updated_at' then
    new.updated_at := clock_timestamp();
  else
    new := jsonb_populate_record(new, jsonb_build_object(tg_argv[0], clock_timestamp()));
  end if;
  return new;
end
$leadx$;

-- The moment before which every stamp that will ever be given is visible. It must be asked in a statement
-- of its own, before the rows are read: then a writer is either among the locks or among the rows. A
-- replica does not know the locks of its primary and keeps a distance instead.
create or replace function leadx.settled_until() returns timestamptz
language plpgsql volatile set search_path = pg_catalog, pg_temp as $leadx$
declare
  here timestamptz := clock_timestamp();
  oldest bigint;
begin
  if pg_is_in_recovery() then
    return pg_last_xact_replay_timestamp() - interval '150 seconds';
  end if;
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception using errcode = '0A000', message = 'leadx_pull needs the isolation level read committed';
  end if;
  select min(objid::bigint) into oldest from pg_locks
  where locktype = 'advisory' and classid = 1818583396::oid and objsubid = 2
    and database = (select oid from pg_database where datname = current_database());
  return least(here, to_timestamp(oldest + 1700000000));
end
$leadx$;

-- name: server_tombstones
/* Tombstones: which rows were deleted, for the devices that have them. Of the deleted row only the key is
   shown, and only to those who could read the row: scope keeps the columns that the policies look at. */
create table if not exists {{schema}}.leadx_tombstones (
  id bigint generated always as identity primary key,
  table_name text not null,
  key text not null,
  deleted_at timestamptz not null default clock_timestamp(),
  scope jsonb not null default '{}'
);
create index if not exists leadx_tombstones_order on {{schema}}.leadx_tombstones (table_name, deleted_at, id);
alter table {{schema}}.leadx_tombstones enable row level security;
revoke all on {{schema}}.leadx_tombstones from public, anon, authenticated;
grant select (id, table_name, key, deleted_at) on {{schema}}.leadx_tombstones to anon, authenticated;
grant all on {{schema}}.leadx_tombstones to service_role;

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
begin
  select * into t from leadx.tables where tbl = tg_relid;
  if found then
    perform pg_advisory_xact_lock_shared(1818583396, floor(extract(epoch from now()) - 1700000000)::int);
    execute format('insert into %s (table_name, key, scope) values ($1, $2, $3)', t.tombstones)
      using t.name, leadx.key_text(to_jsonb(old), t.keys),
        (select coalesce(jsonb_object_agg(c, to_jsonb(old) -> c::text), '{}') from unnest(t.scope) c);
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
create or replace function leadx.protect(t leadx.tables) returns int
language plpgsql set search_path = pg_catalog, pg_temp as $leadx$
declare
  prefix text := left(md5(t.name), 12) || '.';
  relation text := (select relname from pg_class where oid = t.tbl);
  may_read text := format('table_name = %L and has_table_privilege(%L, ''select'')', t.name, t.tbl::text);
  p record;
  condition text;
  n int := 0;
begin
  for p in select polname from pg_policy where polrelid = t.tombstones and left(polname, length(prefix)) = prefix loop
    execute format('drop policy %I on %s', p.polname, t.tombstones);
  end loop;
  if not (select relrowsecurity from pg_class where oid = t.tbl) then
    execute format('create policy %I on %s for select using (%s)', prefix || '0', t.tombstones, may_read);
    return 1;
  end if;
  for p in
    select polname, polpermissive, pg_get_expr(polqual, polrelid) as qual,
      (select string_agg(case r when 0 then 'public' else r::regrole::text end, ', ') from unnest(polroles) r) as roles
    from pg_policy where polrelid = t.tbl and polcmd in ('r', '*') order by polname
  loop
    n := n + 1;
    condition := format('exists (select 1 from jsonb_populate_record(null::%s, leadx_tombstones.scope) as %I where (%s))',
                        t.tbl, relation, coalesce(p.qual, 'true'));
    condition := case when p.polpermissive then format('%s and %s', may_read, condition)
                      else format('table_name <> %L or %s', t.name, condition) end;
    begin
      execute format('create policy %I on %s as %s for select to %s using (%s)', prefix || n, t.tombstones,
                     case when p.polpermissive then 'permissive' else 'restrictive' end, p.roles, condition);
    exception when others then
      raise warning 'leadx: the policy % of % cannot be applied to deleted rows (%); nobody sees its tombstones, leadx_reconcile() finds them',
        p.polname, t.tbl, sqlerrm;
      execute format('create policy %I on %s as restrictive for select using (table_name <> %L)', prefix || n, t.tombstones, t.name);
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

create or replace function leadx.register(tbl regclass, name text, version text, keys text[], tombstones regclass) returns text
language plpgsql set search_path = pg_catalog, pg_temp as $leadx$
declare
  t leadx.tables;
  type text := (select format_type(atttypid, null) from pg_attribute a
                where a.attrelid = tbl and a.attname = register.version and attnum > 0 and not attisdropped);
  healed bigint;
  secured boolean := (select relrowsecurity from pg_class c where c.oid = register.tbl);
begin
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
  insert into leadx.tables as known (name, tbl, version, keys, tombstones, scope)
  values (name, tbl, version, keys, tombstones,
    (select coalesce(array_agg(distinct a.attname), '{}') from pg_policy p
     join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_class'::regclass
       and d.refobjid = p.polrelid and d.refobjsubid > 0
     join pg_attribute a on a.attrelid = p.polrelid and a.attnum = d.refobjsubid
     where p.polrelid = register.tbl and p.polcmd in ('r', '*')))
  on conflict on constraint tables_pkey do update
    set tbl = excluded.tbl, version = excluded.version, keys = excluded.keys, tombstones = excluded.tombstones,
    scope = excluded.scope
  returning known.* into t;
  if not leadx.has_index(tbl, array[version::name] || keys::name[]) then
    execute format('create index on %s (%I, %s)', tbl, version, (select string_agg(format('%I', k), ', ' order by n)
                   from unnest(keys) with ordinality u(k, n)));
  end if;
  execute format('update %s set %2$I = %2$I where %2$I is null or %2$I > clock_timestamp() + interval ''5 minutes''', tbl, version);
  get diagnostics healed = row_count;
  perform leadx.protect(t);
  if not secured then
    raise warning 'leadx: row level security is off for %: everybody with the publishable key may do what the grants allow', tbl;
  else
    execute format('grant select, insert, update, delete on %s to authenticated', tbl);
  end if;
  return format('%s: stamped (%s), indexed, tombstones kept, row level security %s%s', name, version, case when secured then 'on' else 'OFF' end,
                case when healed > 0 then format(', %s rows got a new version', healed) else '' end);
end
$leadx$;
revoke all on function leadx.register(regclass, text, text, text[], regclass) from public;

-- name: server_end
/* PostgREST reads the schema again. */
notify pgrst, 'reload schema';
commit;
