-- Converts store.face_template to a table with hash partitions by person, while services run. For stores of ten million
-- people or more: see docs/operations.md, "A whole country".
--
--     psql STORE_URL --set ON_ERROR_STOP=1 --set partitions=32 --file deploy/store/partitions.sql
--
-- Run it as the owner of the table, with disk space for a second copy of it. The steps are:
--
-- 1. Create an empty partitioned table with the same columns, checks, key, comments and privileges.
-- 2. Create a trigger that repeats each write of the services on the new table. This blocks writers for a moment.
-- 3. Copy all rows in the order of the key, some thousand in a transaction. The rows of a transaction cannot be changed
--    until it ends.
-- 4. Exchange the names of the two tables, which locks them for milliseconds. Each attempt waits at most a tenth of a
--    second for the lock, so that services are not blocked. Attempts are made for a minute.
--
-- It can be stopped at any time: services continue to use the former table, and another run continues the work. The
-- former table remains as store.face_template_whole. The last lines describe how to drop it and how to restore it.

\if :{?partitions}
\else
\set partitions 32
\endif
-- Below the services' own limit (store.lock_timeout_ms), since they queue behind this session's lock.
SET lock_timeout = '100ms';
SET client_min_messages = warning;
SELECT set_config('padan.partitions', :'partitions', false) \gset padan_

-- 1 and 2.
DO $$
DECLARE
    parts constant int := current_setting('padan.partitions');
    grants text;
BEGIN
    IF (SELECT relkind = 'p' FROM pg_class WHERE oid = 'store.face_template'::regclass) THEN
        RAISE 'store.face_template has partitions already';
    END IF;
    IF parts NOT BETWEEN 2 AND 1024 THEN
        RAISE 'expected 2 to 1024 partitions, found %', parts;
    END IF;
    IF to_regclass('store.face_template_whole') IS NOT NULL THEN
        RAISE 'store.face_template_whole exists from an earlier run: drop it first';
    END IF;
    IF to_regclass('store.face_template_new') IS NOT NULL THEN
        RETURN;
    END IF;
    CREATE TABLE store.face_template_new (LIKE store.face_template INCLUDING ALL) PARTITION BY HASH (person_key);
    FOR part IN 0 .. parts - 1 LOOP
        EXECUTE format('CREATE TABLE store.face_template_%s PARTITION OF store.face_template_new
                        FOR VALUES WITH (MODULUS %s, REMAINDER %s)', lpad(part::text, 4, '0'), parts, part);
    END LOOP;
    EXECUTE format('COMMENT ON TABLE store.face_template_new IS %L',
                   obj_description('store.face_template'::regclass, 'pg_class'));
    -- Copies the privileges on the table and on its columns. No role gets privileges on a partition.
    SELECT string_agg(format('GRANT %s%s ON store.face_template_new TO %s%s', privilege_type, of_column,
                             CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
                             CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), ';')
      INTO grants
      FROM (SELECT '' AS of_column, privileges.*
              FROM pg_class, aclexplode(relacl) AS privileges
             WHERE oid = 'store.face_template'::regclass AND grantee <> relowner
            UNION ALL
            SELECT format(' (%I)', attname), privileges.*
              FROM pg_attribute, aclexplode(attacl) AS privileges
             WHERE attrelid = 'store.face_template'::regclass) AS granted;
    EXECUTE coalesce(grants, 'SELECT');

    -- SECURITY DEFINER, since the services have no privileges on the new table yet.
    CREATE OR REPLACE FUNCTION store.follow_face_template() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $follow$
    BEGIN
        IF TG_OP <> 'INSERT' THEN
            DELETE FROM store.face_template_new
             WHERE person_key = OLD.person_key AND contract_id = OLD.contract_id;
        END IF;
        IF TG_OP <> 'DELETE' THEN
            INSERT INTO store.face_template_new SELECT NEW.*;
        END IF;
        RETURN NULL;
    END $follow$;
    REVOKE ALL ON FUNCTION store.follow_face_template FROM PUBLIC;
    CREATE TRIGGER followed AFTER INSERT OR UPDATE OR DELETE ON store.face_template
        FOR EACH ROW EXECUTE FUNCTION store.follow_face_template();
END $$;

-- 3. The lock on a row waits for a change in progress, and prevents further ones until the transaction ends. Therefore
--    no change is lost, and no deleted row reappears.
CREATE OR REPLACE PROCEDURE store.copy_face_templates() LANGUAGE plpgsql AS $$
DECLARE
    person   bytea := '';
    contract text  := '';
    page     record;
BEGIN
    LOOP
        WITH taken AS MATERIALIZED (
            SELECT *
              FROM store.face_template
             WHERE (person_key, contract_id) > (person, contract)
             ORDER BY person_key, contract_id
             LIMIT 5000
               FOR SHARE
        ), copied AS (
            INSERT INTO store.face_template_new SELECT * FROM taken
                ON CONFLICT (person_key, contract_id) DO NOTHING
        )
        SELECT person_key, contract_id INTO page
          FROM taken
         ORDER BY person_key DESC, contract_id DESC
         LIMIT 1;
        EXIT WHEN NOT FOUND;
        COMMIT;
        person := page.person_key;
        contract := page.contract_id;
    END LOOP;
END $$;
SET lock_timeout = 0;
CALL store.copy_face_templates();
DROP PROCEDURE store.copy_face_templates;
ANALYZE store.face_template_new;

-- 4. Prepared statements of the services find the new table by its name. A long wait for the lock would block the
--    services.
SET lock_timeout = '100ms';
DO $$
BEGIN
    FOR attempt IN 1 .. 120 LOOP
        BEGIN
            LOCK TABLE store.face_template IN ACCESS EXCLUSIVE MODE;
            DROP TRIGGER followed ON store.face_template;
            DROP FUNCTION store.follow_face_template;
            ALTER TABLE store.face_template RENAME TO face_template_whole;
            ALTER TABLE store.face_template_whole RENAME CONSTRAINT face_template_pkey TO face_template_whole_pkey;
            ALTER TABLE store.face_template_new RENAME TO face_template;
            ALTER TABLE store.face_template RENAME CONSTRAINT face_template_new_pkey TO face_template_pkey;
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            PERFORM pg_sleep(0.5);
        END;
    END LOOP;
    RAISE 'cannot lock store.face_template: end long-running readers such as pg_dump, and run this again';
END $$;
RESET lock_timeout;

-- To cancel before the exchange:
--
--     DROP TRIGGER followed ON store.face_template;
--     DROP FUNCTION store.follow_face_template;
--     DROP TABLE store.face_template_new;
--
-- After the exchange, once `padan doctor` reports no problem:
--
--     DROP TABLE store.face_template_whole;
--
-- To restore the former table. Templates that were written since then are lost, and are created again from the
-- registry's portraits:
--
--     BEGIN;
--     DROP TABLE store.face_template;
--     ALTER TABLE store.face_template_whole RENAME TO face_template;
--     ALTER TABLE store.face_template RENAME CONSTRAINT face_template_whole_pkey TO face_template_pkey;
--     COMMIT;
--
-- Autovacuum does not analyse a partitioned table as a whole. The plans of `padan keys rotate` and `padan templates
-- prune` need these statistics, so run this once a day:
--
--     ANALYZE store.face_template;
