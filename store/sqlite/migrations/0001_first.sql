-- min_compatible: 1

CREATE TABLE latchkey_key (
    id                 TEXT NOT NULL UNIQUE,
    type               TEXT NOT NULL,
    title              TEXT NOT NULL,
    redacted           TEXT NOT NULL,
    token              TEXT UNIQUE,    -- of publishable keys
    lookup_id          BLOB UNIQUE,    -- NULL: an imported Medusa key before its first use
    scopes             TEXT,           -- JSON; here and below NULL is nil and '[]' is empty
    sales_channel_ids  TEXT,
    metadata           TEXT,
    allowed_cidrs      TEXT,
    rate_requests      INTEGER NOT NULL,
    rate_window        INTEGER NOT NULL, -- nanoseconds
    created_by         TEXT NOT NULL,
    created_at         INTEGER,        -- times are Unix milliseconds; NULL is not set
    updated_at         INTEGER,
    expires_at         INTEGER,
    revoked            INTEGER NOT NULL,
    revoked_at         INTEGER,
    revoked_by         TEXT NOT NULL,
    rolled_from        TEXT NOT NULL,
    version            INTEGER NOT NULL,
    proof              BLOB,
    pepper_id          TEXT NOT NULL,
    legacy_salt        TEXT NOT NULL,
    legacy_hash        BLOB,
    search             TEXT NOT NULL,  -- title and redacted form in lower case, written by the program
    last_used_at       INTEGER
) STRICT;

CREATE INDEX latchkey_key_legacy ON latchkey_key (redacted) WHERE lookup_id IS NULL;
CREATE INDEX latchkey_key_created_at ON latchkey_key (created_at, id);
CREATE INDEX latchkey_key_revoked_at ON latchkey_key (revoked_at, id);

-- The audit log and the feed that caches follow.
CREATE TABLE latchkey_event (
    id          INTEGER PRIMARY KEY,
    key_id      TEXT NOT NULL,
    lookup_id   BLOB,
    kind        TEXT NOT NULL,
    version     INTEGER NOT NULL,
    actor       TEXT NOT NULL,
    request_id  TEXT NOT NULL,
    occurred_at INTEGER,
    details     TEXT
) STRICT;

CREATE INDEX latchkey_event_key ON latchkey_event (key_id, id);
CREATE INDEX latchkey_event_lookup ON latchkey_event (lookup_id, id) WHERE lookup_id IS NOT NULL;
CREATE INDEX latchkey_event_occurred_at ON latchkey_event (occurred_at);

-- One row. Every change of keys holds its lock.
CREATE TABLE latchkey_feed (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    feed_id TEXT NOT NULL,
    head    INTEGER NOT NULL,
    keys    INTEGER NOT NULL -- the number of rows in latchkey_key
) STRICT;

INSERT INTO latchkey_feed (id, feed_id, head, keys) VALUES (1, lower(hex(randomblob(16))), 0, 0);

CREATE TABLE latchkey_member (
    id         TEXT NOT NULL PRIMARY KEY,
    redis      INTEGER NOT NULL,
    lease      INTEGER NOT NULL, -- nanoseconds
    expires_at INTEGER NOT NULL
) STRICT;
