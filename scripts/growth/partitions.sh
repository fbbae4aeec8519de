#!/usr/bin/env bash
# Tries every operation of the program on one server, then splits registry and store into hash partitions while clients
# call, and tries every operation again. Prints a table, and fails if an operation or a request failed.
#
#     scripts/growth/partitions.sh
#
# PADAN_GROWTH_PARTITIONS is the number of partitions (32), PADAN_GROWTH_PORT the first of four ports, PADAN_GROWTH_OUT a
# file to which the answers are appended.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/../paths.sh"

if [ "${1-}" != inside ]; then
  exec "$padan" cluster -- scripts/growth/partitions.sh inside
fi
# shellcheck source=scripts/site.sh
. scripts/site.sh
port=${PADAN_GROWTH_PORT-18080}
partitions=${PADAN_GROWTH_PARTITIONS-32}

make_site "$(url_of "$PADAN_TEST_DATABASE_URL" registry)"
# shellcheck source=scripts/growth/operations.sh
. scripts/growth/operations.sh
failures=0
run_operations plain "$port" || failures=$((failures + 1))

# The same people again: the operations have changed some of them.
for database in registry store; do
  query "$PADAN_TEST_DATABASE_URL" --command "DROP DATABASE $database WITH (FORCE)"
done
rm "$work/padan.toml" "$work/clients.toml"
make_site "$(url_of "$PADAN_TEST_DATABASE_URL" registry)"
start_service moving "$((port + 2))" "$((port + 3))"
moving=$service
start_load --url "http://127.0.0.1:$((port + 2))" --connections 2 --seconds 3600
sleep 3
began=$SECONDS
query "$store_owner" --set partitions="$partitions" --file deploy/store/partitions.sql
in_store 'DROP TABLE store.face_template_whole'
query "$registry_owner" --set partitions="$partitions" --file benches/scale/registry-partitions.sql
say "registry and store are in $partitions partitions after $((SECONDS - began)) s"
sleep 3
finish_load
[ "$failed" -eq 0 ] || { say "$failed requests failed meanwhile"; failures=$((failures + 1)); }
kill -TERM "$moving"
wait "$moving" || fail "the service ended with an error: $(tail -n 5 "$work/moving.log")"
forget "$moving"
run_operations "$partitions partitions" "$port" || failures=$((failures + 1))
print_answers
if [ -n "${PADAN_GROWTH_OUT-}" ]; then cat "$answers" >>"$PADAN_GROWTH_OUT"; fi
[ "$failures" -eq 0 ]
