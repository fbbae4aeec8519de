-- Enrolment ahead of the first verification: how far it has come, who is at work, and which model serves. These tables
-- stay small, a row a contract or a range in progress, and are not distributed. They hold no NIK: a range is named by
-- the first eight digits, a region and a day of birth.

CREATE TABLE store.enrolment_run (
    contract_id  text        PRIMARY KEY,
    model_set    text        NOT NULL,
    reached      text        NOT NULL DEFAULT '',
    started_at   timestamptz NOT NULL DEFAULT now(),
    finished_at  timestamptz,
    completed_at timestamptz,
    templates    bigint      NOT NULL DEFAULT 0,
    unusable     bigint      NOT NULL DEFAULT 0,
    failed       bigint      NOT NULL DEFAULT 0,
    CONSTRAINT contract_id_is_16_hex_digits
        CHECK (contract_id ~ '^[0-9a-f]{16}$'),
    CONSTRAINT reached_is_8_digits
        CHECK (reached ~ '^([0-9]{8})?$')
);

COMMENT ON TABLE store.enrolment_run IS
    'The walk over the registry that gives everybody a template under one model contract.';
COMMENT ON COLUMN store.enrolment_run.reached IS
    'NIKs that begin with this or less have been given out in ranges; empty before the first.';
COMMENT ON COLUMN store.enrolment_run.started_at IS
    'When this walk began; the one after a finished walk begins anew.';
COMMENT ON COLUMN store.enrolment_run.finished_at IS
    'When this walk came to its end; null while it is under way.';
COMMENT ON COLUMN store.enrolment_run.completed_at IS
    'When a walk last came to its end, this one or an earlier one; null when none has.';
COMMENT ON COLUMN store.enrolment_run.templates IS
    'People of the finished ranges who have an embedding.';
COMMENT ON COLUMN store.enrolment_run.unusable IS
    'People of the finished ranges whose portrait gave none.';
COMMENT ON COLUMN store.enrolment_run.failed IS
    'People of the finished ranges who have neither, because the registry or the engine failed for them.';

CREATE TABLE store.enrolment_range (
    contract_id  text        NOT NULL REFERENCES store.enrolment_run ON DELETE CASCADE,
    first_prefix text        NOT NULL,
    last_prefix  text        NOT NULL,
    leased_by    uuid        NOT NULL,
    lease_until  timestamptz NOT NULL,
    PRIMARY KEY (contract_id, first_prefix),
    CONSTRAINT prefixes_are_8_digits
        CHECK (first_prefix ~ '^[0-9]{8}$' AND last_prefix ~ '^[0-9]{8}$')
);

COMMENT ON TABLE store.enrolment_range IS
    'The ranges that are being worked on; one that is done is deleted.';
COMMENT ON COLUMN store.enrolment_range.leased_by IS
    'The process at work, by a number that it drew when it started.';
COMMENT ON COLUMN store.enrolment_range.lease_until IS
    'Renewed while the process lives; past it, any process may take the range over.';

CREATE TABLE store.active_model (
    only_row     boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    model_set    text        NOT NULL,
    contract_id  text        NOT NULL,
    activated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT contract_id_is_16_hex_digits
        CHECK (contract_id ~ '^[0-9a-f]{16}$')
);

COMMENT ON TABLE store.active_model IS
    'The model set that every service is to use; no row until one was activated, and each uses that of its settings.';

-- Whoever answers requests only looks which model is active.
GRANT SELECT ON store.active_model TO padan_service;
GRANT SELECT, INSERT, UPDATE ON store.active_model TO padan_operator;
GRANT SELECT, INSERT, UPDATE, DELETE ON store.enrolment_run, store.enrolment_range TO padan_operator;
GRANT SELECT ON store.active_model, store.enrolment_run, store.enrolment_range TO padan_auditor;
