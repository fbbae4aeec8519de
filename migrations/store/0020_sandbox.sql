-- Clients of the sandbox, which are answered from a fixed table of test people and never from the registry.

ALTER TABLE store.client
    ADD COLUMN sandbox boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT sandbox_has_no_quota
        CHECK (NOT sandbox OR num_nonnulls(daily_quota, monthly_quota) = 0);

COMMENT ON COLUMN store.client.sandbox IS
    'Whether the client is answered from the table of test people. It never changes. The mac covers it.';

GRANT SELECT (sandbox) ON store.client TO padan_auditor;

-- Somebody develops with the credentials of a sandbox client, so that they must never reach the registry.
CREATE FUNCTION store.refuse_change_of_sandbox() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE 'the client % stays what it is: a client of the sandbox, or not', OLD.name;
END $$;

CREATE TRIGGER sandbox_never_changes
    BEFORE UPDATE ON store.client
    FOR EACH ROW WHEN (OLD.sandbox <> NEW.sandbox)
    EXECUTE FUNCTION store.refuse_change_of_sandbox();

ALTER TABLE store.audit_event
    ADD COLUMN sandbox boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN store.audit_event.sandbox IS
    'Whether the request was that of a sandbox client: it was answered from the table of test people, and names no person. The mac covers it.';

-- The service counts the failures of a client without those in the sandbox.
GRANT SELECT (sandbox) ON store.audit_event TO padan_service;

ALTER TABLE store.usage_day
    ADD COLUMN sandbox boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT usage_day_pkey,
    ADD PRIMARY KEY (client, day, endpoint, reason, sandbox);

COMMENT ON COLUMN store.usage_day.sandbox IS
    'Whether the calls were answered from the table of test people.';

-- As before, with the new column.
DROP FUNCTION store.last_audit_rows;
CREATE FUNCTION store.last_audit_rows(chains uuid[], began timestamptz[])
RETURNS TABLE (at timestamptz, writer uuid, sequence bigint, kind text, request_id text, client text, endpoint text,
               sandbox boolean, reason text, person_key_id text, person_seal bytea, nik_plausible boolean, fields text,
               name_rules text, percentage double precision, contract_id text, calibration_id text,
               milliseconds double precision, key_id text, mac bytea, previous bytea[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT last.at, last.writer, last.sequence, last.kind, last.request_id, last.client, last.endpoint, last.sandbox,
           last.reason, last.person_key_id, last.person_seal, last.nik_plausible, last.fields, last.name_rules,
           last.percentage, last.contract_id, last.calibration_id, last.milliseconds, last.key_id, last.mac,
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

REVOKE ALL ON FUNCTION store.last_audit_rows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION store.last_audit_rows TO padan_service, padan_operator, padan_auditor;
