-- The reason why a portrait gives no embedding is authenticated from here on: `sealed` is then the encryption of
-- nothing, bound to the row and to the reason. Otherwise whoever can change this table could refuse a person with one
-- UPDATE.
--
-- Rows of earlier programs have a reason without a seal. They are allowed, since such a program may still run during an
-- upgrade, and ignored: each is made again when its person is next verified or enrolled.
--
-- The checks are not repeated for existing rows, which satisfied narrower ones.

ALTER TABLE store.face_template
    DROP CONSTRAINT sealed_is_whole_floats,
    DROP CONSTRAINT either_sealed_or_reason,
    -- A nonce of 12 bytes, a tag of 16, and whole floats between; none beside a reason.
    ADD CONSTRAINT sealed_is_whole_floats
        CHECK (octet_length(sealed) BETWEEN 28 AND 65536 AND octet_length(sealed) % 4 = 0) NOT VALID,
    ADD CONSTRAINT either_sealed_or_reason
        CHECK (num_nonnulls(sealed, key_id) <> 1
           AND CASE WHEN unusable_reason IS NULL THEN coalesce(octet_length(sealed), 0) > 28
                    ELSE coalesce(octet_length(sealed), 28) = 28 END) NOT VALID;

COMMENT ON COLUMN store.face_template.sealed IS
    'AES-256-GCM over a vector of unit length as little-endian 32-bit floats: nonce, ciphertext, tag. Bound to
     person_key, contract_id and portrait_updated_at. Over nothing when the portrait gave no embedding, and then also
     bound to decoder_version and unusable_reason.';
COMMENT ON COLUMN store.face_template.unusable_reason IS
    'The reason code that the portrait failed with; null when there is an embedding. Authenticated by sealed.';
