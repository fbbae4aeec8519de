-- Auditors verify the rows of operators without reading the hashes of their passwords and the encrypted secrets of their
-- codes: the signature covers a digest of both.
ALTER TABLE store.operator
    -- Argon2id hashes are visible ASCII without backslashes, so that their escape format is the text itself.
    ADD COLUMN secrets_digest bytea NOT NULL GENERATED ALWAYS AS (
        sha256(coalesce('\x01'::bytea || sha256(decode(password_hash, 'escape')), '\x00'::bytea)
               || coalesce('\x01'::bytea || sha256(code_secret), '\x00'::bytea))) STORED,
    ADD COLUMN has_password boolean NOT NULL GENERATED ALWAYS AS (password_hash IS NOT NULL) STORED,
    ADD COLUMN has_code boolean NOT NULL GENERATED ALWAYS AS (code_secret IS NOT NULL) STORED,
    ADD CONSTRAINT password_is_visible_ascii CHECK (password_hash ~ '^[!-\[\]-~]*$');

COMMENT ON COLUMN store.operator.secrets_digest IS
    'What the signature covers of the secrets, for auditors, who may not read them.';
COMMENT ON COLUMN store.operator.mac IS
    'HMAC-SHA-256 over all other columns but last_used_at, last_signed_in_at and code_step, under the audit key key_id; of the secrets over their digest.';

REVOKE SELECT ON store.operator FROM padan_auditor;
GRANT SELECT (name, role, token_sha256, expires_at, disabled, created_at, changed_at, key_id, mac, last_used_at,
              last_signed_in_at, secrets_digest, has_password, has_code, code_key_id, credentials_changed_at, code_step)
   ON store.operator TO padan_auditor;
