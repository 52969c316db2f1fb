-- The whole schema, as the sum of migrations/ makes it (a test holds the two together). Times are Unix seconds, those of
-- sessions milliseconds. Numbers grow for ever: one that was used again would pass for a commit that was seen (`correlated`),
-- a repository that a scan still writes to, or a link that a client knows.

-- One for each git folder, however many projects, worktrees and subfolders lead to it. `folder` is the common git folder;
-- `shallow` the commits at which its history is cut; `scanning` is 1 from the start of a scan to its end, so what a killed
-- one left is known; commits up to the number `correlated` were held against all sessions that are not stale.
CREATE TABLE repositories (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  folder     TEXT NOT NULL UNIQUE,
  shallow    TEXT NOT NULL DEFAULT '',
  scanning   INTEGER NOT NULL DEFAULT 0,
  correlated INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Where a path of a session means which repository: working trees, git folders and projects.
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

-- Projects that were deleted: a sync that began before does not bring them back.
CREATE TABLE forgotten (
  project TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- The branches' commits at the end of the last scan.
CREATE TABLE heads (
  repository INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
  id         BLOB NOT NULL,
  PRIMARY KEY (repository, id)
) STRICT, WITHOUT ROWID;

-- `files` holds the first of `files_total`, see hub/commits/records.py; `gone`: no branch leads to it any more.
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

-- `told`: how often it was told or moved; `settled`: as which of these it was last held against all commits of its
-- repository, after which only new commits matter. It is stale where the two differ.
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

-- Session logs as they were when last read.
CREATE TABLE session_files (
  path    TEXT PRIMARY KEY,
  size    INTEGER NOT NULL,
  changed INTEGER NOT NULL,
  broken  INTEGER NOT NULL,
  session TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX session_files_by_session ON session_files (session);

-- `rank`: within a tier, less is better.
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

-- Kept for each pair; a commit that has a link, or a nearer session, is left out in reading.
CREATE TABLE near_misses (
  session  TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  "commit" INTEGER NOT NULL REFERENCES commits (number) ON DELETE CASCADE,
  off      INTEGER NOT NULL,
  why      TEXT NOT NULL,
  PRIMARY KEY (session, "commit")
) STRICT, WITHOUT ROWID;

CREATE INDEX near_misses_by_commit ON near_misses ("commit", off, session);
