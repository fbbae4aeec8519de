-- The list of operators shows who still signs in, so that an account that nobody uses is found.

ALTER TABLE store.operator
    ADD COLUMN last_signed_in_at timestamptz;

COMMENT ON COLUMN store.operator.last_signed_in_at IS
    'When a session of the operator last began; null: never, or before this column was added. It is not signed and decides nothing.';
COMMENT ON COLUMN store.operator.mac IS
    'HMAC-SHA-256 over all other columns but last_used_at, last_signed_in_at and code_step, under the audit key key_id.';
