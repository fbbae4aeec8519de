-- Makes store.face_template a table of hash partitions by person, while services run. For stores of some ten million people
-- and more: see docs/operations.md, "A whole country".
--
--     psql STORE_URL --set ON_ERROR_STOP=1 --set partitions=32 --file deploy/store/partitions.sql
--
-- Run it as the user who owns the table, with room for a second copy of it. What it does, each step by itself:
--
-- 1. an empty partitioned table beside the one in use, with the same columns, checks, key, comments and rights;
-- 2. a trigger that writes to it what the services write; making it waits for writers and lets them wait for moments;
-- 3. everybody's rows, some thousand a transaction, in the order of the key; rows under way are locked against change;
-- 4. the exchange of the two names, which locks the table for milliseconds. It waits for statements that use it for a tenth
--    of a second, lets everybody go on, and tries again, for a minute.
--
-- Ended at any moment, services go on with the table that they have. Another run goes on with what is missing. The former
-- table stays as store.face_template_whole; the last lines say how to compare and to drop it, and how to go back.

\if :{?partitions}
\else
\set partitions 32
\endif
-- Below the services' own limit (store.lock_timeout_ms), since they wait behind whoever waits here.
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
        RAISE 'store.face_template is a table of partitions already';
    END IF;
    IF parts NOT BETWEEN 2 AND 1024 THEN
        RAISE '% is no number of partitions: 2 to 1024', parts;
    END IF;
    IF to_regclass('store.face_template_whole') IS NOT NULL THEN
        RAISE 'store.face_template_whole is there: it is from a run before, drop it first';
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
    -- Rights to the whole and to columns. Nobody gets one to a partition.
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

    -- It runs with the rights of its owner, since services may not know the table that it writes to.
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

-- 3. A row that is being changed is waited for and taken as it becomes; one that is taken stays as it is until the
-- transaction ends. So nothing is missed, and nobody who was forgotten meanwhile comes back.
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

-- 4. Statements that services have prepared find the new table by its name. Waiting long would let everybody wait behind.
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
    RAISE 'store.face_template is in use all the time: end what reads it for long, such as pg_dump, and run this again';
END $$;
RESET lock_timeout;

-- To give up before the exchange:
--
--     DROP TRIGGER followed ON store.face_template;
--     DROP FUNCTION store.follow_face_template;
--     DROP TABLE store.face_template_new;
--
-- Afterwards, once `padan doctor` has nothing to say:
--
--     DROP TABLE store.face_template_whole;
--
-- Back, which gives up what was written since; it is made again from the registry's portraits:
--
--     BEGIN;
--     DROP TABLE store.face_template;
--     ALTER TABLE store.face_template_whole RENAME TO face_template;
--     ALTER TABLE store.face_template RENAME CONSTRAINT face_template_whole_pkey TO face_template_pkey;
--     COMMIT;
--
-- PostgreSQL's autovacuum never looks at a partitioned table as a whole. The service's figure of templates and the plans
-- of `padan templates prune` go by what it finds: let cron do this once a day.
--
--     ANALYZE store.face_template;
