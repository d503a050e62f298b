-- The device's database, as LeadX's app has it: the server's four tables with
-- what SQLite can say of them. A declared type such as DECIMAL TEXT tells leadx
-- what the value is and SQLite to keep it as text, to the last digit.
PRAGMA journal_mode = WAL;

CREATE TABLE customers (
  id                TEXT PRIMARY KEY NOT NULL,
  owner_id          TEXT NOT NULL,
  code              TEXT UNIQUE,
  name              TEXT NOT NULL CHECK (name <> ''),
  industry          TEXT,
  phone             TEXT,
  email             TEXT,
  address           TEXT,
  city              TEXT,
  latitude          REAL,
  longitude         REAL,
  credit_limit      DECIMAL TEXT NOT NULL DEFAULT '0.00',
  tax_number        INTEGER,
  founded_on        DATE TEXT,
  is_active         BOOLEAN NOT NULL DEFAULT 1,
  tags              JSON TEXT NOT NULL DEFAULT '[]',
  notes             TEXT,
  last_contacted_at DATETIME TEXT,
  created_at        DATETIME TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at        DATETIME TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  deleted_at        DATETIME TEXT
);

CREATE TABLE pipelines (
  id                TEXT PRIMARY KEY NOT NULL,
  owner_id          TEXT NOT NULL,
  customer_id       TEXT NOT NULL REFERENCES customers,
  title             TEXT NOT NULL,
  stage             TEXT NOT NULL DEFAULT 'NEW'
                    CHECK (stage IN ('NEW', 'QUALIFIED', 'PROPOSAL', 'NEGOTIATION', 'WON', 'LOST')),
  amount            DECIMAL TEXT NOT NULL DEFAULT '0.00',
  currency          TEXT NOT NULL DEFAULT 'IDR',
  probability       INTEGER NOT NULL DEFAULT 0 CHECK (probability BETWEEN 0 AND 100),
  is_renewal        BOOLEAN NOT NULL DEFAULT 0,
  expected_close_on DATE TEXT,
  closed_at         DATETIME TEXT,
  details           JSON TEXT,
  notes             TEXT,
  created_at        DATETIME TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at        DATETIME TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  deleted_at        DATETIME TEXT
);

CREATE TABLE activities (
  id                TEXT PRIMARY KEY NOT NULL,
  owner_id          TEXT NOT NULL,
  customer_id       TEXT REFERENCES customers,
  pipeline_id       TEXT REFERENCES pipelines,
  rescheduled_from  TEXT REFERENCES activities,
  kind              TEXT NOT NULL CHECK (kind IN ('VISIT', 'CALL', 'MEETING', 'EMAIL', 'TASK')),
  status            TEXT NOT NULL DEFAULT 'PLANNED'
                    CHECK (status IN ('PLANNED', 'DONE', 'CANCELLED', 'RESCHEDULED')),
  subject           TEXT NOT NULL,
  notes             TEXT,
  scheduled_at      DATETIME TEXT,
  completed_at      DATETIME TEXT,
  latitude          REAL,
  longitude         REAL,
  accuracy_m        REAL,
  distance_m        INTEGER,
  is_immediate      BOOLEAN NOT NULL DEFAULT 0,
  photos            JSON TEXT NOT NULL DEFAULT '[]',
  signature         BLOB,
  created_at        DATETIME TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at        DATETIME TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  deleted_at        DATETIME TEXT
);

CREATE TABLE settings (
  id                TEXT PRIMARY KEY NOT NULL,
  owner_id          TEXT NOT NULL,
  key               TEXT NOT NULL,
  value             JSON TEXT,
  created_at        DATETIME TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  updated_at        DATETIME TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  deleted_at        DATETIME TEXT,
  UNIQUE (owner_id, key)
);

CREATE INDEX pipelines_of_customer ON pipelines(customer_id);
CREATE INDEX activities_of_customer ON activities(customer_id);
CREATE INDEX activities_of_pipeline ON activities(pipeline_id);
