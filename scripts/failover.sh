#!/usr/bin/env bash
# A service that reads two standbys loses one after the other under load, twice: by a kill, and by PostgreSQL's immediate
# shutdown. Prints what became of the requests, and the lag, and fails when one failed.
#
#     scripts/failover.sh [ARGUMENTS OF padan-load]
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

if [ "${1-}" != inside ]; then
  exec "$padan" cluster --standbys 2 -- scripts/failover.sh inside "$@"
fi
shift
[ $# -gt 0 ] || set -- --rate 20 --ask both
# shellcheck source=scripts/site.sh
. scripts/site.sh

port=18080 admin_port=19090
IFS=, read -r -a urls <<<"$PADAN_TEST_STANDBY_URLS"
IFS=, read -r -a folders <<<"$PADAN_TEST_STANDBY_FOLDERS"
registries=()
for url in "${urls[@]}"; do registries+=("$(url_of "$url" registry)"); done
make_site "${registries[@]}"

# stop_standby INDEX SIGNAL
stop_standby() { kill "-$2" "$(head -n 1 "${folders[$1]}/postmaster.pid")"; }

# start_standby INDEX: as the user that it ran as, with the command that PostgreSQL noted.
start_standby() {
  local folder=${folders[$1]} as=()
  if [ "$(id -u)" -eq 0 ]; then
    as=(setpriv --reuid="$(stat --format %u "$folder")" --regid="$(stat --format %g "$folder")" --clear-groups)
  fi
  (cd -- "$folder" && eval "exec ${as[*]} $(cat "$folder/postmaster.opts")" >/dev/null 2>&1) &
  pids+=("$!")
  # The shell has nothing to say when it is killed.
  disown
}

# figures NAME: the lines of a metric.
figures() { curl --silent "http://127.0.0.1:$admin_port/metrics" | grep "^$1{"; }
# One that is down has no lag.
tell_lag() { figures padan_registry_replica_lag_seconds | while read -r line; do say "$line"; done; }

# wait_for_standby INDEX: until it answers.
wait_for_standby() {
  for _ in $(seq 300); do
    if psql --quiet --command 'SELECT' "${registries[$1]}" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  fail "standby $(($1 + 1)) does not come back"
}

start_service padan "$port" "$admin_port"
start_load --url "http://127.0.0.1:$port" --seconds 3600 "$@"
sleep 5
# Each time the one that is in use: the other has come back a moment ago and is not asked yet.
for stop in "0 KILL" "1 QUIT" "0 QUIT" "1 KILL"; do
  read -r index signal <<<"$stop"
  stop_standby "$index" "$signal"
  say "standby $((index + 1)) got SIG$signal"
  sleep 5
  tell_lag
  start_standby "$index"
  wait_for_standby "$index"
done
sleep 5
tell_lag
finish_load
if [ "$failed" -ne 0 ]; then
  grep --extended-regexp '"level":"(WARN|ERROR)"' "$work/padan.log" | head -n 20 >&2 || true
  fail "$failed requests failed"
fi
say "no request failed"
