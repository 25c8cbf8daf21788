-- Accounts, what counts failed sign-ins, and the clients registered beside the configured ones.

CREATE TABLE accounts (
    subject     TEXT PRIMARY KEY,
    identifier  TEXT NOT NULL,          -- as it was typed when it was registered
    canonical   TEXT NOT NULL UNIQUE,   -- what makes it one account
    password    TEXT NOT NULL,          -- argon2id, encoded with its parameters
    roles       TEXT NOT NULL,          -- JSON list
    created_at  INTEGER NOT NULL,       -- microseconds, UTC, here and below
    changed_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX accounts_by_age ON accounts (created_at, subject);

CREATE TABLE attempts (
    key       TEXT PRIMARY KEY,         -- an account or an address, digested
    failures  INTEGER NOT NULL,
    last_at   INTEGER NOT NULL
) STRICT;

CREATE INDEX attempts_by_age ON attempts (last_at);

CREATE TABLE registered_clients (
    client_id      TEXT PRIMARY KEY,
    strategy       TEXT NOT NULL,
    carrier        TEXT NOT NULL,
    audience       TEXT NOT NULL,
    algorithm      TEXT NOT NULL,
    typ            TEXT NOT NULL,
    max_staleness  INTEGER NOT NULL,    -- microseconds, here and below
    idle           INTEGER,             -- NULL, here and below: the server's default
    absolute       INTEGER,
    access         INTEGER,
    grace          INTEGER,
    manage         INTEGER NOT NULL,
    created_at     INTEGER NOT NULL
) STRICT;
