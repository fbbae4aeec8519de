-- A portrait that an older decoder could not use may be usable now. It is tried again once by each newer decoder.
-- Programs that do not know this column go on as before: their new rows count as made by the oldest decoder.

ALTER TABLE store.face_template
    ADD COLUMN decoder_version smallint NOT NULL DEFAULT 0;

COMMENT ON COLUMN store.face_template.decoder_version IS
    'The version of the decoder that read the portrait; 0 when the program did not record it. A row without embedding
     is made again when the program has a newer decoder.';
