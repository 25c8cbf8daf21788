-- Accounts, what counts failed sign-ins, and the clients registered beside the configured ones.

CREATE TABLE accounts (
    subject     TEXT PRIMARY KEY,
    identifier  TEXT NOT NULL,          -- as it was typed when it was registered
    canonical   TEXT NOT NULL UNIQUE,   -- what makes it one account
    password    TEXT NOT NULL,          -- argon2id, encoded with its parameters
    roles       TEXT NOT NULL,          -- JSON list
    created_at  BIGINT NOT NULL, -- microseconds, UTC, here and below
    changed_at  BIGINT NOT NULL
);

CREATE INDEX accounts_by_age ON accounts (created_at, subject);

CREATE TABLE attempts (
    key       TEXT PRIMARY KEY,         -- an account or an address, digested
    failures  BIGINT NOT NULL,
    last_at   BIGINT NOT NULL
);

CREATE INDEX attempts_by_age ON attempts (last_at);

CREATE TABLE registered_clients (
    client_id      TEXT PRIMARY KEY,
    strategy       TEXT NOT NULL,
    carrier        TEXT NOT NULL,
    audience       TEXT NOT NULL,
    algorithm      TEXT NOT NULL,
    typ            TEXT NOT NULL,
    max_staleness  BIGINT NOT NULL, -- microseconds, here and below
    idle           BIGINT, -- NULL, here and below: the server's default
    absolute       BIGINT,
    access         BIGINT,
    grace          BIGINT,
    manage         BIGINT NOT NULL,
    created_at     BIGINT NOT NULL
);
