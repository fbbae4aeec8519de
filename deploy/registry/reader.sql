-- The role with which Padan connects. It may read padan.citizen and nothing else. Run this after the view was created,
-- as a role that may create roles; it can be repeated. The role has no password until you set one (\password).

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'padan_reader') THEN
        CREATE ROLE padan_reader LOGIN;
    END IF;
END
$$;

ALTER ROLE padan_reader NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    -- For all processes of Padan together: registry.max_connections times the number of processes, and a reserve.
    CONNECTION LIMIT 100;

-- Padan requests both itself. Set here, they also apply to another program that uses the password.
ALTER ROLE padan_reader SET default_transaction_read_only = on;
ALTER ROLE padan_reader SET statement_timeout = '10s';

REVOKE ALL ON SCHEMA padan FROM PUBLIC;
GRANT USAGE ON SCHEMA padan TO padan_reader;
REVOKE ALL ON padan.citizen FROM PUBLIC;
GRANT SELECT ON padan.citizen TO padan_reader;
