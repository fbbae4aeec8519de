-- A client may be bound to certificates, which the listener asks for.

ALTER TABLE store.client
    ADD COLUMN certificates text[] NOT NULL DEFAULT '{}';

COMMENT ON COLUMN store.client.certificates IS
    'The certificates of which the client must hold one: alternative names of theirs, or sha256: and a digest. They are needed beside
     the credentials; a setting of the service says whether one stands for them. Empty means that it needs none.';

GRANT SELECT (certificates) ON store.client TO padan_auditor;
