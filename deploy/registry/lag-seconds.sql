-- A function by which a replica tells Padan how far it is behind, for replicas that PostgreSQL itself cannot say it of:
-- logical ones and standbys of a standby. For a registry on Citus see lag-seconds-citus.sql. Without the
-- function, Padan asks PostgreSQL. docs/failover.md says when that is enough.
--
-- The primary writes the time into one row. A replica knows from the row how old its data is.
--
--   1. Run this file on the primary, after reader.sql. A physical standby gets it from there. On a logical replica,
--      run it too, and add the table to the publication.
--   2. On the primary, repeat this each five seconds, by a service with a user who may do nothing else:
--          INSERT INTO padan.heartbeat (beaten_at) VALUES (clock_timestamp())
--          ON CONFLICT (only_row) DO UPDATE SET beaten_at = excluded.beaten_at;
--      The lag that Padan shows is then up to five seconds too long. If the job stops, all replicas seem to lag.
--
-- The clocks of the primary and its replicas must agree.

CREATE TABLE IF NOT EXISTS padan.heartbeat (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    beaten_at timestamptz NOT NULL
);

-- It runs as its owner, so that Padan's roles need no access to the table.
CREATE OR REPLACE FUNCTION padan.lag_seconds()
    RETURNS double precision
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
SELECT extract(epoch FROM clock_timestamp() - max(beaten_at))::double precision
  FROM padan.heartbeat
$$;

REVOKE ALL ON padan.heartbeat FROM PUBLIC;
REVOKE ALL ON FUNCTION padan.lag_seconds() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION padan.lag_seconds() TO padan_reader, padan_enroller;
