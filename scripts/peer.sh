#!/usr/bin/env bash
# Compares Padan with a FastAPI service that does the same (benches/peer). Both run in turn on the same databases and
# get the same selfies of 1080 x 1440. Measures verifications per second, latency, CPU time per verification, and
# memory. Fails when the services answer differently, or when one of FastAPI's two processes gets nearly all connections
# in twenty attempts; a missed goal is only reported. The figures go to benches/out/peer.json.
#
#     scripts/peer.sh [ROUNDS [SECONDS [CONNECTIONS]]]
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

if [ "${1-}" != inside ]; then
  exec "$demo" cluster -- scripts/peer.sh inside "${1-2}" "${2-20}" "${3-8}"
fi
rounds=$2 seconds=$3 connections=$4 warm_up=5
if [ "$(nproc)" -lt 2 ] || [ "$connections" -lt 2 ]; then fail "two processes need two cores and two connections"; fi
# shellcheck source=scripts/site.sh
. scripts/site.sh

port=18080 admin_port=18090 peer_port=18081
python=$deps/peer-venv/bin/python
# No load balancer needs time to notice the end of a service.
export PADAN__HTTP__SHUTDOWN_DELAY_SECONDS=0
registry=$(url_of "$PADAN_TEST_DATABASE_URL" registry)
make_site "$registry"
export PEER_REGISTRY_URL=$registry PEER_USER=load PEER_CALIBRATION=$PWD/models/sface.calibration.toml
export PEER_MODEL_FOLDER=${PADAN_MODELS:-$deps/models}
PEER_PERSON_KEY=$(openssl rand -hex 32)
PEER_PASSWORD_SHA256=$(sha256_of "$PADAN_LOAD_PASSWORD")
PEER_API_KEY_SHA256=$(sha256_of "$PADAN_LOAD_API_KEY")
export PEER_PERSON_KEY PEER_PASSWORD_SHA256 PEER_API_KEY_SHA256

# as_peer VARIANT COMMAND... : runs the command with the settings of one of the FastAPI service's variants.
as_peer() {
  local variant=$1
  shift
  PEER_VARIANT=$variant PEER_DATABASE_URL=$(url_of "$PADAN_TEST_DATABASE_URL" "peer_$variant") "$@"
}

# start_peer VARIANT: sets $service to its process, and waits until it is ready.
start_peer() {
  local workers=2
  [ "$1" != usual ] || workers=1
  PEER_VARIANT=$1 PEER_DATABASE_URL=$(url_of "$PADAN_TEST_DATABASE_URL" "peer_$1") \
    "$python" -B -m uvicorn --app-dir benches/peer app:app --port "$peer_port" --workers "$workers" --loop uvloop \
    --http httptools --no-access-log --log-level warning >"$work/$1.log" 2>&1 &
  service=$!
  pids+=("$service")
  wait_until_ready "$1" "http://127.0.0.1:$peer_port/readyz"
}

stop() {
  kill -TERM "$1"
  wait "$1" || true
  forget "$1"
}

"$padan" enroll --config "$work/padan.toml" --failures "$work/failures.csv" 2>>"$work/enroll.log" ||
  fail "the enrolment failed: $(tail -n 5 "$work/enroll.log")"
start_service padan "$port" "$admin_port"
padan_service=$service
for variant in careful prepared usual; do
  psql --quiet "$PADAN_TEST_DATABASE_URL" --command "CREATE DATABASE peer_$variant"
  as_peer "$variant" "$python" -B benches/peer/enrol.py
  start_peer "$variant"
  say "comparing the answers of Padan and $variant:"
  as_peer "$variant" "$python" -B benches/peer/check.py "$port" "$peer_port" || fail "the services answer differently"
  stop "$service"
done
stop "$padan_service"

# send NAME ROUND PORT: sends requests to the service and writes the figures.
send() {
  exec "$load" --user load --url "http://127.0.0.1:$3" --size 1080x1440 --connections "$connections" \
    --warm-up "$warm_up" --seconds "$seconds" --watch "$service" >"$work/$1.$2.json"
}
say_figures() { say "round $2: $1, $(sed -n 's/^ *"per_second": \([0-9.]*\),$/\1/p' "$work/$1.$2.json") per second"; }

# busy_processes SECONDS: how many of the service's processes use more than a quarter of a core in this time.
busy_processes() {
  "$python" -c 'import os, sys, time
def ticks():
    stats = {child: open(f"/proc/{child}/stat").read().rsplit(")", 1)[1].split() for child in sys.argv[2:]}
    return {child: int(of[11]) + int(of[12]) for child, of in stats.items()}
before = ticks()
time.sleep(float(sys.argv[1]))
used = {child: after - before[child] for child, after in ticks().items()}
print(sum(ticks > float(sys.argv[1]) / 4 * os.sysconf("SC_CLK_TCK") for ticks in used.values()))' \
    "$1" $(pgrep --parent "$service")
}

# measure_peer VARIANT ROUND: measures one of the FastAPI service's variants. The kernel assigns each connection to a
# process permanently. A process that gets nearly all of them has a core and its caches to itself, which would distort
# the measurement; then the service is started again.
measure_peer() {
  local attempt sender processes=2
  [ "$1" != usual ] || processes=1
  for attempt in $(seq 20); do
    start_peer "$1"
    send "$1" "$2" "$peer_port" &
    sender=$!
    pids+=("$sender")
    sleep 2
    if [ "$processes" = 1 ] || [ "$(busy_processes 2)" = "$processes" ]; then
      wait "$sender" || fail "the requests failed"
      forget "$sender"
      stop "$service"
      say_figures "$1" "$2"
      return
    fi
    stop "$sender"
    stop "$service"
    say "attempt $attempt does not count: one process had nearly all connections"
  done
  fail "one of the two processes had nearly all connections in every attempt: use more connections"
}

# The services run one at a time and are started for each measurement, so that they share no memory. Every other round
# has the opposite order, so that none always runs on the warmer machine.
for round in $(seq "$rounds"); do
  order=(padan careful prepared usual)
  [ $((round % 2)) -eq 1 ] || order=(usual prepared careful padan)
  for name in "${order[@]}"; do
    if [ "$name" = padan ]; then
      start_service padan "$port" "$admin_port"
      (send padan "$round" "$port")
      stop "$service"
      say_figures padan "$round"
    else
      measure_peer "$name" "$round"
    fi
  done
done
for variant in careful prepared usual; do
  "$python" -B benches/peer/steps.py "$variant" "$PEER_MODEL_FOLDER" >"$work/$variant.steps.json"
done
"$python" -B benches/peer/report.py "$work"
