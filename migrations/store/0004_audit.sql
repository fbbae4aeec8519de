-- The audit trail: a row for every authenticated request, written before its answer leaves. Nobody who serves may change
-- or delete one; each row carries an HMAC over itself and its predecessor's, so that whoever does it shows.

-- Where a chain begins: a process that starts to write, or goes on after a failure.
CREATE TABLE store.audit_chain (
    writer            uuid        NOT NULL PRIMARY KEY,
    started_at        timestamptz NOT NULL,
    previous_writer   uuid,
    previous_sequence bigint,
    previous_mac      bytea,
    seen              text        NOT NULL,
    unrecorded        bigint      NOT NULL,
    person_key_id     text        NOT NULL,
    key_id            text        NOT NULL,
    mac               bytea       NOT NULL,
    CONSTRAINT previous_is_whole
        CHECK (num_nonnulls(previous_writer, previous_sequence, previous_mac) IN (0, 3)),
    CONSTRAINT key_id_is_8_hex_digits CHECK (key_id ~ '^[0-9a-f]{8}$'),
    CONSTRAINT mac_is_a_sha256 CHECK (octet_length(mac) = 32)
);

CREATE TABLE store.audit_event (
    at             timestamptz      NOT NULL,
    writer         uuid             NOT NULL,
    sequence       bigint           NOT NULL,
    kind           text             NOT NULL,
    request_id     text,
    client         text,
    endpoint       text,
    reason         text             NOT NULL,
    person_key     bytea,
    person_key_id  text,
    person_salt    bytea,
    person_seal    bytea,
    nik_plausible  boolean,
    fields         text             NOT NULL,
    percentage     double precision,
    contract_id    text,
    calibration_id text,
    milliseconds   double precision NOT NULL,
    forget_key_id  text,
    forget_mac     bytea,
    key_id         text             NOT NULL,
    mac            bytea            NOT NULL,
    PRIMARY KEY (at, writer, sequence),
    CONSTRAINT sequence_begins_at_1 CHECK (sequence > 0),
    CONSTRAINT kind_is_known CHECK (kind IN ('request', 'forget')),
    CONSTRAINT key_id_is_8_hex_digits CHECK (key_id ~ '^[0-9a-f]{8}$'),
    CONSTRAINT mac_is_a_sha256 CHECK (octet_length(mac) = 32),
    CONSTRAINT person_key_is_a_sha256 CHECK (octet_length(person_key) = 32),
    -- Forgetting a person takes key and salt away; the seal stays, since the chain is over it.
    CONSTRAINT person_is_whole
        CHECK (num_nonnulls(person_key, person_salt) IN (0, 2)
           AND (person_key IS NULL OR num_nonnulls(person_seal, person_key_id) = 2)),
    CONSTRAINT forgetting_is_whole
        CHECK (num_nonnulls(forget_key_id, forget_mac) IN (0, 2)
           AND num_nonnulls(forget_mac, person_key) < 2)
) PARTITION BY RANGE (at);

-- Who asked about a person.
CREATE INDEX audit_event_of_person ON store.audit_event (person_key, at);
-- How often a face failed for a person lately: few rows, however often somebody asks.
CREATE INDEX audit_event_of_failed_face ON store.audit_event (person_key, client, at)
    WHERE percentage < 75 AND contract_id IS NOT NULL;

-- The last row of a chain, for a new chain to vouch for.
CREATE INDEX audit_event_of_chain ON store.audit_event (writer, sequence);

-- Chains that have ended and whose last rows a later chain vouches for: the next one need not look at them again.
CREATE TABLE store.audit_end (
    writer   uuid   NOT NULL PRIMARY KEY,
    sequence bigint NOT NULL
);

-- The last row of a chain as of a moment. The same is written to the service's log, where it is out of the reach of
-- whoever can change this database.
CREATE TABLE store.audit_head (
    writer   uuid        NOT NULL,
    sequence bigint      NOT NULL,
    mac      bytea       NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (writer, sequence)
);

-- What stands in for the rows of a chain that were pruned.
CREATE TABLE store.audit_anchor (
    writer    uuid        NOT NULL,
    sequence  bigint      NOT NULL,
    mac       bytea       NOT NULL,
    pruned_at timestamptz NOT NULL,
    key_id    text        NOT NULL,
    signature bytea       NOT NULL,
    PRIMARY KEY (writer, sequence)
);

-- How many calls were made in months that were pruned.
CREATE TABLE store.usage_day (
    client   text   NOT NULL,
    day      date   NOT NULL,
    endpoint text   NOT NULL,
    reason   text   NOT NULL,
    calls    bigint NOT NULL,
    PRIMARY KEY (client, day, endpoint, reason)
);

COMMENT ON TABLE store.usage_day IS
    'Calls by client, day in Asia/Jakarta, endpoint and reason code, of months that are no longer in audit_event.';
COMMENT ON TABLE store.audit_chain IS
    'The beginning of a chain of audit rows. Its mac is what the first row''s is chained to.';
COMMENT ON COLUMN store.audit_chain.previous_writer IS
    'The chain that the same process wrote before, with the last row that it knows to be durable.';
COMMENT ON COLUMN store.audit_chain.seen IS
    'Heads of other chains as this process found them: writer, sequence and mac of each, one a line.';
COMMENT ON COLUMN store.audit_chain.unrecorded IS
    'Requests since the previous chain that were answered 503 because their rows could not be written.';
COMMENT ON COLUMN store.audit_chain.person_key_id IS
    'The version of the key under which the chain names persons.';
COMMENT ON TABLE store.audit_end IS
    'Chains that nobody goes on with, and their last rows, for which a later chain vouches.';
COMMENT ON TABLE store.audit_event IS
    'One row for every authenticated request to a verification endpoint, and one for every person forgotten.';
COMMENT ON COLUMN store.audit_event.at IS
    'When the request was decided. Never goes back within a chain.';
COMMENT ON COLUMN store.audit_event.kind IS
    'request, or forget: an operator had a person forgotten.';
COMMENT ON COLUMN store.audit_event.person_key IS
    'HMAC-SHA-256 of the NIK, null when none was sent or the person was forgotten.';
COMMENT ON COLUMN store.audit_event.person_key_id IS
    'The version of the key under which person_key was made.';
COMMENT ON COLUMN store.audit_event.person_seal IS
    'SHA-256 over person_salt and person_key: what the mac covers of the person.';
COMMENT ON COLUMN store.audit_event.nik_plausible IS
    'Whether the digits of the NIK have their usual structure and agree with the date of birth that was sent.';
COMMENT ON COLUMN store.audit_event.fields IS
    'What was told of each field, as a JSON object of true, false and null.';
COMMENT ON COLUMN store.audit_event.percentage IS
    'The similarity as it was shown.';
COMMENT ON COLUMN store.audit_event.forget_mac IS
    'HMAC-SHA-256 that the person was forgotten on purpose, under the audit key forget_key_id; null otherwise.';
COMMENT ON COLUMN store.audit_event.mac IS
    'HMAC-SHA-256 over the row and its predecessor''s mac, under the audit key key_id.';

-- Makes the partition of the month in which a moment lies, if it is missing. The service may call it and create nothing
-- else. The table is made by itself and attached, which waits for nobody who reads or writes the trail and lets nobody
-- wait: made as a partition at once, it would wait for every reader, and everybody else behind it. It is empty when it
-- is attached, so that nothing is scanned. Nobody has a right to a partition; rights are those to the whole.
CREATE FUNCTION store.ensure_audit_month(moment timestamptz) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first timestamptz := date_trunc('month', moment AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    next  timestamptz := (date_trunc('month', moment AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC';
    part  text := 'audit_event_' || to_char(moment AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    IF moment < '2020-01-01' OR moment >= '2200-01-01' THEN
        RAISE 'no clock of a working machine says %', moment;
    END IF;
    IF to_regclass('store.' || part) IS NOT NULL THEN
        RETURN;
    END IF;
    -- Two processes at the same turn of the month: the second finds it made. It asks the table, since what to_regclass
    -- has not found it remembers.
    PERFORM pg_advisory_xact_lock(hashtextextended('padan audit months', 0));
    IF EXISTS (SELECT FROM pg_class WHERE relnamespace = 'store'::regnamespace AND relname = part) THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE store.%I (LIKE store.audit_event INCLUDING ALL)', part);
    EXECUTE format('ALTER TABLE store.audit_event ATTACH PARTITION store.%I FOR VALUES FROM (%L) TO (%L)',
                   part, first, next);
END $$;

-- The months that lie wholly before a moment, oldest first.
CREATE FUNCTION store.audit_months_before(moment timestamptz) RETURNS SETOF text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT relname::text
      FROM pg_inherits
      JOIN pg_class ON pg_class.oid = inhrelid
     WHERE inhparent = 'store.audit_event'::regclass
       AND make_timestamptz(substr(relname, 13, 4)::int, substr(relname, 18, 2)::int, 1, 0, 0, 0, 'UTC')
           + interval '1 month' <= moment
     ORDER BY relname
$$;

-- Drops a month, once every chain in it has an anchor at or after its last row there. It needs the trail for itself for a
-- moment, and whoever wants to write waits behind it, so it waits no longer than nobody notices: whoever calls it does
-- so again later when somebody reads. What it looks at before takes a look-up a chain.
CREATE FUNCTION store.drop_audit_month(part text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms' AS $$
DECLARE
    loose bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
                    WHERE inhparent = 'store.audit_event'::regclass AND relname = part) THEN
        RAISE '% is no month of the audit trail', part;
    END IF;
    EXECUTE format(
        'WITH RECURSIVE chain AS (
             (SELECT writer, sequence FROM store.%1$I ORDER BY writer DESC, sequence DESC LIMIT 1)
             UNION ALL
             SELECT earlier.writer, earlier.sequence
               FROM chain
              CROSS JOIN LATERAL (SELECT writer, sequence FROM store.%1$I AS event WHERE event.writer < chain.writer
                                   ORDER BY event.writer DESC, event.sequence DESC LIMIT 1) AS earlier
         )
         SELECT count(*) FROM chain
          WHERE NOT EXISTS (SELECT FROM store.audit_anchor AS anchor
                             WHERE anchor.writer = chain.writer AND anchor.sequence >= chain.sequence)', part)
       INTO loose;
    IF loose > 0 THEN
        RAISE '% chains of % have no anchor', loose, part;
    END IF;
    EXECUTE format('DROP TABLE store.%I', part);
END $$;

-- Drops the heads that an anchor stands in for.
CREATE FUNCTION store.drop_audit_heads() RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM store.audit_head AS head
     WHERE EXISTS (SELECT FROM store.audit_anchor AS anchor
                    WHERE anchor.writer = head.writer AND anchor.sequence >= head.sequence)
$$;

REVOKE ALL ON FUNCTION store.ensure_audit_month, store.audit_months_before, store.drop_audit_month,
    store.drop_audit_heads FROM PUBLIC;
GRANT EXECUTE ON FUNCTION store.ensure_audit_month TO padan_service, padan_operator;
GRANT EXECUTE ON FUNCTION store.audit_months_before, store.drop_audit_month, store.drop_audit_heads TO padan_operator;

GRANT INSERT ON store.audit_chain, store.audit_event, store.audit_head, store.audit_end
   TO padan_service, padan_operator;
GRANT SELECT (at, writer, sequence, mac, client, person_key, percentage, contract_id) ON store.audit_event
   TO padan_service;
-- For vouching for other chains.
GRANT SELECT (writer, started_at, mac) ON store.audit_chain TO padan_service;
GRANT SELECT ON store.audit_end TO padan_service;
GRANT SELECT ON store.audit_chain, store.audit_event, store.audit_head, store.audit_end, store.audit_anchor
   TO padan_operator, padan_auditor;
GRANT INSERT ON store.audit_anchor TO padan_operator;
GRANT SELECT, INSERT, UPDATE ON store.usage_day TO padan_operator;
GRANT SELECT ON store.usage_day TO padan_auditor;
-- For forgetting a person.
GRANT UPDATE (person_key, person_salt, forget_key_id, forget_mac) ON store.audit_event TO padan_operator;

DO $$ BEGIN
    PERFORM store.ensure_audit_month(now()), store.ensure_audit_month(now() + interval '1 month');
END $$;
