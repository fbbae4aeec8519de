-- Nothing is signed that Padan did not write. An anchor says which month it stands for and when that month was pruned,
-- the end of a chain is signed, and a month has a minimum age before it can be dropped.

-- Anchors of older releases have no month and stay valid. An older release writes no further one: it would sign without
-- verifying the rows.
ALTER TABLE store.audit_anchor
    ADD COLUMN month date,
    ADD CONSTRAINT month_is_named CHECK (month IS NOT NULL AND extract(day FROM month) = 1) NOT VALID,
    -- So that an anchor that nobody signed cannot take the place of one that was signed.
    DROP CONSTRAINT audit_anchor_pkey,
    ADD PRIMARY KEY (writer, sequence, signature);

-- Ends of older releases have no signature and say nothing: the next chain names the last rows of these chains again.
ALTER TABLE store.audit_end
    ADD COLUMN mac       bytea NOT NULL DEFAULT '',
    ADD COLUMN key_id    text  NOT NULL DEFAULT '',
    ADD COLUMN signature bytea NOT NULL DEFAULT '',
    DROP CONSTRAINT audit_end_pkey,
    ADD PRIMARY KEY (writer, signature);

-- A removal names its step. Those of older releases do not and stay valid. An older release makes no further one, since
-- it would sign without verifying the row.
ALTER TABLE store.audit_event
    ADD CONSTRAINT removal_names_its_step CHECK (octet_length(forget_mac) <> 32) NOT VALID;

COMMENT ON COLUMN store.audit_anchor.month IS
    'The first day of the month that was pruned; null in anchors of older releases.';
COMMENT ON COLUMN store.audit_anchor.signature IS
    'HMAC-SHA-256 over all other columns, under the audit key key_id; without month and pruned_at if month is null.';
COMMENT ON COLUMN store.audit_end.signature IS
    'HMAC-SHA-256 over writer, sequence and mac, under the audit key key_id; empty in rows of older releases.';
COMMENT ON COLUMN store.audit_event.forget_mac IS
    'That the person was forgotten on purpose, signed under the audit key forget_key_id: the place of the row that announces it, encrypted and bound to this row. 32 bytes, an HMAC-SHA-256 without that place, in rows of older releases.';

-- For vouching for other chains. A beginning counts only if its signature is right.
GRANT SELECT ON store.audit_chain TO padan_service;

-- The last rows of chains, last first, for the same purpose: without what names the person, and with what has the number
-- before. The service cannot read the whole trail, so it calls this. Rows that Padan did not write may be among them, so
-- the last one alone would not do.
CREATE FUNCTION store.last_audit_rows(chains uuid[], began timestamptz[])
RETURNS TABLE (at timestamptz, writer uuid, sequence bigint, kind text, request_id text, client text, endpoint text,
               reason text, person_key_id text, person_seal bytea, nik_plausible boolean, fields text, name_rules text,
               percentage double precision, contract_id text, calibration_id text, milliseconds double precision,
               key_id text, mac bytea, previous bytea[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT last.at, last.writer, last.sequence, last.kind, last.request_id, last.client, last.endpoint, last.reason,
           last.person_key_id, last.person_seal, last.nik_plausible, last.fields, last.name_rules, last.percentage,
           last.contract_id, last.calibration_id, last.milliseconds, last.key_id, last.mac,
           ARRAY(SELECT before.mac
                   FROM (SELECT event.mac
                           FROM store.audit_event AS event
                          WHERE event.writer = open.writer
                            AND event.sequence = last.sequence - 1
                            AND event.at BETWEEN open.started_at AND last.at
                          LIMIT 4) AS before
                  UNION ALL
                 SELECT anchor.mac
                   FROM store.audit_anchor AS anchor
                  WHERE anchor.writer = open.writer
                    AND anchor.sequence = last.sequence - 1)
      FROM unnest(chains, began) AS open (writer, started_at)
     CROSS JOIN LATERAL (SELECT *
                           FROM store.audit_event AS event
                          WHERE event.writer = open.writer
                            AND event.at >= open.started_at
                          ORDER BY event.sequence DESC
                          LIMIT 4) AS last
     ORDER BY last.writer, last.sequence DESC
$$;

-- The program lists the months itself, and computes their bounds.
DROP FUNCTION store.audit_months_before(timestamptz);

-- Drops a month, once every chain in it has an anchor of this month at or after its last row there. The month must have
-- ended 90 days ago, whoever asks: within that time a regular verification finds what was done to it. The name decides
-- which month it is, and the partition must have its bounds.
--
-- It needs the trail for itself for a moment, and whoever wants to write waits behind it, so it waits no longer than
-- nobody notices: whoever calls it does so again later when somebody reads. What it looks at before takes a look-up a
-- chain.
CREATE OR REPLACE FUNCTION store.drop_audit_month(part text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
    SET lock_timeout = '50ms' AS $$
DECLARE
    bounds text;
    first  date;
    next   date;
    loose  bigint;
BEGIN
    SELECT pg_get_expr(relpartbound, pg_class.oid) INTO bounds
      FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
     WHERE inhparent = 'store.audit_event'::regclass AND relname = part;
    IF bounds IS NULL OR part !~ '^audit_event_[0-9]{4}_[0-9]{2}$' THEN
        RAISE '% is no month of the audit trail', part;
    END IF;
    first := make_date(substr(part, 13, 4)::int, substr(part, 18, 2)::int, 1);
    next := first + interval '1 month';
    IF bounds <> format('FOR VALUES FROM (%L) TO (%L)', first::timestamptz, next::timestamptz) THEN
        RAISE '% does not have the bounds of its month: %', part, bounds;
    END IF;
    IF next + interval '90 days' > clock_timestamp() THEN
        RAISE '% is kept until %', part, next + interval '90 days';
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
                             WHERE anchor.writer = chain.writer AND anchor.sequence >= chain.sequence
                               AND anchor.month = %2$L)', part, first)
       INTO loose;
    IF loose > 0 THEN
        RAISE '% chains of % have no anchor', loose, part;
    END IF;
    EXECUTE format('DROP TABLE store.%I', part);
END $$;

REVOKE ALL ON FUNCTION store.last_audit_rows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION store.last_audit_rows TO padan_service, padan_operator;
