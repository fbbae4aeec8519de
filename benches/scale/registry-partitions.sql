-- Replaces civil_registry.person of registry.sql by a table with hash partitions by NIK, as a site may do on its
-- primary. No other session may change the table meanwhile. The view is created again, since it refers to the old table
-- by its oid.
--
--     psql REGISTRY_URL --set ON_ERROR_STOP=1 --set partitions=32 --file benches/scale/registry-partitions.sql
SELECT set_config('padan.partitions', :'partitions', false) \gset padan_

CREATE TABLE civil_registry.person_new (LIKE civil_registry.person INCLUDING ALL) PARTITION BY HASH (nik);
DO $$
DECLARE
    parts constant int := current_setting('padan.partitions');
BEGIN
    FOR part IN 0 .. parts - 1 LOOP
        EXECUTE format('CREATE TABLE civil_registry.person_%s PARTITION OF civil_registry.person_new
                        FOR VALUES WITH (MODULUS %s, REMAINDER %s)', lpad(part::text, 4, '0'), parts, part);
    END LOOP;
END $$;
INSERT INTO civil_registry.person_new SELECT * FROM civil_registry.person;

BEGIN;
LOCK TABLE civil_registry.person IN ACCESS EXCLUSIVE MODE;
SELECT 'CREATE OR REPLACE VIEW padan.citizen AS ' || pg_get_viewdef('padan.citizen'::regclass) AS view \gset padan_
ALTER TABLE civil_registry.person RENAME TO person_whole;
ALTER TABLE civil_registry.person_new RENAME TO person;
SELECT :'padan_view' \gexec
DROP TABLE civil_registry.person_whole;
COMMIT;
ANALYZE civil_registry.person;
