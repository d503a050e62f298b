-- More offline work: two columns of one customer, a stage here and there, and
-- rows that go away.
PRAGMA foreign_keys = ON;
BEGIN;
UPDATE customers SET phone = '021-5550123', credit_limit = '9007199254740995.11' WHERE code = 'C-0001';
UPDATE pipelines SET stage = 'WON', probability = 100, closed_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now')
WHERE customer_id IN (SELECT id FROM customers WHERE code BETWEEN 'C-0100' AND 'C-0125');
-- Written and changed before anybody heard of it: one CREATE will be sent.
INSERT INTO settings (id, owner_id, key, value) VALUES ('5e771465-0000-4000-8000-000000000001', @owner, 'theme', '"light"');
UPDATE settings SET value = '"sunset"' WHERE key = 'theme';
-- Calls that will not be made: gone on the server as well.
DELETE FROM activities WHERE kind = 'CALL' AND customer_id IN (SELECT id FROM customers WHERE code BETWEEN 'C-0200' AND 'C-0204');
-- Customers are never removed but marked, here and there.
UPDATE customers SET deleted_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now') WHERE code IN ('C-0010', 'C-0020');
COMMIT;
