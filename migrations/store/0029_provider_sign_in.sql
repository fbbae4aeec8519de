-- Operators sign in through an OpenID Connect provider. Their sessions have what the provider said about them, since they
-- have no row in store.operator. All of it is signed.

ALTER TABLE store.operator_session
    ADD COLUMN issuer       text,
    ADD COLUMN subject      text,
    ADD COLUMN claimed_name text,
    ADD COLUMN role         text,
    ADD CONSTRAINT provider_is_whole CHECK (num_nonnulls(issuer, subject, claimed_name, role) IN (0, 4)),
    ADD CONSTRAINT role_is_known CHECK (role IN ('support', 'operator', 'auditor'));

COMMENT ON COLUMN store.operator_session.issuer IS
    'The provider that said who the operator is; null: the operator signed in with a password.';
COMMENT ON COLUMN store.operator_session.subject IS
    'What the provider calls the operator, for ever.';
COMMENT ON COLUMN store.operator_session.claimed_name IS
    'What the provider says the operator is called. It is shown, and decides nothing.';
COMMENT ON COLUMN store.operator_session.role IS
    'The role that a group of the operator gave at the sign-in.';
