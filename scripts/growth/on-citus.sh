#!/usr/bin/env bash
# Distributes registry and store over two servers with Citus while clients call, then tries every operation of the
# program with the roles of a site. Fails if an operation or a request failed. `make growth` runs it.
#
#     CITUS_PGCONFIG=/usr/lib/postgresql/15/bin/pg_config scripts/growth/on-citus.sh
#
# CITUS_PGCONFIG is the pg_config of a PostgreSQL that has Citus 11.1 or later. Three private servers are started: a
# coordinator and two workers. PADAN_GROWTH_PORT is the first of four ports, PADAN_GROWTH_OUT a file to which the answers
# are appended; without it they are printed as a table.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/../paths.sh"

# server COMMAND...: runs a command with one more private server that has Citus.
server() {
  exec "$demo" cluster --setting shared_preload_libraries=citus --setting wal_level=logical \
    --setting max_wal_senders=20 --setting max_replication_slots=20 --setting max_prepared_transactions=200 \
    --setting citus.node_conninfo=sslmode=prefer --setting citus.local_hostname=127.0.0.1 -- "$@"
}
case "${1-}" in
  inside) ;;
  worker) FIRST_WORKER=$PADAN_TEST_DATABASE_URL server scripts/growth/on-citus.sh coordinator ;;
  coordinator) SECOND_WORKER=$PADAN_TEST_DATABASE_URL server scripts/growth/on-citus.sh inside ;;
  *)
    [ -n "${CITUS_PGCONFIG-}" ] || fail "set CITUS_PGCONFIG to the pg_config of a PostgreSQL that has Citus"
    PATH=$("$CITUS_PGCONFIG" --bindir):$PATH
    export PATH
    [ -e "$("$CITUS_PGCONFIG" --pkglibdir)/citus.so" ] || fail "the PostgreSQL of $CITUS_PGCONFIG has no Citus"
    server scripts/growth/on-citus.sh worker
    ;;
esac
# shellcheck source=scripts/site.sh
. scripts/site.sh
port=${PADAN_GROWTH_PORT-18080}
export PGOPTIONS='-c client_min_messages=warning'

port_of() { sed --regexp-extended 's|.*:([0-9]+)/.*|\1|' <<<"$1"; }
password_of() { sed --regexp-extended 's|.*://[^:]*:([^@]*)@.*|\1|' <<<"$1"; }
# as ROLE URL: the URL for another role. All roles have the same password here.
as() { sed --regexp-extended "s|://[^:]*:[^@]*@|://$1:$password@|" <<<"$2"; }

password=$(password_of "$PADAN_TEST_DATABASE_URL")
coordinator=$PADAN_TEST_DATABASE_URL
make_site "$(url_of "$coordinator" registry)"
# shellcheck source=scripts/growth/operations.sh
. scripts/growth/operations.sh
registry_owner=$(url_of "$coordinator" registry) store_owner=$(url_of "$coordinator" store)
owner=$(query "$coordinator" --command 'SELECT current_user')
for worker in "$FIRST_WORKER" "$SECOND_WORKER"; do
  query "$worker" --command "ALTER ROLE \"$owner\" PASSWORD '$password'"
done
workers=("$(as "$owner" "$FIRST_WORKER")" "$(as "$owner" "$SECOND_WORKER")")

# The roles of a site, on all servers: Citus creates no role of the coordinator that is older than the extension.
logins='CREATE ROLE padan_reader LOGIN; CREATE ROLE padan_enroller LOGIN'
for worker in "${workers[@]}"; do query "$worker" --file deploy/store/roles.sql --command "$logins"; done
in_store 'CREATE ROLE padan_app LOGIN IN ROLE padan_service; CREATE ROLE padan_admin LOGIN IN ROLE padan_operator'
query "$registry_owner" --file deploy/registry/reader.sql
roles=(padan_app padan_admin padan_reader padan_enroller)
for server in "$coordinator" "${workers[@]}"; do
  for role in "${roles[@]}"; do query "$server" --command "ALTER ROLE $role PASSWORD '$password'"; done
done

# Services run and clients call from here on. For the exchange of the tables they wait longer for locks than usual.
longer=(PADAN__{STORE,REGISTRY}__{LOCK,STATEMENT}_TIMEOUT_MS=5000 PADAN__REGISTRY__LOOKUP_TIMEOUT_MS=6000)
export "${longer[@]}"
start_service moving "$((port + 2))" "$((port + 3))"
moving=$service
start_load --url "http://127.0.0.1:$((port + 2))" --connections 2 --seconds 3600
sleep 3

# Distributing concurrently needs logical replication with the library of Citus.
for server in "$coordinator" "${workers[@]}"; do
  query "$server" --command "ALTER SYSTEM SET output_plugin_libraries = 'pgoutput', 'citus'" || true
  query "$server" --command 'SELECT pg_reload_conf()' >/dev/null
done
for database in registry store; do
  for server in "${workers[@]}"; do query "$server" --command "CREATE DATABASE $database"; done
  for server in "$coordinator" "${workers[@]}"; do
    query "$(url_of "$server" "$database")" --command 'CREATE EXTENSION citus' \
      --command "INSERT INTO pg_dist_authinfo VALUES (0, '$owner', 'password=$password')"
  done
  database_url=$(url_of "$coordinator" "$database")
  query "$database_url" --command "SELECT citus_set_coordinator_host('127.0.0.1', $(port_of "$coordinator"))" >/dev/null
  for server in "${workers[@]}"; do
    query "$database_url" --command "SELECT citus_add_node('127.0.0.1', $(port_of "$server"))" >/dev/null
  done
  for server in "$coordinator" "${workers[@]}"; do
    for role in "${roles[@]}"; do
      query "$(url_of "$server" "$database")" --command "INSERT INTO pg_dist_authinfo VALUES (0, '$role', 'password=$password')"
    done
  done
done
began=$SECONDS
in_store "SELECT create_distributed_table_concurrently('store.face_template', 'person_key')" >/dev/null
in_registry "SELECT create_distributed_table_concurrently('civil_registry.person', 'nik')" >/dev/null
say "registry and store are distributed after $((SECONDS - began)) s: $(in_store \
  "SELECT count(*) || ' shards on ' || count(DISTINCT nodeport) || ' servers' FROM citus_shards")"
# Distributing makes the view again, without its privileges; and the servers check enrolment's role on the tables.
query "$registry_owner" --file deploy/registry/reader.sql \
  --command 'GRANT USAGE ON SCHEMA civil_registry TO padan_enroller' \
  --command 'GRANT SELECT ON civil_registry.person TO padan_enroller'
sleep 3
finish_load
grep --max-count 3 'unavailable' "$work/moving.log" >&2 || true
failures=0
[ "$failed" -eq 0 ] || { say "$failed requests failed meanwhile"; failures=$((failures + 1)); }
kill -TERM "$moving"
wait "$moving" || fail "the service ended with an error: $(tail -n 5 "$work/moving.log")"
forget "$moving"
unset "${longer[@]%%=*}"

service_registry=$(as padan_reader "$registry_owner") operator_registry=$(as padan_enroller "$registry_owner")
service_store=$(as padan_app "$store_owner") operator_store=$(as padan_admin "$store_owner")
# The lag of the node that is furthest behind: a row in one shard is made older.
query "$registry_owner" --output /dev/null --set table=civil_registry.person --file deploy/registry/lag-seconds-citus.sql
lag() { query "$(as padan_reader "$registry_owner")" --command 'BEGIN READ ONLY' --command 'SELECT padan.lag_seconds()::int'; }
citus_form="Citus $(in_store "SELECT extversion FROM pg_extension WHERE extname = 'citus'")"
places=$(in_registry "SELECT count(DISTINCT get_shard_id_for_distribution_column('padan.heartbeat', place)) FROM padan.heartbeat")
current=$(lag)
in_registry "UPDATE padan.heartbeat SET beaten_at = now() - interval '1 hour' WHERE place = (SELECT max(place) FROM padan.heartbeat)"
behind=$(lag)
in_registry 'UPDATE padan.heartbeat SET beaten_at = now()'
if [ "$places" -eq 32 ] && [ "$current" -lt 60 ] && [ "$behind" -ge 3600 ]; then
  record "$citus_form" 'lag over all nodes' ok "$current s, and $behind s when one shard is behind"
else
  record "$citus_form" 'lag over all nodes' FAILED "$places places, $current s, $behind s"
  failures=$((failures + 1))
fi
# Without the function, the servers check the service's role on the tables too.
# shellcheck disable=SC2034
view_needs='GRANT USAGE ON SCHEMA civil_registry TO padan_reader; GRANT SELECT ON civil_registry.person TO padan_reader'
run_operations "$citus_form" "$port" || failures=$((failures + 1))
if [ -n "${PADAN_GROWTH_OUT-}" ]; then cat "$answers" >>"$PADAN_GROWTH_OUT"; else print_answers; fi
[ "$failures" -eq 0 ]
