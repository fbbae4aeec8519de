#!/usr/bin/env bash
# Stops the two standbys that a service reads in turn under load, twice each: by SIGKILL, and by PostgreSQL's immediate
# shutdown. Then holds the first one back, beyond registry.max_lag_seconds. Prints the results of the requests and the
# lag, and fails when a request failed, or the standby that was held back was still asked.
#
#     scripts/failover.sh [ARGUMENTS OF padan-load]
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

if [ "${1-}" != inside ]; then
  exec "$demo" cluster --standbys 2 -- scripts/failover.sh inside "$@"
fi
shift
[ $# -gt 0 ] || set -- --rate 20 --ask both
# shellcheck source=scripts/site.sh
. scripts/site.sh

port=${PADAN_FAILOVER_PORT:-18080} admin_port=${PADAN_FAILOVER_ADMIN_PORT:-19090} max_lag=4
export PADAN__REGISTRY__MAX_LAG_SECONDS=$max_lag
IFS=, read -r -a urls <<<"$PADAN_TEST_STANDBY_URLS"
IFS=, read -r -a folders <<<"$PADAN_TEST_STANDBY_FOLDERS"
registries=()
for url in "${urls[@]}"; do registries+=("$(url_of "$url" registry)"); done
make_site "${registries[@]}"

# stop_standby INDEX SIGNAL
stop_standby() { kill "-$2" "$(head -n 1 "${folders[$1]}/postmaster.pid")"; }

# start_standby INDEX: as the user that it ran as, with the command that PostgreSQL wrote to postmaster.opts.
start_standby() {
  local folder=${folders[$1]} as=()
  if [ "$(id -u)" -eq 0 ]; then
    as=(setpriv --reuid="$(stat --format %u "$folder")" --regid="$(stat --format %g "$folder")" --clear-groups)
  fi
  (cd -- "$folder" && eval "exec ${as[*]} $(cat "$folder/postmaster.opts")" >/dev/null 2>&1) &
  pids+=("$!")
  # Keeps the shell from reporting that it was killed.
  disown
}

# figures NAME: the lines of a metric.
figures() { curl --silent "http://127.0.0.1:$admin_port/metrics" | grep "^$1{"; }
# A standby that is down has no lag.
print_lag() { figures padan_registry_replica_lag_seconds | while read -r line; do say "$line"; done; }

# wait_for_standby INDEX: waits until it answers.
wait_for_standby() {
  for _ in $(seq 300); do
    if psql --quiet --command 'SELECT' "${registries[$1]}" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  fail "standby $(($1 + 1)) does not start again"
}

# value_of METRIC INDEX [MORE]: the metric of a standby, of the series that also contains MORE.
value_of() {
  figures "$1" | grep --fixed-strings "$(sed 's|.*@\(.*\)|host="\1"|' <<<"${registries[$2]}")" |
    grep --fixed-strings "${3-}" | sed 's/.* //'
}

# wait_until_left_out INDEX VALUE: waits until the metric says so.
wait_until_left_out() {
  for _ in $(seq 300); do
    if [ "$(value_of padan_registry_too_far_behind "$1")" = "$2" ]; then return; fi
    sleep 0.1
  done
  fail "standby $(($1 + 1)) does not get padan_registry_too_far_behind = $2"
}

# hold_back INDEX: pauses the replay of a standby for a while.
hold_back() {
  local before began=$SECONDS
  psql --quiet --output /dev/null --command 'SELECT pg_wal_replay_pause()' "${registries[$1]}"
  psql --quiet --command 'UPDATE civil_registry.person SET portrait_updated_at = portrait_updated_at' \
    "$(url_of "$PADAN_TEST_DATABASE_URL" registry)"
  wait_until_left_out "$1" 1
  say "standby $(($1 + 1)) is held back and was left out $((SECONDS - began)) s after the change"
  print_lag
  before=$(value_of padan_db_pool_connections "$1" 'state="open"')
  [ "$before" = 0 ] || fail "$before connections to the standby that is held back remain"
  before=$(value_of padan_db_pool_attempts_total "$1" 'outcome="any"')
  sleep 10
  # Only its lag is asked, every two seconds.
  before=$(($(value_of padan_db_pool_attempts_total "$1" 'outcome="any"') - before))
  say "it was asked $before times in 10 s, for its lag"
  [ "$before" -le 6 ] || fail "the standby that is held back is still asked"
  psql --quiet --output /dev/null --command 'SELECT pg_wal_replay_resume()' "${registries[$1]}"
  wait_until_left_out "$1" 0
  say "standby $(($1 + 1)) is used again"
}

start_service padan "$port" "$admin_port"
start_load --url "http://127.0.0.1:$port" --seconds 3600 "$@"
sleep 5
# Each time the standby in use is stopped: the service does not use the other one yet, which has just been started
# again.
for stop in "0 KILL" "1 QUIT" "0 QUIT" "1 KILL"; do
  read -r index signal <<<"$stop"
  stop_standby "$index" "$signal"
  say "standby $((index + 1)) got SIG$signal"
  sleep 5
  print_lag
  start_standby "$index"
  wait_for_standby "$index"
done
hold_back 0
sleep 5
print_lag
finish_load
if [ "$failed" -ne 0 ]; then
  grep --extended-regexp '"level":"(WARN|ERROR)"' "$work/padan.log" | head -n 20 >&2 || true
  fail "$failed requests failed"
fi
say "no request failed"
