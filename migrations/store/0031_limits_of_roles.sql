-- What a role without a key could do too often.

-- A selfie that is refused as a suspected presentation attack counts as a failed face, so that a photo cannot be changed
-- until the liveness set accepts it. The index of a person's rows serves the search.
GRANT SELECT (reason) ON store.audit_event TO padan_service;

-- Months of the trail that nobody needs slow down every statement on it; thousands of them stop the service. A month that
-- is far from the server's clock is only made while the trail has few: for a clock that is wrong, and in a new store.
CREATE OR REPLACE FUNCTION store.ensure_audit_month(moment timestamptz) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first timestamptz := date_trunc('month', moment AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    next  timestamptz := (date_trunc('month', moment AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC';
    part  text := 'audit_event_' || to_char(moment AT TIME ZONE 'UTC', 'YYYY_MM');
    few   constant int := 60;
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
    IF moment NOT BETWEEN clock_timestamp() - interval '100 days' AND clock_timestamp() + interval '100 days'
       AND (SELECT count(*) >= few FROM pg_inherits WHERE inhparent = 'store.audit_event'::regclass) THEN
        RAISE 'the trail has % months or more, and % is more than 100 days from the clock of this server', few, moment;
    END IF;
    EXECUTE format('CREATE TABLE store.%I (LIKE store.audit_event INCLUDING ALL)', part);
    EXECUTE format('ALTER TABLE store.audit_event ATTACH PARTITION store.%I FOR VALUES FROM (%L) TO (%L)',
                   part, first, next);
END $$;

-- An auditor leaves rows of administration. Limits are counted from the other rows, so that an auditor could use up the
-- trials of any person or client by rows that nobody signed.
CREATE FUNCTION store.refuse_row_of_auditor() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE insufficient_privilege USING MESSAGE = 'permission denied: padan_auditor may only add rows of administration';
END $$;

CREATE TRIGGER row_of_auditor BEFORE INSERT ON store.audit_event FOR EACH ROW
    WHEN ((NEW.kind <> 'admin' OR NEW.person_key IS NOT NULL)
          AND pg_has_role(current_user, 'padan_auditor', 'USAGE')
          AND NOT pg_has_role(current_user, 'padan_service', 'USAGE')
          AND NOT pg_has_role(current_user, 'padan_operator', 'USAGE'))
    EXECUTE FUNCTION store.refuse_row_of_auditor();

-- Few rows with very long texts would keep a process that starts from reading the last rows in time.
ALTER TABLE store.audit_event
    ADD CONSTRAINT texts_are_short
        CHECK (octet_length(fields) <= 262144
           AND coalesce(octet_length(request_id), 0) <= 1024
           AND coalesce(octet_length(client), 0) <= 1024
           AND coalesce(octet_length(endpoint), 0) <= 1024
           AND octet_length(reason) <= 1024
           AND coalesce(octet_length(person_key_id), 0) <= 1024
           AND coalesce(octet_length(person_salt), 0) <= 1024
           AND coalesce(octet_length(person_seal), 0) <= 1024
           AND coalesce(octet_length(contract_id), 0) <= 1024
           AND coalesce(octet_length(calibration_id), 0) <= 1024
           AND coalesce(octet_length(forget_key_id), 0) <= 1024
           AND coalesce(octet_length(forget_mac), 0) <= 1024) NOT VALID;
ALTER TABLE store.audit_chain
    ADD CONSTRAINT seen_is_short CHECK (octet_length(seen) <= 4194304) NOT VALID;
