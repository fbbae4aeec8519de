-- Checks the rows that existed before 0014. It reads the whole table and blocks nobody who reads or writes.

ALTER TABLE store.face_template VALIDATE CONSTRAINT sealed_is_whole_floats;
ALTER TABLE store.face_template VALIDATE CONSTRAINT either_sealed_or_reason;
