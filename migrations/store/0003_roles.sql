-- Three roles that a site grants to users of its own: whoever answers requests, whoever looks after the service, and
-- whoever looks into what it did. They cannot log in themselves. Roles belong to the whole server: another store's
-- migration may have made them already, or be making them now.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['padan_service', 'padan_operator', 'padan_auditor'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN NULL;
                WHEN insufficient_privilege THEN
                    RAISE insufficient_privilege
                        USING MESSAGE = format('the role %I is missing and may not be created', wanted),
                              HINT = 'let a database administrator run deploy/store/roles.sql first';
            END;
        END IF;
    END LOOP;
END $$;

GRANT USAGE ON SCHEMA store TO padan_service, padan_operator, padan_auditor;
GRANT SELECT ON store._sqlx_migrations TO padan_service, padan_operator, padan_auditor;
GRANT SELECT, INSERT, UPDATE ON store.face_template TO padan_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON store.face_template TO padan_operator;
