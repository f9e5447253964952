-- Streamed requests, kept so that any gateway can go on with their streams.

CREATE TABLE IF NOT EXISTS grid_request (
    service_id text NOT NULL,
    id uuid NOT NULL,
    request bytea NOT NULL,
    owner text NOT NULL,           -- the gateway that streams it
    epoch integer NOT NULL DEFAULT 0,
    expires timestamptz NOT NULL,
    PRIMARY KEY (service_id, id)
);

CREATE INDEX IF NOT EXISTS grid_request_expires ON grid_request (expires);
