-- min_compatible: 1
-- level: 2

-- All columns are nullable and have no default, so that no row is rewritten. Programs of level 1 do
-- not write them.

-- description: NULL if empty. proof_names: a JSON list of the extensions that the proof covers; NULL in
-- a proof of level 1.
ALTER TABLE latchkey_key
    ADD COLUMN description text COLLATE "C",
    ADD COLUMN proof_names text;

-- tag: 64 random bits, NULL if written by level 1. The feed has the tag of the event with the number
-- tagged. If that is less than head, level 1 has written since, and the head's tag is unknown.
ALTER TABLE latchkey_event ADD COLUMN tag bigint;

-- level: the level that a program needs to use this database, and the level of a member; NULL means 1.
ALTER TABLE latchkey_feed
    ADD COLUMN tag bigint,
    ADD COLUMN tagged bigint,
    ADD COLUMN level integer;

-- max_stale: how long a member may answer from Redis without the database, in milliseconds (NULL: 5
-- minutes). acked: the newest event that it has acknowledged (NULL: none).
ALTER TABLE latchkey_member
    ADD COLUMN level integer,
    ADD COLUMN max_stale bigint,
    ADD COLUMN acked bigint;
