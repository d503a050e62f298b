-- A salesperson's day without a network, written by plain sqlite3. @owner is
-- the user's id. Values follow from a row's number, keys are random.
PRAGMA foreign_keys = ON;
BEGIN;

CREATE TEMP TABLE city (n INTEGER PRIMARY KEY, name, area, latitude, longitude);
INSERT INTO city VALUES
  (0, 'Jakarta', '021', -6.208763, 106.845599), (1, 'Surabaya', '031', -7.257472, 112.752088),
  (2, 'Bandung', '022', -6.917464, 107.619123), (3, 'Medan', '061', 3.595196, 98.672223),
  (4, 'Semarang', '024', -6.966667, 110.416664), (5, 'Makassar', '0411', -5.147665, 119.432731),
  (6, 'Palembang', '0711', -2.976074, 104.775431), (7, 'Denpasar', '0361', -8.670458, 115.212629),
  (8, 'Balikpapan', '0542', -1.237927, 116.852853), (9, 'Manado', '0431', 1.474830, 124.842079),
  (10, 'Yogyakarta', '0274', -7.795580, 110.369490), (11, 'Malang', '0341', -7.966620, 112.632632),
  (12, 'Pontianak', '0561', -0.026330, 109.342504), (13, 'Padang', '0751', -0.947083, 100.417181),
  (14, 'Pekanbaru', '0761', 0.507068, 101.447779), (15, 'Jayapura', '0967', -2.591603, 140.669000);

CREATE TEMP TABLE word (n INTEGER PRIMARY KEY, first, second, third);
INSERT INTO word VALUES
  (0, 'Sinar', 'Jaya', 'Abadi'), (1, 'Mitra', 'Karya', 'Sentosa'), (2, 'Cahaya', 'Makmur', 'Nusantara'),
  (3, 'Bumi', 'Agung', 'Lestari'), (4, 'Surya', 'Mandiri', 'Utama'), (5, 'Graha', 'Sejahtera', 'Perkasa'),
  (6, 'Indo', 'Pratama', 'Persada'), (7, 'Anugerah', 'Bersama', 'Gemilang'), (8, 'Tirta', 'Wijaya', 'Mulia'),
  (9, 'Kencana', 'Buana', 'Raya');

CREATE TEMP TABLE trade (n INTEGER PRIMARY KEY, name, product);
INSERT INTO trade VALUES
  (0, 'Manufacturing', 'Genset 500 kVA'), (1, 'Logistics', 'Forklift rental'), (2, 'Retail', 'Point of sale'),
  (3, 'Agriculture', 'Drip irrigation'), (4, 'Construction', 'Tower crane'), (5, 'Hospitality', 'Laundry line'),
  (6, 'Mining', 'Dewatering pumps'), (7, 'Fisheries', 'Cold storage');

CREATE TEMP VIEW uuid(id) AS
  WITH random_hex(h) AS (SELECT lower(hex(randomblob(16))))
  SELECT substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-4' || substr(h, 14, 3) || '-a' || substr(h, 18, 3) || '-' || substr(h, 21) FROM random_hex;

-- Every third name is a family firm (CV), the others are companies (PT).
CREATE TEMP TABLE plan AS
  WITH RECURSIVE row(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM row WHERE n < 500)
  SELECT row.n, iif(row.n % 3, 'PT ', 'CV ') || a.first || ' ' || b.second || ' ' || c.third AS name,
    lower(a.first || b.second) || row.n AS short, row.n * 7 % 16 AS city, row.n * 5 % 8 AS trade
  FROM row JOIN word a ON a.n = row.n % 10 JOIN word b ON b.n = row.n / 10 % 10 JOIN word c ON c.n = (row.n - 1) / 50;

INSERT INTO customers (id, owner_id, code, name, industry, phone, email, address, city, latitude, longitude,
  credit_limit, tax_number, founded_on, is_active, tags, last_contacted_at)
SELECT (SELECT id FROM uuid WHERE p.n), @owner, printf('C-%04d', p.n), p.name, t.name,
  printf('%s-%07d', c.area, 5000000 + p.n * 7919 % 999983), 'procurement@' || p.short || '.example.co.id',
  printf('Jl. Jenderal Sudirman No. %d', p.n * 3 % 250 + 1), c.name,
  c.latitude + (p.n * 37 % 1000 - 500) / 10000.0, c.longitude + (p.n * 53 % 1000 - 500) / 10000.0,
  -- The first one's limit has more digits than a double can hold.
  iif(p.n = 1, '9007199254740993.07', printf('%d.%02d', p.n * 7919 % 900 * 1000000 + 25000000, p.n % 4 * 25)),
  10000000000000 + p.n * 7919777, date('1978-04-01', p.n * 31 || ' days'), p.n % 25 <> 0,
  json_array(lower(t.name), iif(p.n % 4, 'key-account', 'prospect')),
  strftime('%Y-%m-%dT%H:%M:%SZ', 'now', -(p.n % 60) || ' days')
FROM plan p JOIN city c ON c.n = p.city JOIN trade t ON t.n = p.trade;

-- Every tenth customer has neither a pipeline nor an activity yet.
INSERT INTO pipelines (id, owner_id, customer_id, title, stage, amount, probability, is_renewal, expected_close_on, details)
SELECT (SELECT id FROM uuid WHERE p.n), @owner, c.id, t.product || ', ' || c.city,
  CASE p.n % 4 WHEN 0 THEN 'NEW' WHEN 1 THEN 'QUALIFIED' WHEN 2 THEN 'PROPOSAL' ELSE 'NEGOTIATION' END,
  printf('%d.%02d', p.n * 104729 % 4000 * 250000 + 1500000, p.n % 100), p.n % 4 * 25, p.n % 6 = 0,
  date('now', p.n % 90 + 14 || ' days'), json_object('units', p.n % 12 + 1, 'warranty', p.n % 3 || ' years')
FROM plan p JOIN customers c ON c.code = printf('C-%04d', p.n) JOIN trade t ON t.n = p.trade
WHERE p.n % 5;

INSERT INTO activities (id, owner_id, customer_id, pipeline_id, kind, status, subject, notes, scheduled_at, completed_at,
  latitude, longitude, accuracy_m, distance_m, is_immediate, photos)
SELECT (SELECT id FROM uuid WHERE p.n), @owner, c.id, q.id, iif(visit, 'VISIT', 'CALL'), iif(visit, 'DONE', 'PLANNED'),
  iif(visit, 'Kunjungan ke ', 'Telepon ') || c.name, iif(visit, 'Bertemu bagian pengadaan; minta penawaran.', NULL),
  strftime('%Y-%m-%dT%H:%M:%SZ', 'now', -(p.n % 8) || ' hours'), iif(visit, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), NULL),
  iif(visit, c.latitude + 0.00021, NULL), iif(visit, c.longitude - 0.00013, NULL), iif(visit, 4.5 + p.n % 20 / 4.0, NULL),
  iif(visit, p.n % 120, NULL), visit, iif(visit, json_array(printf('visit-%04d.jpg', p.n)), '[]')
FROM plan p JOIN customers c ON c.code = printf('C-%04d', p.n) LEFT JOIN pipelines q ON q.customer_id = c.id
  JOIN (SELECT 1 AS visit UNION ALL SELECT 0)
WHERE iif(visit, p.n % 2, p.n % 5);

INSERT INTO settings (id, owner_id, key, value)
SELECT (SELECT id FROM uuid WHERE key <> ''), @owner, key, value
FROM (SELECT 'language' AS key, '"id"' AS value UNION ALL SELECT 'map', '{"zoom":14,"style":"street"}'
  UNION ALL SELECT 'gps_interval_s', '30' UNION ALL SELECT 'dark_mode', 'false');

COMMIT;
