-- A site's own calibration, which every service uses in place of the installed one.

CREATE TABLE store.active_calibration (
    model_set      text        PRIMARY KEY,
    calibration_id text        NOT NULL,
    file           text        NOT NULL,
    activated_at   timestamptz NOT NULL,
    key_id         text        NOT NULL,
    mac            bytea       NOT NULL,
    CONSTRAINT calibration_id_is_16_hex_digits
        CHECK (calibration_id ~ '^[0-9a-f]{16}$'),
    CONSTRAINT file_is_short
        CHECK (octet_length(file) <= 1000000),
    CONSTRAINT signature_is_whole
        CHECK (key_id ~ '^[0-9a-f]{8}$' AND octet_length(mac) = 32)
);

COMMENT ON TABLE store.active_calibration IS
    'The calibration of each model set that was activated; without a row, services use the one that is installed.';
COMMENT ON COLUMN store.active_calibration.mac IS
    'HMAC-SHA-256 over all other columns, under the audit key key_id. No service uses a row whose HMAC is wrong.';

GRANT SELECT ON store.active_calibration TO padan_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON store.active_calibration TO padan_operator;
GRANT SELECT ON store.active_calibration TO padan_auditor;
