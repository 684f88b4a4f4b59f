-- min_compatible: 1

-- Text is compared by its bytes (COLLATE "C"), so that all stores sort in the same order, and an update
-- of the operating system does not break an index.
CREATE TABLE latchkey_key (
    id                 text COLLATE "C" PRIMARY KEY,
    type               text COLLATE "C" NOT NULL,
    title              text COLLATE "C" NOT NULL,
    redacted           text COLLATE "C" NOT NULL,
    token              text COLLATE "C" UNIQUE, -- of publishable keys
    lookup_id          bytea UNIQUE,            -- NULL: an imported Medusa key before its first use
    scopes             text,                    -- JSON; here and below NULL is nil and '[]' is empty
    sales_channel_ids  text,
    metadata           text,
    allowed_cidrs      text,
    rate_requests      bigint NOT NULL,
    rate_window        bigint NOT NULL,         -- nanoseconds
    created_by         text COLLATE "C" NOT NULL,
    created_at         timestamptz,             -- NULL is not set, here and below
    updated_at         timestamptz,
    expires_at         timestamptz,
    revoked            boolean NOT NULL,
    revoked_at         timestamptz,
    revoked_by         text NOT NULL,
    rolled_from        text NOT NULL,
    version            bigint NOT NULL,
    proof              bytea,
    pepper_id          text NOT NULL,
    legacy_salt        text NOT NULL,
    legacy_hash        bytea,
    search             text COLLATE "C" NOT NULL, -- title and redacted form in lower case, written by the program
    last_used_at       timestamptz              -- in no index, so that a use updates the row only
);

CREATE INDEX latchkey_key_legacy ON latchkey_key (redacted) WHERE lookup_id IS NULL;
CREATE INDEX latchkey_key_created_at ON latchkey_key (created_at, id);
CREATE INDEX latchkey_key_revoked_at ON latchkey_key (revoked_at, id);

-- The audit log and the feed that caches follow.
CREATE TABLE latchkey_event (
    id          bigint PRIMARY KEY,
    key_id      text COLLATE "C" NOT NULL,
    lookup_id   bytea,
    kind        text NOT NULL,
    version     bigint NOT NULL,
    actor       text NOT NULL,
    request_id  text NOT NULL,
    occurred_at timestamptz,
    details     text
);

CREATE INDEX latchkey_event_key ON latchkey_event (key_id, id);
CREATE INDEX latchkey_event_lookup ON latchkey_event (lookup_id, id) WHERE lookup_id IS NOT NULL;
CREATE INDEX latchkey_event_occurred_at ON latchkey_event (occurred_at);

-- One row. Every change of keys holds its lock and rewrites it. The free space keeps its versions on
-- one page.
CREATE TABLE latchkey_feed (
    id      integer PRIMARY KEY CHECK (id = 1),
    feed_id text NOT NULL,
    head    bigint NOT NULL,
    keys    bigint NOT NULL -- the number of rows in latchkey_key
) WITH (fillfactor = 10);

INSERT INTO latchkey_feed (id, feed_id, head, keys) VALUES (1, replace(gen_random_uuid()::text, '-', ''), 0, 0);

CREATE TABLE latchkey_member (
    id         text COLLATE "C" PRIMARY KEY,
    redis      boolean NOT NULL,
    lease      bigint NOT NULL, -- nanoseconds
    expires_at timestamptz NOT NULL
);
