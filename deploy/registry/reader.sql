-- The role that Padan logs in as. It can read padan.citizen and nothing else. Run it after the view was
-- created, as often as needed, as a role that may create roles. It has no password until one is set
-- (\password).

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'padan_reader') THEN
        CREATE ROLE padan_reader LOGIN;
    END IF;
END
$$;

ALTER ROLE padan_reader NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    -- All instances of Padan together: registry.max_connections times the number of instances, and some to
    -- spare.
    CONNECTION LIMIT 100;

-- Padan asks for both by itself. Here they also bind whoever else gets hold of the password.
ALTER ROLE padan_reader SET default_transaction_read_only = on;
ALTER ROLE padan_reader SET statement_timeout = '10s';

REVOKE ALL ON SCHEMA padan FROM PUBLIC;
GRANT USAGE ON SCHEMA padan TO padan_reader;
REVOKE ALL ON padan.citizen FROM PUBLIC;
GRANT SELECT ON padan.citizen TO padan_reader;
