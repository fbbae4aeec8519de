-- A second model set that embeds a share of the requests too, before it is activated. Nothing is answered from it.

CREATE TABLE store.shadow_model (
    only_row          boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    model_set         text        NOT NULL,
    contract_id       text        NOT NULL,
    share_millionths  integer     NOT NULL,
    began_at          timestamptz NOT NULL,
    key_id            text        NOT NULL,
    mac               bytea       NOT NULL,
    CONSTRAINT contract_id_is_16_hex_digits
        CHECK (contract_id ~ '^[0-9a-f]{16}$'),
    CONSTRAINT share_is_above_0_and_up_to_1
        CHECK (share_millionths BETWEEN 1 AND 1000000),
    CONSTRAINT signature_is_whole
        CHECK (key_id ~ '^[0-9a-f]{8}$' AND octet_length(mac) = 32)
);

COMMENT ON TABLE store.shadow_model IS
    'The model set that services measure beside the active one; without a row they measure none.';
COMMENT ON COLUMN store.shadow_model.share_millionths IS
    'The share of the requests that it embeds, in millionths.';
COMMENT ON COLUMN store.shadow_model.mac IS
    'HMAC-SHA-256 over all other columns but only_row, under the audit key key_id. No service uses a row whose HMAC is wrong.';

GRANT SELECT ON store.shadow_model TO padan_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON store.shadow_model TO padan_operator;
GRANT SELECT ON store.shadow_model TO padan_auditor;

-- What came of these requests, counted by day, as store.live_similarity: all processes add to it, no person is in it, and
-- no signature covers it.
CREATE TABLE store.shadow_count (
    day                   date     NOT NULL,
    contract_id           text     NOT NULL,
    calibration_id        text     NOT NULL,
    shadow_contract_id    text     NOT NULL,
    shadow_calibration_id text     NOT NULL,
    outcome               text     NOT NULL,
    claims_match          boolean  NOT NULL,
    percentage            smallint NOT NULL,
    shadow_percentage     smallint NOT NULL,
    requests              bigint   NOT NULL,
    cpu_microseconds      bigint   NOT NULL,
    PRIMARY KEY (day, contract_id, calibration_id, shadow_contract_id, shadow_calibration_id, outcome, claims_match,
                 percentage, shadow_percentage),
    CONSTRAINT outcome_is_known
        CHECK (outcome IN ('compared', 'photo_rejected', 'no_template', 'template_unusable', 'busy', 'not_loaded', 'store',
                           'engine')),
    CONSTRAINT percentages_begin_intervals
        CHECK (percentage BETWEEN 0 AND 95 AND percentage % 5 = 0
               AND shadow_percentage BETWEEN 0 AND 95 AND shadow_percentage % 5 = 0),
    CONSTRAINT only_compared_faces_have_a_second_percentage
        CHECK (outcome = 'compared' OR shadow_percentage = 0),
    CONSTRAINT counts_are_not_negative
        CHECK (requests >= 0 AND cpu_microseconds >= 0)
);

COMMENT ON TABLE store.shadow_count IS
    'Numbers of requests by the percentages that the active and the shadow model set give, by day in Asia/Jakarta.';
COMMENT ON COLUMN store.shadow_count.shadow_calibration_id IS
    'Empty where the shadow model set was not loaded.';
COMMENT ON COLUMN store.shadow_count.outcome IS
    'compared, or why the shadow model set gave no percentage.';
COMMENT ON COLUMN store.shadow_count.claims_match IS
    'Whether name and date of birth match, so that the face decides.';
COMMENT ON COLUMN store.shadow_count.percentage IS
    'Where the interval of five percent begins in which the percentage lies that decided.';
COMMENT ON COLUMN store.shadow_count.shadow_percentage IS
    'The same of the percentage that the shadow model set gives.';
COMMENT ON COLUMN store.shadow_count.cpu_microseconds IS
    'The processor time that the shadow model set took for these requests.';

GRANT SELECT, INSERT, UPDATE ON store.shadow_count TO padan_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON store.shadow_count TO padan_operator;
GRANT SELECT ON store.shadow_count TO padan_auditor;
