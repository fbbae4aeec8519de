-- Administration leaves rows in the audit trail: rows of kind `admin`. They say who changed, exported or removed what.

ALTER TABLE store.audit_event
    DROP CONSTRAINT kind_is_known,
    ADD CONSTRAINT kind_is_known CHECK (kind IN ('request', 'forget', 'admin')) NOT VALID;

COMMENT ON COLUMN store.audit_event.kind IS
    'request; forget: a step of forgetting a person; admin: an operator changed, exported or removed something.';
COMMENT ON COLUMN store.audit_event.client IS
    'The client that called; in rows of kind admin the client that was changed, in rows of kind forget who requested it.';
COMMENT ON COLUMN store.audit_event.fields IS
    'A JSON object. What was told of each field, of requests; who did what from where, with the state before and after, of administration; the number of rows by month, of forgetting.';
COMMENT ON COLUMN store.audit_chain.person_key_id IS
    'The version of the key under which the chain names persons; empty in chains that name none.';

-- Whoever exports the trail leaves a row too. Such a user has the audit key already, to verify the trail.
GRANT INSERT ON store.audit_chain, store.audit_event, store.audit_head, store.audit_end TO padan_auditor;
GRANT EXECUTE ON FUNCTION store.ensure_audit_month, store.last_audit_rows TO padan_auditor;
