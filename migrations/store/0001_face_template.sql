-- The service's own database. Every unique key contains person_key, so that tables can be distributed by it.

COMMENT ON SCHEMA store IS 'What the Padan service keeps for itself.';

CREATE TABLE store.face_template (
    person_key          bytea       NOT NULL,
    contract_id         text        NOT NULL,
    portrait_updated_at timestamptz NOT NULL,
    embedding           bytea,
    unusable_reason     text,
    created_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (person_key, contract_id),
    CONSTRAINT person_key_is_a_sha256
        CHECK (octet_length(person_key) = 32),
    CONSTRAINT contract_id_is_16_hex_digits
        CHECK (contract_id ~ '^[0-9a-f]{16}$'),
    -- Years that the service can represent; infinity is none of them.
    CONSTRAINT portrait_updated_at_is_a_moment
        CHECK (portrait_updated_at >= '0001-01-01 00:00:00+00'
           AND portrait_updated_at < '10000-01-01 00:00:00+00'),
    CONSTRAINT embedding_is_whole_floats
        CHECK (octet_length(embedding) BETWEEN 4 AND 65536 AND octet_length(embedding) % 4 = 0),
    CONSTRAINT unusable_reason_is_a_code
        CHECK (unusable_reason ~ '^[A-Z][A-Z0-9_]{0,39}$'),
    CONSTRAINT either_embedding_or_reason
        CHECK (num_nonnulls(embedding, unusable_reason) = 1)
);

-- Components of a unit vector do not compress; the attempt would cost time on every write.
ALTER TABLE store.face_template ALTER COLUMN embedding SET STORAGE EXTERNAL;

COMMENT ON TABLE store.face_template IS
    'The reference embedding of a person under one model contract, or why the portrait gave none.';
COMMENT ON COLUMN store.face_template.person_key IS
    'HMAC-SHA-256 of the NIK under the service''s person key. The NIK itself is nowhere in this database.';
COMMENT ON COLUMN store.face_template.contract_id IS
    'The model contract that the embedding belongs to. Templates of different contracts are never compared.';
COMMENT ON COLUMN store.face_template.portrait_updated_at IS
    'The registry''s portrait_updated_at of the photo that was embedded; once they differ, it is stale.';
COMMENT ON COLUMN store.face_template.embedding IS
    'A vector of unit length as little-endian 32-bit floats; null when the portrait gave none.';
COMMENT ON COLUMN store.face_template.unusable_reason IS
    'The reason code that the portrait failed with; null when there is an embedding.';
COMMENT ON COLUMN store.face_template.created_at IS
    'When this content was written.';
