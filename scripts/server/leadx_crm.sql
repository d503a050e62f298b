-- LeadX CRM on the server: customers, pipelines, activities and settings.
-- Run once by the superuser, after roles.sql.
--
-- Every row belongs to a user. A team shares its customers, pipelines and
-- activities: a colleague reads and edits them, and only the owner deletes.
-- Settings are private. The server alone stamps updated_at, with the time of
-- the statement and not of the transaction, so that a page of changes can be
-- read in the order of (updated_at, id).

-- Who works with whom. Outside the schema that requests can reach.
create schema crm;
grant usage on schema crm to anon, authenticated, service_role;

create table crm.team_members (
  user_id uuid primary key,
  team_id uuid not null
);
create index on crm.team_members (team_id);

-- The user and the user's colleagues, as an array: a policy that compares with
-- it has it computed once a statement instead of once a row.
create function crm.colleagues() returns uuid[]
language sql stable security definer set search_path = '' as $$
  select array(
    select other.user_id
    from crm.team_members me
    join crm.team_members other using (team_id)
    where me.user_id = auth.uid()
  ) || auth.uid()
$$;
grant execute on function crm.colleagues() to anon, authenticated, service_role;

create function crm.stamp() returns trigger
language plpgsql as $$
begin
  new.updated_at := clock_timestamp();
  return new;
end
$$;

create table public.customers (
  id                uuid primary key default gen_random_uuid(),
  owner_id          uuid not null default auth.uid(),
  code              text unique,
  name              text not null check (name <> ''),
  industry          text,
  phone             text,
  email             text,
  address           text,
  city              text,
  latitude          double precision check (latitude between -90 and 90),
  longitude         double precision check (longitude between -180 and 180),
  credit_limit      numeric(18,2) not null default 0,
  tax_number        bigint,
  founded_on        date,
  is_active         boolean not null default true,
  tags              jsonb not null default '[]',
  notes             text,
  last_contacted_at timestamptz,
  created_at        timestamptz not null default now(),
  updated_at        timestamptz not null default now(),
  deleted_at        timestamptz
);

create table public.pipelines (
  id                uuid primary key default gen_random_uuid(),
  owner_id          uuid not null default auth.uid(),
  customer_id       uuid not null references public.customers,
  title             text not null,
  stage             text not null default 'NEW'
                    check (stage in ('NEW', 'QUALIFIED', 'PROPOSAL', 'NEGOTIATION', 'WON', 'LOST')),
  amount            numeric(18,2) not null default 0,
  currency          text not null default 'IDR',
  probability       integer not null default 0 check (probability between 0 and 100),
  is_renewal        boolean not null default false,
  expected_close_on date,
  closed_at         timestamptz,
  details           jsonb,
  notes             text,
  created_at        timestamptz not null default now(),
  updated_at        timestamptz not null default now(),
  deleted_at        timestamptz
);

create table public.activities (
  id                uuid primary key default gen_random_uuid(),
  owner_id          uuid not null default auth.uid(),
  customer_id       uuid references public.customers,
  pipeline_id       uuid references public.pipelines,
  rescheduled_from  uuid references public.activities,
  kind              text not null
                    check (kind in ('VISIT', 'CALL', 'MEETING', 'EMAIL', 'TASK')),
  status            text not null default 'PLANNED'
                    check (status in ('PLANNED', 'DONE', 'CANCELLED', 'RESCHEDULED')),
  subject           text not null,
  notes             text,
  scheduled_at      timestamptz,
  completed_at      timestamptz,
  latitude          double precision,
  longitude         double precision,
  accuracy_m        double precision,
  distance_m        bigint,
  is_immediate      boolean not null default false,
  photos            jsonb not null default '[]',
  signature         bytea,
  created_at        timestamptz not null default now(),
  updated_at        timestamptz not null default now(),
  deleted_at        timestamptz
);

create table public.settings (
  id                uuid primary key default gen_random_uuid(),
  owner_id          uuid not null default auth.uid(),
  key               text not null,
  value             jsonb,
  created_at        timestamptz not null default now(),
  updated_at        timestamptz not null default now(),
  deleted_at        timestamptz,
  unique (owner_id, key)
);

create index on public.customers (owner_id);
create index on public.pipelines (customer_id);
create index on public.activities (customer_id);
create index on public.activities (pipeline_id);
create index on public.activities (rescheduled_from);

-- What the four have in common.
do $$
declare
  name text;
begin
  foreach name in array array['customers', 'pipelines', 'activities', 'settings'] loop
    execute format('create index on public.%I (updated_at, id)', name);
    execute format('create trigger stamp before insert or update on public.%I '
                   'for each row execute function crm.stamp()', name);
    execute format('alter table public.%I enable row level security', name);
    execute format('create policy own_insert on public.%I for insert to authenticated '
                   'with check (owner_id = (select auth.uid()))', name);
    execute format('create policy own_delete on public.%I for delete to authenticated '
                   'using (owner_id = (select auth.uid()))', name);
  end loop;

  foreach name in array array['customers', 'pipelines', 'activities'] loop
    execute format('create policy team_read on public.%I for select to authenticated '
                   'using (owner_id = any ((select crm.colleagues())::uuid[]))', name);
    execute format('create policy team_update on public.%I for update to authenticated '
                   'using (owner_id = any ((select crm.colleagues())::uuid[])) '
                   'with check (owner_id = any ((select crm.colleagues())::uuid[]))', name);
  end loop;
end
$$;

create policy own_read on public.settings for select to authenticated
  using (owner_id = (select auth.uid()));
create policy own_update on public.settings for update to authenticated
  using (owner_id = (select auth.uid())) with check (owner_id = (select auth.uid()));
