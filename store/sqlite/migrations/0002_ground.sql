-- min_compatible: 1
-- level: 2

-- All columns are nullable and have no default, so that adding them rewrites no row. Programs of
-- level 1 write none of them.
ALTER TABLE latchkey_key ADD COLUMN description TEXT;  -- NULL: none
ALTER TABLE latchkey_key ADD COLUMN proof_names TEXT;  -- JSON list: the extensions that the proof covers; NULL: a proof of level 1
ALTER TABLE latchkey_event ADD COLUMN tag INTEGER;     -- random; NULL: written by level 1
ALTER TABLE latchkey_feed ADD COLUMN tag INTEGER;      -- the tag of the event with the number tagged
ALTER TABLE latchkey_feed ADD COLUMN tagged INTEGER;   -- behind head: level 1 has written since, and the head's tag is not known
ALTER TABLE latchkey_feed ADD COLUMN level INTEGER;    -- what every program that opens this must know; NULL: 1
ALTER TABLE latchkey_member ADD COLUMN level INTEGER;     -- what the program knows; NULL: 1
ALTER TABLE latchkey_member ADD COLUMN max_stale INTEGER; -- milliseconds for which it may answer from Redis without the database; NULL: 5 minutes
ALTER TABLE latchkey_member ADD COLUMN acked INTEGER;     -- the newest event that it has handled; NULL: none
