-- min_compatible: 1
-- level: 2

-- All columns are nullable and have no default, so that adding them rewrites no row. Programs of
-- level 1 write none of them.
ALTER TABLE latchkey_key
    ADD COLUMN description text COLLATE "C", -- NULL: none
    ADD COLUMN proof_names text;             -- JSON list: the extensions that the proof covers; NULL: a proof of level 1
ALTER TABLE latchkey_event
    ADD COLUMN tag bigint;                   -- random; NULL: written by level 1
ALTER TABLE latchkey_feed
    ADD COLUMN tag bigint,                   -- the tag of the event with the number tagged
    ADD COLUMN tagged bigint,                -- behind head: level 1 has written since, and the head's tag is not known
    ADD COLUMN level integer;                -- what every program that opens this must know; NULL: 1
ALTER TABLE latchkey_member
    ADD COLUMN level integer,                -- what the program knows; NULL: 1
    ADD COLUMN max_stale bigint,             -- milliseconds for which it may answer from Redis without the database; NULL: 5 minutes
    ADD COLUMN acked bigint;                 -- the newest event that it has handled; NULL: none
