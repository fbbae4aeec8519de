-- Requests whose fields match are not limited. However many of them there are about a person, the person's faces are found
-- without them, the latest first.
DROP INDEX store.audit_event_of_person, store.audit_event_of_failed_face;
CREATE INDEX audit_event_of_person ON store.audit_event (person_key, (contract_id IS NOT NULL), at);
CREATE INDEX audit_event_of_failed_face ON store.audit_event (person_key, at)
    WHERE percentage < 75 AND contract_id IS NOT NULL;
CREATE INDEX audit_event_of_suspected_spoof ON store.audit_event (person_key, at)
    WHERE reason = 'SPOOF_SUSPECTED';

-- The trials of a person, by one plan for all calls. For the same statement from outside, the server makes a plan for each
-- call, because it expects a plan without the months before `since` to be much cheaper; making it takes five times as long
-- as running it. The plan may be made while a month is still empty, so it reads each month by an index, the latest row
-- first.
CREATE FUNCTION store.person_trials(
    person_keys    bytea[],
    by_client      text,
    failed_since   timestamptz, failed_most   bigint,
    of_all_since   timestamptz, of_all_most   bigint,
    compared_since timestamptz, compared_most bigint,
    fields_since   timestamptz, fields_most   bigint)
RETURNS TABLE (list int, at timestamptz)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off
    SET enable_bitmapscan = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT trial.list, trial.at
      FROM unnest(person_keys) AS of_person (key)
     CROSS JOIN LATERAL (
           SELECT 0 AS list, at
             FROM (SELECT at FROM store.audit_event
                    WHERE person_key = key AND client = by_client AND at > failed_since
                      AND percentage < 75 AND contract_id IS NOT NULL
                    ORDER BY at DESC LIMIT failed_most) AS failed_face
           UNION ALL
           SELECT 0, at
             FROM (SELECT at FROM store.audit_event
                    WHERE person_key = key AND client = by_client AND at > failed_since
                      AND reason = 'SPOOF_SUSPECTED'
                    ORDER BY at DESC LIMIT failed_most) AS suspected_spoof
           UNION ALL
           SELECT 1, at
             FROM (SELECT at FROM store.audit_event
                    WHERE person_key = key AND at > of_all_since
                      AND percentage < 75 AND contract_id IS NOT NULL
                    ORDER BY at DESC LIMIT of_all_most) AS failed_face_of_person
           UNION ALL
           SELECT 1, at
             FROM (SELECT at FROM store.audit_event
                    WHERE person_key = key AND at > of_all_since AND reason = 'SPOOF_SUSPECTED'
                    ORDER BY at DESC LIMIT of_all_most) AS suspected_spoof_of_person
           UNION ALL
           SELECT 2, at
             FROM (SELECT at FROM store.audit_event
                    WHERE person_key = key AND at > compared_since AND contract_id IS NOT NULL
                    ORDER BY at DESC LIMIT compared_most) AS compared_face
           UNION ALL
           SELECT 3, at
             FROM (SELECT at FROM store.audit_event
                    WHERE person_key = key AND client = by_client AND at > fields_since
                      AND fields LIKE '%:false%' AND kind = 'request'
                    ORDER BY at DESC LIMIT fields_most) AS failed_field) AS trial;
END $$;

COMMENT ON FUNCTION store.person_trials IS
    'The times of the latest trials of a person: 0 failed faces of the client, 1 failed faces of all clients, 2 compared
     faces of all clients, 3 requests of the client with a wrong field or an unknown NIK.';

REVOKE ALL ON FUNCTION store.person_trials FROM PUBLIC;
GRANT EXECUTE ON FUNCTION store.person_trials TO padan_service;
