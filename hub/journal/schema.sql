-- The whole schema, as the sum of migrations/ makes it (a test holds the two together).

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Numbers outlive their project, so that one created again under the same id reuses none.
CREATE TABLE numbers (
  project  TEXT PRIMARY KEY,
  reserved INTEGER NOT NULL,
  floor    INTEGER NOT NULL DEFAULT 0,
  saved    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Numbers that a process told progress with and took along when it was killed: after `after`, up to `upto`. `jobs` are
-- the rows that a snapshot held as the next process began: what a watcher who knows more is to go back to.
CREATE TABLE lost (
  project TEXT NOT NULL REFERENCES numbers (project),
  after   INTEGER NOT NULL,
  upto    INTEGER NOT NULL,
  jobs    TEXT NOT NULL,
  PRIMARY KEY (project, after)
) STRICT, WITHOUT ROWID;

CREATE TABLE projects (
  id      TEXT PRIMARY KEY,
  name    TEXT NOT NULL,
  url     TEXT UNIQUE,
  path    TEXT UNIQUE,
  created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
  id      TEXT PRIMARY KEY,
  project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  kind    TEXT NOT NULL,
  state   TEXT NOT NULL,
  row     TEXT NOT NULL
, created INTEGER NOT NULL DEFAULT 0, seq INTEGER NOT NULL DEFAULT 0, ended INTEGER) STRICT, WITHOUT ROWID;

CREATE INDEX jobs_by_time ON jobs (created, id);
CREATE INDEX jobs_by_project ON jobs (project, created, id);
CREATE INDEX jobs_by_kind ON jobs (project, kind, created, id);

-- A job that has not ended is written several times a second, and costs nothing here.
CREATE INDEX jobs_by_end ON jobs (project, seq, id, ended) WHERE ended IS NOT NULL;
CREATE INDEX jobs_by_ended ON jobs (project, kind, ended) WHERE ended IS NOT NULL;

CREATE TABLE events (
  project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
  seq     INTEGER NOT NULL,
  at      INTEGER NOT NULL,
  job     TEXT NOT NULL,
  type    TEXT NOT NULL,
  wire    TEXT NOT NULL,
  PRIMARY KEY (project, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX events_by_job ON events (job, seq);

CREATE TABLE idempotency (
  key         TEXT PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  job         TEXT NOT NULL,
  at          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

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

-- What was published from outside under a key, as long as the event that came of it is kept.
CREATE TABLE receipts (
  job         TEXT NOT NULL,
  key         TEXT NOT NULL,
  project     TEXT NOT NULL,
  seq         INTEGER NOT NULL,
  fingerprint TEXT NOT NULL,
  PRIMARY KEY (job, key),
  FOREIGN KEY (project, seq) REFERENCES events (project, seq) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX receipts_by_event ON receipts (project, seq);

-- Who may ask. Of a secret there is only its SHA-256. What was revoked stays, so that a hub whose last token was
-- revoked does not take itself for one that never had any.
CREATE TABLE tokens (
  id      TEXT PRIMARY KEY,
  digest  TEXT NOT NULL,
  row     TEXT NOT NULL,
  used    INTEGER,
  revoked INTEGER
) STRICT, WITHOUT ROWID;

-- Browsers that have signed in, by the SHA-256 of their cookie. They go with their token.
CREATE TABLE sign_ins (
  digest  TEXT PRIMARY KEY,
  token   TEXT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sign_ins_by_token ON sign_ins (token, created);
