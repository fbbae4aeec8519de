-- The score that the liveness set gave a selfie.

ALTER TABLE store.audit_event
    ADD COLUMN spoof double precision;

COMMENT ON COLUMN store.audit_event.spoof IS
    'How likely the selfie is a presentation attack, by the liveness set: 0 to 1. Null when it was not judged. The mac covers it if it is not null.';

-- As before, with the new column.
DROP FUNCTION store.last_audit_rows;
CREATE FUNCTION store.last_audit_rows(chains uuid[], began timestamptz[])
RETURNS TABLE (at timestamptz, writer uuid, sequence bigint, kind text, request_id text, client text, endpoint text,
               sandbox boolean, reason text, person_key_id text, person_seal bytea, nik_plausible boolean, fields text,
               name_rules text, percentage double precision, spoof double precision, contract_id text, calibration_id text,
               milliseconds double precision, key_id text, mac bytea, previous bytea[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT last.at, last.writer, last.sequence, last.kind, last.request_id, last.client, last.endpoint, last.sandbox,
           last.reason, last.person_key_id, last.person_seal, last.nik_plausible, last.fields, last.name_rules,
           last.percentage, last.spoof, last.contract_id, last.calibration_id, last.milliseconds, last.key_id, last.mac,
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
