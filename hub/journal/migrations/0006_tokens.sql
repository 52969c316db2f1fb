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
