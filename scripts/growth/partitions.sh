# shellcheck shell=bash disable=SC2154
# Sourced by scripts/growth.sh: registry and store are split into hash partitions while clients call, and then tried.
# PADAN_GROWTH_PARTITIONS is the number of partitions.

try_partitions() {
  local partitions=${PADAN_GROWTH_PARTITIONS-32} began moving
  new_site
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
  kill -TERM "$moving"
  wait "$moving" || fail "the service ended with an error: $(tail -n 5 "$work/moving.log")"
  forget "$moving"
  if [ "$failed" -ne 0 ]; then
    say "$failed requests failed while the tables were split"
    failed_forms+=('the move to partitions')
  fi
  try_form "$partitions partitions"
}
