CREATE INDEX jobs_by_kind ON jobs (project, kind, id);

CREATE TABLE schedules (
  id      TEXT PRIMARY KEY,
  project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  row     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE webhooks (
  id  TEXT PRIMARY KEY,
  row TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The outbox. A delivery is made in the very transaction that makes the end durable of which it tells.
CREATE TABLE deliveries (
  number   INTEGER PRIMARY KEY,
  id       TEXT NOT NULL UNIQUE,
  webhook  TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
  state    TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  next_at  INTEGER,
  row      TEXT NOT NULL,
  payload  TEXT NOT NULL
) STRICT;

CREATE INDEX deliveries_by_webhook ON deliveries (webhook, state, attempts, number, next_at);
