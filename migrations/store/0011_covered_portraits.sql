-- A portrait on which the face is covered or cut off gives an embedding, but its percentages do not mean what the
-- calibration says. Such portraits are counted. Programs that do not know these columns go on as before: their rows
-- count as not judged.

ALTER TABLE store.face_template
    ADD COLUMN covered boolean;

COMMENT ON COLUMN store.face_template.covered IS
    'Whether the face on the portrait is covered or cut off, by the rules for selfies; null when there is no embedding,
     or when the program that made the row did not judge it.';

ALTER TABLE store.enrolment_run
    ADD COLUMN covered bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN store.enrolment_run.covered IS
    'People of the finished ranges who have an embedding of a covered or cut-off face; they are among `templates`.';

GRANT SELECT (covered) ON store.enrolment_run TO padan_service;
