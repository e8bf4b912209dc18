-- The first schema: revisions of the inventory, enrolled agents and their tokens, settings the server makes itself.
-- Times are UTC milliseconds since 1970; 0 means "not".
CREATE TABLE revision (
  number     INTEGER PRIMARY KEY,
  applied_at INTEGER NOT NULL,
  by         TEXT NOT NULL,
  why        TEXT NOT NULL
) STRICT;

-- The files as they were, byte for byte.
CREATE TABLE revision_file (
  revision INTEGER NOT NULL REFERENCES revision (number) ON DELETE CASCADE,
  name     TEXT NOT NULL,
  text     TEXT NOT NULL,
  PRIMARY KEY (revision, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent (
  name                    TEXT PRIMARY KEY,
  key_fingerprint         TEXT NOT NULL,
  certificate_fingerprint TEXT NOT NULL,
  serial                  TEXT NOT NULL,
  not_after               INTEGER NOT NULL,
  enrolled_at             INTEGER NOT NULL,
  revoked_at              INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
  hash       TEXT PRIMARY KEY,
  agent      TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE server_setting (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
