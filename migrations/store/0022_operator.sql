-- Operators who call the management interface with a token. A row counts only if its HMAC under an audit key is right, so
-- that nobody who can write to the database adds an operator or gives one another role.

CREATE TABLE store.operator (
    name         text        PRIMARY KEY,
    role         text        NOT NULL,
    token_sha256 bytea       NOT NULL UNIQUE,
    expires_at   timestamptz,
    disabled     boolean     NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL DEFAULT now(),
    changed_at   timestamptz NOT NULL DEFAULT now(),
    key_id       text,
    mac          bytea,
    last_used_at timestamptz,
    CONSTRAINT name_is_short_and_visible CHECK (name ~ '^[!-~]{1,64}$'),
    CONSTRAINT role_is_known CHECK (role IN ('support', 'operator', 'auditor')),
    CONSTRAINT token_is_a_sha256 CHECK (octet_length(token_sha256) = 32),
    CONSTRAINT signature_is_whole
        CHECK (num_nonnulls(key_id, mac) IN (0, 2) AND key_id ~ '^[0-9a-f]{8}$' AND octet_length(mac) = 32)
);

COMMENT ON TABLE store.operator IS
    'Who may call the management interface. Tokens are 256 random bits each, and only their SHA-256 is here.';
COMMENT ON COLUMN store.operator.expires_at IS
    'From when on the token is refused; null means never.';
COMMENT ON COLUMN store.operator.mac IS
    'HMAC-SHA-256 over all other columns but last_used_at, under the audit key key_id.';
COMMENT ON COLUMN store.operator.last_used_at IS
    'When the token was last used, to the minute. It is not signed and decides nothing.';

-- The service that answers clients gets no right to this table.
GRANT SELECT, INSERT, UPDATE, DELETE ON store.operator TO padan_operator;
-- With the hashes of the tokens, which the signature covers. A hash of 256 random bits does not reveal them.
GRANT SELECT ON store.operator TO padan_auditor;
