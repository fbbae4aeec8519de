-- Cohorts: faces of many people, with which a scale compares both faces of a verification too.

CREATE TABLE store.cohort_member (
    cohort_id   text    NOT NULL,
    position    integer NOT NULL,
    contract_id text    NOT NULL,
    person_key  bytea,
    digest      bytea   NOT NULL,
    key_id      text,
    sealed      bytea,
    PRIMARY KEY (cohort_id, position),
    CONSTRAINT cohort_id_is_32_hex_digits
        CHECK (cohort_id ~ '^[0-9a-f]{32}$'),
    CONSTRAINT position_is_not_negative
        CHECK (position >= 0),
    CONSTRAINT lengths_fit
        CHECK (octet_length(digest) = 32 AND (person_key IS NULL OR octet_length(person_key) = 32)),
    CONSTRAINT forgotten_members_have_no_face
        CHECK ((key_id IS NULL) = (sealed IS NULL) AND (sealed IS NOT NULL OR person_key IS NULL))
);

CREATE INDEX cohort_member_person ON store.cohort_member (person_key) WHERE person_key IS NOT NULL;

COMMENT ON TABLE store.cohort_member IS
    'The people of each cohort, which a calibration names by its id. A member who was forgotten keeps the row without face and
     person.';
COMMENT ON COLUMN store.cohort_member.person_key IS
    'The keyed hash of the NIK of somebody who was drawn from the store; NULL for somebody of labelled photos.';
COMMENT ON COLUMN store.cohort_member.digest IS
    'SHA-256 over a random salt, which is sealed with the embedding, and the embedding. The id is a digest of all of these.';
COMMENT ON COLUMN store.cohort_member.sealed IS
    'Salt and embedding, encrypted under the template key key_id for this cohort and position.';

GRANT SELECT ON store.cohort_member TO padan_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON store.cohort_member TO padan_operator;
GRANT SELECT (cohort_id, position, contract_id, digest, key_id) ON store.cohort_member TO padan_auditor;
