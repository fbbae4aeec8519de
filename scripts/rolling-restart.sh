#!/usr/bin/env bash
# Restarts two services behind HAProxy, with deploy/haproxy/padan.cfg, in turn by SIGTERM and under load. Prints the
# results of the requests, and fails when one failed.
#
# A process goes on serving for http.shutdown_delay_seconds after SIGTERM, 5 by default. Without this delay requests
# fail, as PADAN__HTTP__SHUTDOWN_DELAY_SECONDS=0 shows.
#
#     scripts/rolling-restart.sh [ROUNDS [ARGUMENTS OF padan-load]]
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

if [ "${1-}" != inside ]; then
  exec "$demo" cluster -- scripts/rolling-restart.sh inside "${@-3}"
fi
shift
rounds=$1
shift
[ $# -gt 0 ] || set -- --connections 8
# shellcheck source=scripts/site.sh
. scripts/site.sh

port=18080
declare -A ports=([a]=18081 [b]=18082) admin_ports=([a]=19091 [b]=19092) services
make_site "$(url_of "$PADAN_TEST_DATABASE_URL" registry)"
for name in a b; do
  start_service "$name" "${ports[$name]}" "${admin_ports[$name]}"
  services[$name]=$service
done

# The shipped configuration, with this machine's addresses.
configuration=$work/haproxy.cfg
sed --regexp-extended -e "s/^( +bind) :80$/\1 127.0.0.1:$port/" \
  -e "s/^( +server a) .*/\1 127.0.0.1:${ports[a]} port ${admin_ports[a]}/" \
  -e "s/^( +server b) .*/\1 127.0.0.1:${ports[b]} port ${admin_ports[b]}/" deploy/haproxy/padan.cfg >"$configuration"
haproxy -f "$configuration" >"$work/haproxy.log" 2>&1 &
pids+=("$!")
for attempt in $(seq 51); do
  if curl --silent --fail --output /dev/null "http://127.0.0.1:$port/openapi.json"; then break; fi
  [ "$attempt" -le 50 ] || fail "HAProxy does not serve: $(tail -n 5 "$work/haproxy.log")"
  sleep 0.1
done

start_load --url "http://127.0.0.1:$port" --seconds 3600 "$@"
sleep 3
for round in $(seq "$rounds"); do
  for name in a b; do
    began=$SECONDS
    kill -TERM "${services[$name]}"
    wait "${services[$name]}" || fail "the service $name ended with an error: $(tail -n 5 "$work/$name.log")"
    forget "${services[$name]}"
    stopped=$((SECONDS - began))
    start_service "$name" "${ports[$name]}" "${admin_ports[$name]}"
    services[$name]=$service
    say "round $round: $name stopped within $stopped s and was ready $((SECONDS - began)) s after the signal"
    # HAProxy uses it again after two successful checks.
    sleep 3
  done
done
finish_load
if [ "$failed" -ne 0 ]; then
  grep --extended-regexp ' (5[0-9][0-9]|-1|429) [0-9]+ ' "$work/haproxy.log" | head -n 20 >&2 || true
  fail "$failed requests failed during $((2 * rounds)) restarts"
fi
say "no request failed during $((2 * rounds)) restarts"
