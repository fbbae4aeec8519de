-- Operators sign in with a password, and a one-time code if they have one. A session counts only if its HMAC under an
-- audit key is right, and only while the account of its operator counts.

ALTER TABLE store.operator
    ADD COLUMN password_hash          text,
    ADD COLUMN code_secret            bytea,
    ADD COLUMN code_key_id            text,
    ADD COLUMN credentials_changed_at timestamptz,
    ADD COLUMN code_step              bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT password_is_argon2id CHECK (password_hash ~ '^[$]argon2id[$]'),
    ADD CONSTRAINT code_secret_is_whole CHECK (num_nonnulls(code_secret, code_key_id) IN (0, 2)),
    ADD CONSTRAINT change_of_credentials_is_known
        CHECK (credentials_changed_at IS NOT NULL OR num_nonnulls(password_hash, code_secret) = 0);

COMMENT ON COLUMN store.operator.password_hash IS
    'Argon2id hash of the password, as a PHC string; null: the operator cannot sign in, only send the token.';
COMMENT ON COLUMN store.operator.code_secret IS
    'The secret of the one-time codes: nonce and ciphertext of AES-256-GCM under a key derived from the audit key code_key_id.';
COMMENT ON COLUMN store.operator.credentials_changed_at IS
    'When password or code secret were last changed. Sessions that began earlier have ended.';
COMMENT ON COLUMN store.operator.code_step IS
    'The last 30 seconds whose one-time code was used; no code up to it is accepted. It is not signed.';
COMMENT ON COLUMN store.operator.mac IS
    'HMAC-SHA-256 over all other columns but last_used_at and code_step, under the audit key key_id.';

CREATE TABLE store.operator_session (
    token_sha256 bytea       PRIMARY KEY,
    operator     text        NOT NULL,
    began_at     timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    key_id       text        NOT NULL,
    mac          bytea       NOT NULL,
    CONSTRAINT token_is_a_sha256 CHECK (octet_length(token_sha256) = 32),
    CONSTRAINT signature_is_whole CHECK (key_id ~ '^[0-9a-f]{8}$' AND octet_length(mac) = 32)
);
CREATE INDEX operator_session_operator ON store.operator_session (operator, began_at);

COMMENT ON TABLE store.operator_session IS
    'Sessions of operators who signed in. The token is in the cookie of the browser alone; only its SHA-256 is here.';
COMMENT ON COLUMN store.operator_session.last_used_at IS
    'When the session was last used, to ten seconds. It is not signed: it can only end a session, or keep one until expires_at.';

-- The service that answers clients, and auditors, get no right to this table.
GRANT SELECT, INSERT, UPDATE, DELETE ON store.operator_session TO padan_operator;
