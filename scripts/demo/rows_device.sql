-- One line per row of the device, in a form that rows_server.sql writes too:
-- doubles by their eight bytes, times as text where the server made them and
-- to the second where the device did, JSON by its members.
SELECT 'customers', id, owner_id, code, name, industry, phone, email, address, city, nullif(lower(hex(ieee754_to_blob(latitude))), ''),
  nullif(lower(hex(ieee754_to_blob(longitude))), ''), credit_limit, tax_number, founded_on, is_active,
  (SELECT group_concat(value) FROM json_each(tags)), notes, strftime('%Y-%m-%dT%H:%M:%SZ', last_contacted_at),
  strftime('%Y-%m-%dT%H:%M:%SZ', created_at), updated_at,
  strftime('%Y-%m-%dT%H:%M:%SZ', deleted_at)
FROM customers ORDER BY id;
SELECT 'pipelines', id, owner_id, customer_id, title, stage, amount, currency, probability, is_renewal, expected_close_on,
  strftime('%Y-%m-%dT%H:%M:%SZ', closed_at), details ->> 'units', details ->> 'warranty', notes,
  strftime('%Y-%m-%dT%H:%M:%SZ', created_at), updated_at,
  strftime('%Y-%m-%dT%H:%M:%SZ', deleted_at)
FROM pipelines ORDER BY id;
SELECT 'activities', id, owner_id, customer_id, pipeline_id, rescheduled_from, kind, status, subject, notes,
  strftime('%Y-%m-%dT%H:%M:%SZ', scheduled_at), strftime('%Y-%m-%dT%H:%M:%SZ', completed_at),
  nullif(lower(hex(ieee754_to_blob(latitude))), ''), nullif(lower(hex(ieee754_to_blob(longitude))), ''), nullif(lower(hex(ieee754_to_blob(accuracy_m))), ''),
  distance_m, is_immediate, (SELECT group_concat(value) FROM json_each(photos)), nullif(lower(hex(signature)), ''),
  strftime('%Y-%m-%dT%H:%M:%SZ', created_at), updated_at,
  strftime('%Y-%m-%dT%H:%M:%SZ', deleted_at)
FROM activities ORDER BY id;
SELECT 'settings', id, owner_id, key, json(value), strftime('%Y-%m-%dT%H:%M:%SZ', created_at), updated_at,
  strftime('%Y-%m-%dT%H:%M:%SZ', deleted_at)
FROM settings ORDER BY id;
