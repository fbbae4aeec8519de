-- As lag-seconds.sql, for a registry that is distributed by Citus: padan.lag_seconds() then says how far the node is
-- behind that is furthest behind. There is a row in each shard of the registry, and the primary writes the time into all of them.
--
--   1. Run this on the coordinator, after reader.sql, with the registry's table:
--          psql URL --set table=civil_registry.person --file lag-seconds-citus.sql
--      The table's distribution column must be of type text.
--   2. On the primary's coordinator, repeat this each five seconds, by a service with a user who may do nothing else:
--          UPDATE padan.heartbeat SET beaten_at = now();
--
-- Padan_reader needs no right to the table or on the workers. If a node does not answer, the function fails, and the
-- metric padan_registry_replica_lag_seconds has no value. The clocks of all nodes must agree.

CREATE TABLE IF NOT EXISTS padan.heartbeat (
    place text PRIMARY KEY,
    beaten_at timestamptz NOT NULL
);
SELECT create_distributed_table('padan.heartbeat', 'place', colocate_with => :'table')
 WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'padan.heartbeat'::regclass);
-- One place in each shard: the first of many that the hash puts there.
INSERT INTO padan.heartbeat (place, beaten_at)
SELECT min(candidate), now()
  FROM (SELECT n::text AS candidate, get_shard_id_for_distribution_column('padan.heartbeat', n::text) AS shard
          FROM generate_series(1, 20000) AS n) AS candidates
 GROUP BY shard
    ON CONFLICT (place) DO UPDATE SET beaten_at = excluded.beaten_at;

-- It runs as its owner, so that Padan's roles need no access to the table.
CREATE OR REPLACE FUNCTION padan.lag_seconds()
    RETURNS double precision
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
SELECT extract(epoch FROM clock_timestamp() - min(beaten_at))::double precision
  FROM padan.heartbeat
$$;

REVOKE ALL ON padan.heartbeat FROM PUBLIC;
REVOKE ALL ON FUNCTION padan.lag_seconds() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION padan.lag_seconds() TO padan_reader, padan_enroller;
