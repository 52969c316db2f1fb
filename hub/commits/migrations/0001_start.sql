CREATE TABLE repositories (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  folder     TEXT NOT NULL UNIQUE,
  shallow    TEXT NOT NULL DEFAULT '',
  scanning   INTEGER NOT NULL DEFAULT 0,
  correlated INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE folders (
  path       TEXT NOT NULL,
  repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  PRIMARY KEY (path, repository)
) STRICT, WITHOUT ROWID;

CREATE INDEX folders_by_repository ON folders (repository);

CREATE TABLE projects (
  project    TEXT PRIMARY KEY,
  repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  synced     INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX projects_by_repository ON projects (repository);

CREATE TABLE forgotten (
  project TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE heads (
  repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  id         BLOB NOT NULL,
  PRIMARY KEY (repository, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE commits (
  number       INTEGER PRIMARY KEY AUTOINCREMENT,
  repository   INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  id           BLOB NOT NULL,
  parents      INTEGER NOT NULL,
  author_name  TEXT NOT NULL,
  author_email TEXT NOT NULL,
  authored     INTEGER NOT NULL,
  committed    INTEGER NOT NULL,
  subject      TEXT NOT NULL,
  files_total  INTEGER,
  files        TEXT NOT NULL,
  gone         INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE UNIQUE INDEX commits_by_id ON commits (repository, id);
CREATE INDEX commits_by_time ON commits (repository, gone, authored);

CREATE TABLE sessions (
  id         TEXT PRIMARY KEY,
  project    TEXT,
  path       TEXT,
  author     TEXT,
  start      INTEGER NOT NULL,
  "end"      INTEGER NOT NULL,
  repository INTEGER REFERENCES repositories (id) ON DELETE SET NULL,
  told       INTEGER NOT NULL DEFAULT 1,
  settled    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_repository ON sessions (repository, start, id);
CREATE INDEX sessions_by_start ON sessions (start);

CREATE TABLE session_events (
  session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  type    TEXT NOT NULL,
  at      INTEGER NOT NULL,
  PRIMARY KEY (session, type, at)
) STRICT, WITHOUT ROWID;

CREATE TABLE session_files (
  path    TEXT PRIMARY KEY,
  size    INTEGER NOT NULL,
  changed INTEGER NOT NULL,
  broken  INTEGER NOT NULL,
  session TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX session_files_by_session ON session_files (session);

CREATE TABLE links (
  number   INTEGER PRIMARY KEY AUTOINCREMENT,
  session  TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  "commit" INTEGER NOT NULL REFERENCES commits (number) ON DELETE CASCADE,
  tier     INTEGER NOT NULL CHECK (tier IN (1, 2)),
  rank     INTEGER NOT NULL,
  first    INTEGER NOT NULL,
  last     INTEGER NOT NULL,
  margin   INTEGER NOT NULL,
  action   INTEGER
) STRICT;

CREATE UNIQUE INDEX links_by_session ON links (session, "commit");
CREATE INDEX links_by_commit ON links ("commit");

CREATE TABLE near_misses (
  session  TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  "commit" INTEGER NOT NULL REFERENCES commits (number) ON DELETE CASCADE,
  off      INTEGER NOT NULL,
  why      TEXT NOT NULL,
  PRIMARY KEY (session, "commit")
) STRICT, WITHOUT ROWID;

CREATE INDEX near_misses_by_commit ON near_misses ("commit", off, session);
