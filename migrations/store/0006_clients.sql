-- The clients who may call, and how much of their quotas is used. A small site can keep its clients in a file instead;
-- what they use is counted here all the same, by their names.

CREATE TABLE store.client (
    name                          text             PRIMARY KEY,
    username                      text             NOT NULL UNIQUE,
    password_sha256               bytea            NOT NULL,
    api_key_sha256                bytea            NOT NULL,
    previous_password_sha256      bytea,
    previous_password_valid_until timestamptz,
    previous_api_key_sha256       bytea,
    previous_api_key_valid_until  timestamptz,
    disabled                      boolean          NOT NULL DEFAULT false,
    allowed_networks              cidr[]           NOT NULL DEFAULT '{}',
    endpoints                     text[],
    requests_per_second           double precision,
    burst                         integer,
    daily_quota                   bigint,
    monthly_quota                 bigint,
    created_at                    timestamptz      NOT NULL DEFAULT now(),
    changed_at                    timestamptz      NOT NULL DEFAULT now(),
    CONSTRAINT name_is_short_and_visible
        CHECK (name ~ '^[!-~]{1,64}$'),
    CONSTRAINT username_can_be_sent
        CHECK (username ~ '^[!-9;-~]{1,128}$'),
    -- Everybody who knows the public SDKs knows these.
    CONSTRAINT username_is_no_built_in_default
        CHECK (username NOT IN ('default-username', 'default-password', 'default-api-key', 'demo')),
    CONSTRAINT password_is_no_built_in_default
        CHECK (password_sha256 NOT IN (sha256('default-username'), sha256('default-password'),
                                       sha256('default-api-key'), sha256('demo'), sha256(''))),
    CONSTRAINT api_key_is_no_built_in_default
        CHECK (api_key_sha256 NOT IN (sha256('default-username'), sha256('default-password'),
                                      sha256('default-api-key'), sha256('demo'), sha256(''))),
    CONSTRAINT secrets_are_two_sha256
        CHECK (octet_length(password_sha256) = 32
           AND octet_length(api_key_sha256) = 32
           AND password_sha256 <> api_key_sha256),
    CONSTRAINT previous_secrets_are_sha256_with_an_end
        CHECK (octet_length(previous_password_sha256) = 32
           AND octet_length(previous_api_key_sha256) = 32
           AND num_nonnulls(previous_password_sha256, previous_password_valid_until) <> 1
           AND num_nonnulls(previous_api_key_sha256, previous_api_key_valid_until) <> 1),
    CONSTRAINT rate_can_be_kept
        CHECK (num_nonnulls(requests_per_second, burst) <> 1
           AND requests_per_second BETWEEN 0.001 AND 100000
           AND burst BETWEEN 1 AND 1000000),
    CONSTRAINT quotas_can_be_counted
        CHECK (daily_quota BETWEEN 1 AND 4294967295
           AND monthly_quota BETWEEN 1 AND 4294967295)
);

COMMENT ON TABLE store.client IS
    'A client who may call. Its secrets are here as hashes only; they are 256 random bits each, so that a hash says
     nothing about them.';
COMMENT ON COLUMN store.client.previous_password_sha256 IS
    'The password before the last rotation, which is good until previous_password_valid_until; the key likewise.';
COMMENT ON COLUMN store.client.allowed_networks IS
    'From where the client may call; empty means from anywhere.';
COMMENT ON COLUMN store.client.endpoints IS
    'What the client may call; null means everything, endpoints of later versions too. A name that a program does not
     know permits nothing.';
COMMENT ON COLUMN store.client.requests_per_second IS
    'How fast the client may call each process, with bursts of burst requests; null means without a limit.';
COMMENT ON COLUMN store.client.daily_quota IS
    'Requests a day in Asia/Jakarta, over all processes; null means without a limit. monthly_quota likewise.';

CREATE TABLE store.quota_use (
    client    text   NOT NULL,
    period    text   NOT NULL,
    starts_on date   NOT NULL,
    used      bigint NOT NULL,
    granted   bigint NOT NULL,
    PRIMARY KEY (client, period, starts_on),
    CONSTRAINT period_is_known
        CHECK (period IN ('day', 'month')),
    CONSTRAINT use_is_counted
        CHECK (used >= 0 AND granted >= 0)
);

COMMENT ON TABLE store.quota_use IS
    'How much of a client''s quota is used. A process takes a few requests at a time and counts them by itself, so a
     part of what is used here is only set aside. Rows stay when a client is removed: one of the same name goes on
     with them.';
COMMENT ON COLUMN store.quota_use.starts_on IS
    'The first day of the day or month, in Asia/Jakarta.';
COMMENT ON COLUMN store.quota_use.granted IS
    'What the last process that asked was given: kept so that one statement can take and tell.';

GRANT SELECT ON store.client TO padan_service;
GRANT SELECT, INSERT, UPDATE ON store.quota_use TO padan_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON store.client, store.quota_use TO padan_operator;
-- Everything but the hashes.
GRANT SELECT (name, username, previous_password_valid_until, previous_api_key_valid_until, disabled, allowed_networks, endpoints, requests_per_second, burst, daily_quota,
              monthly_quota, created_at, changed_at) ON store.client TO padan_auditor;
GRANT SELECT ON store.quota_use TO padan_auditor;
