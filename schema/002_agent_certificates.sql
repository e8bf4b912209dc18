-- Agents' certificates renew themselves: when the present one was made, and the next one, until it has logged in once.
ALTER TABLE agent ADD COLUMN issued_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agent ADD COLUMN next_key_fingerprint TEXT NOT NULL DEFAULT '';
ALTER TABLE agent ADD COLUMN next_certificate_fingerprint TEXT NOT NULL DEFAULT '';
ALTER TABLE agent ADD COLUMN next_serial TEXT NOT NULL DEFAULT '';
ALTER TABLE agent ADD COLUMN next_not_after INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agent ADD COLUMN next_issued_at INTEGER NOT NULL DEFAULT 0;
UPDATE agent SET issued_at = enrolled_at;
