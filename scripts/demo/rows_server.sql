-- The server's rows in the form of rows_device.sql.
set timezone = 'UTC';
create function pg_temp.second(at timestamptz) returns text language sql as
  $$ select to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') $$;
create function pg_temp.version(at timestamptz) returns text language sql as
  $$ select to_json(at) #>> '{}' $$;
create function pg_temp.bytes(n double precision) returns text language sql as
  $$ select encode(float8send(n), 'hex') $$;
create function pg_temp.members(list jsonb) returns text language sql as
  $$ select string_agg(value, ',' order by n) from jsonb_array_elements_text(list) with ordinality as each (value, n) $$;

select 'customers', id, owner_id, code, name, industry, phone, email, address, city, pg_temp.bytes(latitude),
  pg_temp.bytes(longitude), credit_limit, tax_number, founded_on, is_active::int,
  pg_temp.members(tags), notes, pg_temp.second(last_contacted_at), pg_temp.second(created_at), pg_temp.version(updated_at),
  pg_temp.second(deleted_at)
from customers order by id;
select 'pipelines', id, owner_id, customer_id, title, stage, amount, currency, probability, is_renewal::int, expected_close_on,
  pg_temp.second(closed_at), details ->> 'units', details ->> 'warranty', notes,
  pg_temp.second(created_at), pg_temp.version(updated_at),
  pg_temp.second(deleted_at)
from pipelines order by id;
select 'activities', id, owner_id, customer_id, pipeline_id, rescheduled_from, kind, status, subject, notes,
  pg_temp.second(scheduled_at), pg_temp.second(completed_at), pg_temp.bytes(latitude), pg_temp.bytes(longitude), pg_temp.bytes(accuracy_m),
  distance_m, is_immediate::int, pg_temp.members(photos), encode(signature, 'hex'),
  pg_temp.second(created_at), pg_temp.version(updated_at),
  pg_temp.second(deleted_at)
from activities order by id;
select 'settings', id, owner_id, key, replace(replace(value::text, ': ', ':'), ', ', ','),
  pg_temp.second(created_at), pg_temp.version(updated_at),
  pg_temp.second(deleted_at)
from settings order by id;
