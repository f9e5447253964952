-- Answers that gateways remember (--answer-cache postgres).

CREATE TABLE IF NOT EXISTS grid_answer (
    service_id text NOT NULL,
    key text NOT NULL,             -- what was asked
    answer bytea NOT NULL,
    bytes bigint NOT NULL,
    expires timestamptz NOT NULL,
    PRIMARY KEY (service_id, key)
);

CREATE INDEX IF NOT EXISTS grid_answer_expires ON grid_answer (service_id, expires);
