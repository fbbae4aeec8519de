-- The rules by which names matched.

ALTER TABLE store.audit_event
    ADD COLUMN name_rules text;

COMMENT ON COLUMN store.audit_event.name_rules IS
    'For each name that matched, the rules that this needed, as a JSON object of lists: exact, or names of rules of
     verification.names. Null if no name matched, and in rows of earlier versions. The mac covers it if it is not null.';
