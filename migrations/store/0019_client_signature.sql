-- Rows of clients are signed under an audit key, so that a service does not trust a row that Padan did not write.

ALTER TABLE store.client
    ADD COLUMN key_id text,
    ADD COLUMN mac    bytea,
    -- What the signature covers of the secrets, for auditors, who may not read their hashes.
    ADD COLUMN secrets_digest bytea NOT NULL GENERATED ALWAYS AS (
        sha256(password_sha256 || api_key_sha256
               || coalesce('\x01'::bytea || previous_password_sha256, '\x00'::bytea)
               || coalesce('\x01'::bytea || previous_api_key_sha256, '\x00'::bytea))) STORED,
    ADD CONSTRAINT signature_is_whole
        CHECK (num_nonnulls(key_id, mac) IN (0, 2) AND key_id ~ '^[0-9a-f]{8}$' AND octet_length(mac) = 32);

COMMENT ON COLUMN store.client.mac IS
    'HMAC-SHA-256 over all other columns, under the audit key key_id; null in rows of older releases, which no service trusts until they are signed.';

GRANT SELECT (key_id, mac, secrets_digest) ON store.client TO padan_auditor;
