-- Who follows the feed, as the processes of this server saw it last. It is there to be looked at:
-- no promise rests on it, and losing it in a crash loses nothing.

CREATE TABLE verifiers (
    client_id        TEXT NOT NULL,     -- as which it authenticates
    process          TEXT NOT NULL,     -- as it calls itself
    epoch            TEXT,              -- with number, the position that it has presented; or NULL
    number           BIGINT,
    seen_at          BIGINT NOT NULL, -- microseconds, UTC, here and below
    connected_since  BIGINT NOT NULL,
    waits            BIGINT NOT NULL, -- whether a poll of it was under way
    PRIMARY KEY (client_id, process)
);

CREATE INDEX verifiers_by_seen ON verifiers (seen_at);

CREATE TABLE anonymous_verifiers (
    node     TEXT PRIMARY KEY,          -- a process of this server
    count    BIGINT NOT NULL,
    seen_at  BIGINT NOT NULL
);

-- Who looks on while a revocation spreads: until then what is seen is written at once.
CREATE TABLE verifier_watches (
    watch  TEXT PRIMARY KEY,
    until  BIGINT NOT NULL
);
