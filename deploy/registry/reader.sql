-- The roles with which Padan connects. `padan_reader` is for the service: it may call padan.citizen_of, which gives one
-- person, and nothing else. `padan_enroller` is for `padan enroll`, which reads all people: it may also read
-- padan.citizen. Run this after citizen-view.sql and citizen-of.sql, as a role that may create roles; it can be repeated.
-- The roles have no password until you set one (\password).

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'padan_reader') THEN
        CREATE ROLE padan_reader LOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'padan_enroller') THEN
        CREATE ROLE padan_enroller LOGIN;
    END IF;
END
$$;

ALTER ROLE padan_reader NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    -- For all processes of Padan together: registry.max_connections times the number of processes, and a reserve.
    CONNECTION LIMIT 100;
ALTER ROLE padan_enroller NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    -- registry.max_connections times the number of `padan enroll` that run at the same time.
    CONNECTION LIMIT 40;

-- Padan requests both itself. Set here, they also apply to another program that uses the password.
ALTER ROLE padan_reader SET default_transaction_read_only = on;
ALTER ROLE padan_reader SET statement_timeout = '10s';
ALTER ROLE padan_enroller SET default_transaction_read_only = on;
ALTER ROLE padan_enroller SET statement_timeout = '10s';

REVOKE ALL ON SCHEMA padan FROM PUBLIC;
GRANT USAGE ON SCHEMA padan TO padan_reader, padan_enroller;
REVOKE ALL ON padan.citizen FROM PUBLIC;
-- Earlier versions of this file granted it.
REVOKE ALL ON padan.citizen FROM padan_reader;
GRANT EXECUTE ON FUNCTION padan.citizen_of(text) TO padan_reader, padan_enroller;
GRANT SELECT ON padan.citizen TO padan_enroller;
