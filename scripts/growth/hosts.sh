#!/usr/bin/env bash
# Runs the store with two hosts in store.url: a primary and its standby. Lets clients call, kills the primary, promotes
# the standby, and prints how many requests were answered and refused. Fails if the service does not go on by itself.
#
#     scripts/growth/hosts.sh
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/../paths.sh"

if [ "${1-}" != inside ]; then
  # The registry is on a server of its own.
  [ "${1-}" = registry ] || exec "$demo" cluster -- scripts/growth/hosts.sh registry
  export PADAN_HOSTS_REGISTRY=$PADAN_TEST_DATABASE_URL
  exec "$demo" cluster --standbys 1 -- scripts/growth/hosts.sh inside
fi
# shellcheck source=scripts/site.sh
. scripts/site.sh

port=${PADAN_GROWTH_PORT-18080}
primary=$PADAN_TEST_DATABASE_URL standby=${PADAN_TEST_STANDBY_URLS%%,*}
place_of() { sed --regexp-extended 's|.*@([^/]*)/.*|\1|' <<<"$1"; }
make_site "$(url_of "$primary" registry)"
psql --quiet "$PADAN_HOSTS_REGISTRY" --command 'CREATE DATABASE registry'
pg_dump "$(url_of "$primary" registry)" | psql --quiet --output /dev/null "$(url_of "$PADAN_HOSTS_REGISTRY" registry)"
hosts="${primary%%@*}@$(place_of "$primary"),$(place_of "$standby")/store?target_session_attrs=read-write"
sed --in-place --regexp-extended -e "s|^url = .*|url = \"$hosts\"|" \
  -e "s|^urls = .*|urls = [\"$(url_of "$PADAN_HOSTS_REGISTRY" registry)\"]|" "$work/padan.toml"
"$padan" config check --config "$work/padan.toml"
"$padan" doctor --config "$work/padan.toml" | grep --ignore-case 'store'

start_service padan "$port" "$((port + 1))"
start_load --url "http://127.0.0.1:$port" --ask fields --rate 20 --seconds 3600
sleep 5
folder=$(psql --no-align --tuples-only "$primary" --command 'SHOW data_directory')
kill -KILL "$(head -n 1 "$folder/postmaster.pid")"
killed=${EPOCHREALTIME/,/.}
sleep 3
psql --quiet --output /dev/null "$standby" --command 'SELECT pg_promote()'
for _ in $(seq 300); do
  if curl --silent --fail --output /dev/null "http://127.0.0.1:$((port + 1))/readyz"; then break; fi
  sleep 0.1
done
say "ready again $(awk -v from="$killed" -v until="${EPOCHREALTIME/,/.}" 'BEGIN { printf "%.1f", until - from }') s after \
the primary was killed, of which 3 s passed before the standby was promoted"
sleep 5
finish_load
psql --no-align --tuples-only "$(url_of "$standby" store)" --command \
  "SELECT count(*) || ' audit rows on the promoted server' FROM store.audit_event"
curl --silent --fail --output /dev/null "http://127.0.0.1:$((port + 1))/readyz" || fail 'the service does not recover'
"$padan" audit verify --config "$work/padan.toml"
