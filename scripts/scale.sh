#!/usr/bin/env bash
# Fills registries and stores with 10 thousand, 1 million and 10 million generated people, and measures the cost of
# look-ups, of an enrolment's pass over the registry and of storage in each: `make scale`. One size is also partitioned,
# as for a whole country, and measured with and without partitions. The figures go to benches/out.
#
# The server uses three fifths of the memory for its buffers. Ten million people take 11 GB of disk, all sizes 16 GB.
#
#     scripts/scale.sh [PEOPLE...]
#
# PADAN_SCALE_PARTITIONED=N sets the size that is also partitioned, PADAN_SCALE_PARTITIONS=P the number of partitions.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

if [ "${1-}" != inside ]; then
  [ $# -gt 0 ] || set -- 10000 1000000 10000000
  buffers=$(awk '/^MemTotal:/ { print int($2 * 0.6 / 1024) }' /proc/meminfo)
  # No checkpoint may happen during a measurement.
  exec "$demo" cluster --setting "shared_buffers=${buffers}MB" --setting shared_preload_libraries=pg_stat_statements \
    --setting max_wal_size=4GB --setting checkpoint_timeout=1h -- scripts/scale.sh inside "$@"
fi
shift
scale=${padan%/*}/padan-scale
partitions=${PADAN_SCALE_PARTITIONS-32}
partitioned=${PADAN_SCALE_PARTITIONED-}
if [ -z "$partitioned" ]; then
  # The largest size of up to a million.
  partitioned=$(printf '%s\n' "$@" | sort --numeric-sort | awk '$1 <= 1000000 { found = $1 } END { print found }')
fi
server=${PADAN_TEST_DATABASE_URL%/*}
out=$PWD/benches/out

sql() { psql --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 "$@"; }

say "filling $*"
"$scale" --out "$out" fill "$@"
say "measuring $*"
sql "$PADAN_TEST_DATABASE_URL" --command CHECKPOINT
"$scale" --out "$out" measure "$@"
if [ -n "$partitioned" ]; then
  name=$partitioned-in-$partitions
  for kind in registry store; do
    sql "$PADAN_TEST_DATABASE_URL" --command "CREATE DATABASE \"${kind}_$name\"
      TEMPLATE ${kind}_$partitioned STRATEGY file_copy"
  done
  began=$SECONDS
  sql "$server/store_$name" --set partitions="$partitions" --file deploy/store/partitions.sql
  say "the store of $partitioned is in $partitions partitions after $((SECONDS - began)) s"
  counts=$(sql "$server/store_$name" --command "SELECT (SELECT count(*) FROM store.face_template_whole),
    count(*), count(*) FILTER (WHERE whole.sealed = face_template.sealed)
    FROM store.face_template LEFT JOIN store.face_template_whole AS whole USING (person_key, contract_id)")
  [ "$counts" = "$partitioned|$partitioned|$partitioned" ] || fail "expected $partitioned rows before and after, all with equal templates, found: $counts"
  sql "$server/store_$name" --command 'DROP TABLE store.face_template_whole'
  began=$SECONDS
  sql "$server/registry_$name" --set partitions="$partitions" --file benches/scale/registry-partitions.sql
  say "the registry of $partitioned is in $partitions partitions after $((SECONDS - began)) s"
  # PostgreSQL plans each look-up among partitions again, unless it is configured to keep the plan.
  for kind in registry store; do
    sql "$PADAN_TEST_DATABASE_URL" --command "CREATE DATABASE \"${kind}_$name-planned-once\"
      TEMPLATE \"${kind}_$name\" STRATEGY file_copy"
    sql "$PADAN_TEST_DATABASE_URL" --command "ALTER DATABASE \"${kind}_$name-planned-once\"
      SET plan_cache_mode = force_generic_plan"
  done
  say "measuring $partitioned, $name and $name-planned-once"
  sql "$PADAN_TEST_DATABASE_URL" --command CHECKPOINT
  "$scale" --out "$out" measure --file scale-partitions.json "$partitioned" "$name" "$name-planned-once"
fi
sed -n 's/^model name\t*: /Processor: /p' /proc/cpuinfo | head -n 1
say "the figures are in ${out#"$PWD/"}: scale-filling.json, scale.json, scale-partitions.json"
