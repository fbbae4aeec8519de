-- Limits of wrong fields, of faces over all clients, and of the fields that a client may have compared.

-- The fields of basic verification that a client may have compared.
ALTER TABLE store.client
    ADD COLUMN fields text[];

COMMENT ON COLUMN store.client.fields IS
    'The fields of basic verification that the client may have compared; null means all but no_kk and mother_maiden_name,
     fields of later versions included. A name that a program does not know permits nothing.';

GRANT SELECT (fields) ON store.client TO padan_auditor;

-- How often a client asked about a person with a wrong field, and how often about anybody. A NIK that is not in the
-- registry has "nik":false. Few rows, however often somebody asks.
CREATE INDEX audit_event_of_failed_field ON store.audit_event (person_key, client, at)
    WHERE fields LIKE '%:false%' AND kind = 'request';
CREATE INDEX audit_event_of_client_failure ON store.audit_event (client, at)
    WHERE fields LIKE '%:false%' AND kind = 'request';

GRANT SELECT (fields, kind) ON store.audit_event TO padan_service;

COMMENT ON COLUMN store.audit_event.percentage IS
    'The similarity, truncated to two decimals. The answer shows less where verification.percentage_step or
     verification.percentage_needs_match says so.';
