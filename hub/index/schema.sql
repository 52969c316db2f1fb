CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- Every path of the tree. `doc` is NULL where the path itself says why the file is left out.
CREATE TABLE files (path BLOB PRIMARY KEY, doc INTEGER, reason TEXT, detail TEXT) WITHOUT ROWID;
CREATE INDEX files_by_doc ON files (doc);

-- A blob, in the language that its path hints at. state: 0 waits, 1 is indexed, 2 is left out. Ids are never used again.
CREATE TABLE docs (
    id INTEGER PRIMARY KEY, oid BLOB NOT NULL, hint TEXT NOT NULL, lang TEXT, encoding TEXT, bytes INTEGER,
    state INTEGER NOT NULL DEFAULT 0, reason TEXT, detail TEXT
);
CREATE UNIQUE INDEX docs_by_oid ON docs (oid, hint);

-- Posting lists of the documents from `low` to `high`; see postings.py. A bucket's id is segment * 256 + bucket.
CREATE TABLE segments (id INTEGER PRIMARY KEY, low INTEGER NOT NULL, high INTEGER NOT NULL, docs INTEGER NOT NULL);
CREATE TABLE postings (id INTEGER PRIMARY KEY, data BLOB NOT NULL);

CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
-- `place` counts the symbols of a document; `parent` is a name, too, or 0.
CREATE TABLE symbols (
    doc INTEGER, place INTEGER, name INTEGER, kind INTEGER, line INTEGER, end_line INTEGER, parent INTEGER,
    PRIMARY KEY (doc, place)
) WITHOUT ROWID;
CREATE INDEX symbols_by_name ON symbols (name);
