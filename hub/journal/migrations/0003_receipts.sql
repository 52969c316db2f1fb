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
