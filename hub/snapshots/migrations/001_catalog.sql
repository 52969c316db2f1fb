CREATE TABLE packs (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  size INTEGER NOT NULL,
  stored INTEGER NOT NULL  -- 1: it is in the store, and was read back or is named by a snapshot
);
-- Segments and roots of manifests, of which the same is so.
CREATE TABLE trees (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE chunks (
  sha BLOB PRIMARY KEY,
  pack INTEGER NOT NULL,
  frame_at INTEGER NOT NULL,
  frame_len INTEGER NOT NULL,
  at INTEGER NOT NULL,
  length INTEGER NOT NULL
) WITHOUT ROWID;
-- What was last read at a path; trusted as long as the file's status is the same.
CREATE TABLE files (
  path BLOB PRIMARY KEY,
  size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  inode INTEGER NOT NULL,
  ctime_ns INTEGER NOT NULL,
  racy INTEGER NOT NULL,
  sha BLOB,
  extents BLOB
) WITHOUT ROWID;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID
