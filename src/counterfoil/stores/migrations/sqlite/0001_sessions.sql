-- Moments and durations are microseconds (UTC, since 1970). Columns noted as JSON hold it as ASCII,
-- so that any text survives, whatever the database thinks of it.

-- What the issuer keeps. subject, client_id, created_at and absolute_end never change.
CREATE TABLE cf_sessions (
    id TEXT NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL,
    client_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    auth_time INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    absolute_end INTEGER NOT NULL,
    idle INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    handle_digest BLOB NOT NULL,
    spent_at TEXT NOT NULL, -- JSON
    claims TEXT NOT NULL, -- JSON
    claims_version INTEGER NOT NULL,
    indices TEXT NOT NULL, -- JSON: [[list, index, claims version, until], ...]
    access_until INTEGER,
    device TEXT NOT NULL, -- JSON
    ended_at INTEGER,
    ended_because TEXT
) STRICT;

-- Newest first: all, of a client, of a subject. ended_at is there to skip ended ones unseen.
CREATE INDEX cf_sessions_by_age ON cf_sessions (created_at, id, ended_at);
CREATE INDEX cf_sessions_of_client ON cf_sessions (client_id, created_at, id, ended_at);
CREATE INDEX cf_sessions_of_subject ON cf_sessions (subject, created_at, id, ended_at);

-- For the sweep.
CREATE INDEX cf_sessions_by_end ON cf_sessions (absolute_end);

CREATE TABLE cf_subjects (
    subject TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    claims_version INTEGER NOT NULL,
    suspended_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE cf_clients (
    client_id TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The directory; given: how many indices of a list have been given out.
CREATE TABLE cf_lists (
    number INTEGER NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    opens_at INTEGER NOT NULL,
    closes_at INTEGER NOT NULL,
    dropped_at INTEGER NOT NULL,
    given INTEGER NOT NULL
) STRICT;

CREATE TABLE cf_changes (
    number INTEGER NOT NULL PRIMARY KEY,
    list_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    status INTEGER NOT NULL
) STRICT;

-- One row: the number of the last change, and how often the directory has changed. A database
-- sequence would not do, its numbers are neither gap-free nor in the order of commits.
CREATE TABLE cf_feed (
    only INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    epoch TEXT NOT NULL,
    number INTEGER NOT NULL,
    directory INTEGER NOT NULL
) STRICT;
INSERT INTO cf_feed (only, epoch, number, directory) VALUES (1, lower(hex(randomblob(12))), 0, 0);

CREATE TABLE cf_events (
    number INTEGER NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    subject TEXT,
    session_id TEXT,
    client_id TEXT,
    detail TEXT NOT NULL -- JSON
) STRICT;
CREATE INDEX cf_events_of_subject ON cf_events (subject, number);
