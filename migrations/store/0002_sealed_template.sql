-- Templates are encrypted from here on. Those that are not are given up: each is made again from the registry's
-- portrait when its person is next verified.

DELETE FROM store.face_template WHERE embedding IS NOT NULL;

ALTER TABLE store.face_template
    DROP COLUMN embedding,
    ADD COLUMN key_id text,
    ADD COLUMN sealed bytea,
    ADD CONSTRAINT key_id_is_8_hex_digits
        CHECK (key_id ~ '^[0-9a-f]{8}$'),
    -- A nonce of 12 bytes, a tag of 16, and whole floats between.
    ADD CONSTRAINT sealed_is_whole_floats
        CHECK (octet_length(sealed) BETWEEN 32 AND 65536 AND octet_length(sealed) % 4 = 0),
    ADD CONSTRAINT either_sealed_or_reason
        CHECK (num_nonnulls(sealed, unusable_reason) = 1 AND num_nonnulls(sealed, key_id) <> 1);

-- Encrypted bytes do not compress; the attempt would cost time on every write.
ALTER TABLE store.face_template ALTER COLUMN sealed SET STORAGE EXTERNAL;

COMMENT ON COLUMN store.face_template.key_id IS
    'The template key that opens the embedding.';
COMMENT ON COLUMN store.face_template.sealed IS
    'AES-256-GCM over a vector of unit length as little-endian 32-bit floats: nonce, ciphertext, tag. Bound to
     person_key, contract_id and portrait_updated_at; null when the portrait gave none.';
COMMENT ON COLUMN store.face_template.portrait_updated_at IS
    'The registry''s portrait_updated_at of the photo that was embedded; once they differ, it is stale. Part of what
     the embedding is bound to.';
