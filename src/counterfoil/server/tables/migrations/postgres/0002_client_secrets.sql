-- What the programs of a client prove themselves with at /oauth/*.

CREATE TABLE client_secrets (
    digest      BYTEA PRIMARY KEY, -- SHA-256; the secret itself is kept nowhere
    client_id   TEXT NOT NULL,
    created_at  BIGINT NOT NULL -- microseconds, UTC
);

CREATE INDEX client_secrets_by_client ON client_secrets (client_id, created_at);
