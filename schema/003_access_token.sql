-- Access tokens: what lets a person or a program in from elsewhere. The secret itself is never kept.
-- Times are UTC milliseconds since 1970; 0 means "not".
CREATE TABLE access_token (
  id         TEXT PRIMARY KEY,
  hash       TEXT NOT NULL,              -- SHA-256 of the secret, hex
  name       TEXT NOT NULL,              -- what it is for, may be empty
  user       TEXT NOT NULL,              -- whom it lets in
  account    INTEGER NOT NULL,           -- 1: as that user of this machine; 0: with the rights below and no others
  creator    TEXT NOT NULL,
  parent     TEXT NOT NULL,              -- the token it was made with, which bounds it; empty if none
  rights     TEXT NOT NULL,              -- "read,write"; empty: all that the user has
  consoles   TEXT NOT NULL,              -- NAMES, one a line; a console has to be in each. Empty: all
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER NOT NULL DEFAULT 0,
  used_at    INTEGER NOT NULL DEFAULT 0,
  used_from  TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
