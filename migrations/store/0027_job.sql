-- Long work that operators start in the management interface: enrolments, and exports of the audit trail. It goes on when
-- the browser is closed, and can be continued after the process that did it was killed.

CREATE TABLE store.job (
    id          uuid        PRIMARY KEY,
    kind        text        NOT NULL,
    operator    text        NOT NULL,
    subject     text        NOT NULL,
    sealed_nik  bytea,
    key_id      text,
    state       text        NOT NULL DEFAULT 'open',
    started_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    process     uuid,
    lease_until timestamptz,
    done        bigint      NOT NULL DEFAULT 0,
    total       bigint,
    bytes       bigint      NOT NULL DEFAULT 0,
    parts       integer     NOT NULL DEFAULT 0,
    reached     text,
    error       text,
    kept_until  timestamptz,
    CONSTRAINT kind_is_known CHECK (kind IN ('enrolment', 'audit_export')),
    CONSTRAINT state_is_known CHECK (state IN ('open', 'paused', 'done', 'failed', 'stopped')),
    CONSTRAINT end_is_known CHECK ((state IN ('open', 'paused')) = (ended_at IS NULL)),
    CONSTRAINT nik_is_sealed CHECK (num_nonnulls(sealed_nik, key_id) IN (0, 2))
);
CREATE UNIQUE INDEX job_one_enrolment ON store.job (kind) WHERE kind = 'enrolment' AND ended_at IS NULL;
CREATE INDEX job_kind ON store.job (kind, started_at);

COMMENT ON TABLE store.job IS
    'Enrolments and exports that operators started: who, what, since when, how far, and how they ended. One enrolment is open at a time.';
COMMENT ON COLUMN store.job.subject IS
    'What it is about, as JSON: the model set, or the criteria of the exported rows. It names no person.';
COMMENT ON COLUMN store.job.sealed_nik IS
    'Of an export about one person that is not finished: the NIK, encrypted under a key derived from the audit key key_id.';
COMMENT ON COLUMN store.job.lease_until IS
    'The process at work renews it. An open job whose lease has expired is interrupted, and any process may continue it.';
COMMENT ON COLUMN store.job.reached IS
    'The place in the audit trail of the last exported row.';
COMMENT ON COLUMN store.job.kept_until IS
    'When the parts of a finished export are removed.';

CREATE TABLE store.export_part (
    job    uuid    NOT NULL REFERENCES store.job ON DELETE CASCADE,
    number integer NOT NULL,
    key_id text    NOT NULL,
    sealed bytea   NOT NULL,
    PRIMARY KEY (job, number)
);

COMMENT ON TABLE store.export_part IS
    'Exported rows: nonce and ciphertext of AES-256-GCM under a key derived from the audit key key_id, bound to job and number.';

CREATE TABLE store.enrolment_worker (
    process uuid        PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE store.enrolment_worker IS
    'Processes that wait for enrolments to be started in the management interface, and when they last looked.';

-- The service that answers clients, and auditors, get no right to these tables.
GRANT SELECT, INSERT, UPDATE, DELETE ON store.job, store.export_part, store.enrolment_worker TO padan_operator;
