-- min_compatible: 1
-- level: 2

-- All columns are nullable and have no default, so that adding them rewrites no row. Programs of
-- level 1 write none of them.

-- No description is NULL. proof_names is a JSON list: the extensions that the proof covers; a proof of
-- level 1 has NULL.
ALTER TABLE latchkey_key ADD COLUMN description TEXT;
ALTER TABLE latchkey_key ADD COLUMN proof_names TEXT;

-- 64 random bits; NULL: written by level 1. The feed has those of the event with the number tagged;
-- when that is behind head, level 1 has written since, and the head's tag is not known.
ALTER TABLE latchkey_event ADD COLUMN tag INTEGER;
ALTER TABLE latchkey_feed ADD COLUMN tag INTEGER;
ALTER TABLE latchkey_feed ADD COLUMN tagged INTEGER;

-- What every program that opens this database must know, and what a member's program knows; NULL is 1.
ALTER TABLE latchkey_feed ADD COLUMN level INTEGER;
ALTER TABLE latchkey_member ADD COLUMN level INTEGER;

-- For how many milliseconds a member may answer from Redis without the database (NULL: 5 minutes),
-- and the newest event that it has handled (NULL: none).
ALTER TABLE latchkey_member ADD COLUMN max_stale INTEGER;
ALTER TABLE latchkey_member ADD COLUMN acked INTEGER;
