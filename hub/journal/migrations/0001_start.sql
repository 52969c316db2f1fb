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
) STRICT, WITHOUT ROWID;

CREATE INDEX jobs_by_project ON jobs (project, id);

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
