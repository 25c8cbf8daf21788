-- Moments and durations are microseconds (UTC, since 1970). Columns noted as JSON hold it as ASCII,
-- so that any text survives, whatever the database thinks of it. Texts that are looked up compare
-- by their bytes: another version of a language's order would leave their indexes wrong.

-- What the issuer keeps. subject, client_id, created_at and absolute_end never change. Most updates
-- touch nothing that is indexed, and find room on the page that they were on.
CREATE TABLE cf_sessions (
    id TEXT COLLATE "C" PRIMARY KEY,
    subject TEXT COLLATE "C" NOT NULL,
    client_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    auth_time BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    absolute_end BIGINT NOT NULL,
    idle BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    handle_digest BYTEA NOT NULL,
    spent_at TEXT NOT NULL, -- JSON
    claims TEXT NOT NULL, -- JSON
    claims_version BIGINT NOT NULL,
    indices TEXT NOT NULL, -- JSON: [[list, index, claims version, until], ...]
    access_until BIGINT,
    device TEXT NOT NULL, -- JSON
    ended_at BIGINT,
    ended_because TEXT
) WITH (fillfactor = 80);

-- Newest first: all, of a client, of a subject.
CREATE INDEX cf_sessions_by_age ON cf_sessions (created_at, id);
CREATE INDEX cf_sessions_of_client ON cf_sessions (client_id, created_at, id);
CREATE INDEX cf_sessions_of_subject ON cf_sessions (subject, created_at, id);

-- For the sweep.
CREATE INDEX cf_sessions_by_end ON cf_sessions (absolute_end);

CREATE TABLE cf_subjects (
    subject TEXT COLLATE "C" PRIMARY KEY,
    version BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    claims_version BIGINT NOT NULL,
    suspended_at BIGINT
) WITH (fillfactor = 80);

CREATE TABLE cf_clients (
    client_id TEXT COLLATE "C" PRIMARY KEY,
    version BIGINT NOT NULL
);

-- The directory; given: how many indices of a list have been given out.
CREATE TABLE cf_lists (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    size BIGINT NOT NULL,
    opens_at BIGINT NOT NULL,
    closes_at BIGINT NOT NULL,
    dropped_at BIGINT NOT NULL,
    given BIGINT NOT NULL
);

CREATE TABLE cf_changes (
    number BIGINT PRIMARY KEY,
    list_id TEXT COLLATE "C" NOT NULL,
    position BIGINT NOT NULL,
    status BIGINT NOT NULL
);

-- One row: the number of the last change, and how often the directory has changed. A sequence would
-- not do, its numbers are neither gap-free nor in the order of commits.
CREATE TABLE cf_feed (
    only_one BIGINT PRIMARY KEY CHECK (only_one = 1),
    epoch TEXT NOT NULL,
    number BIGINT NOT NULL,
    directory BIGINT NOT NULL
) WITH (fillfactor = 10);
INSERT INTO cf_feed (only_one, epoch, number, directory)
    VALUES (1, replace(CAST(gen_random_uuid() AS text), '-', ''), 0, 0);

-- Whoever waits for news is told when there is some: those that move the feed take their turns anyway.
CREATE FUNCTION cf_feed_moved() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_notify(''counterfoil_feed'', TG_TABLE_SCHEMA); RETURN NULL; END';
CREATE TRIGGER cf_feed_moved AFTER UPDATE ON cf_feed
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION cf_feed_moved();

CREATE TABLE cf_events (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    subject TEXT COLLATE "C",
    session_id TEXT COLLATE "C",
    client_id TEXT COLLATE "C",
    detail TEXT NOT NULL -- JSON
);
CREATE INDEX cf_events_of_subject ON cf_events (subject, number);

-- Signing keys and K, sealed under a secret that is not here.
CREATE TABLE cf_keys (
    name TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    sealed BYTEA NOT NULL
);

-- Empty. In SQLite a copy knows by it that it is one.
CREATE TABLE cf_backup (made_at BIGINT NOT NULL);
