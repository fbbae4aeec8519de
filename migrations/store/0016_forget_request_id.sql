-- Forgetting a person also removes the id of the request, which a client may have chosen.
GRANT UPDATE (request_id) ON store.audit_event TO padan_operator;

-- Checks the rows that existed before 0014. It reads the whole table and blocks nobody who reads or writes.

ALTER TABLE store.face_template VALIDATE CONSTRAINT sealed_is_whole_floats;
ALTER TABLE store.face_template VALIDATE CONSTRAINT either_sealed_or_reason;

COMMENT ON COLUMN store.audit_event.person_seal IS
    'SHA-256 over person_salt, person_key and request_id: what the mac covers of them. In rows of earlier programs the
     mac covers request_id itself, and person_seal is without it.';
