#!/usr/bin/env bash
# Measures a service under load, on a private PostgreSQL that syncs each commit to disk, with selfies of the sizes that
# phones send. Prints its cost beside that of the bare face pipeline and the goals, and writes benches/out/load.json,
# which benches/README.md explains. Takes seven minutes on two cores; nothing else should run on the machine.
#
#     scripts/load.sh            # all sizes, text fields alone, one worker against two
#     scripts/load.sh --soak [N] # instead 50,000 verifications of all sizes in turn, for memory: half an hour
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

if [ "${1-}" != inside ]; then
  exec "$demo" cluster --durable -- scripts/load.sh inside "$@"
fi
shift
soak=0
case "${1-}" in
  '') ;;
  --soak)
    soak=${2-50000}
    [[ $soak =~ ^[1-9][0-9]*$ ]] || fail "--soak: expected a number of verifications, found $soak"
    ;;
  *) fail "unknown argument $1: expected --soak or nothing" ;;
esac
# shellcheck source=scripts/site.sh
. scripts/site.sh

kernels=$padan-kernels
url=http://127.0.0.1:18080 admin_port=19090
sizes=(480x640 1080x1440 3024x4032)
results=$work/results
# The numbers of the processors that this shell may use.
mapfile -t cpus < <(python3 -c 'import os; print(*sorted(os.sched_getaffinity(0)), sep="\n")')
cores=${#cpus[@]}
# list FIRST COUNT: that many of the processors from the given one on, in the form that taskset takes.
list() {
  local IFS=,
  echo "${cpus[*]:$1:$2}"
}
if [ "$soak" = 0 ]; then
  [ "$cores" -ge 2 ] || fail "two workers need two cores"
  taskset --pid --cpu-list "$(list 0 "$cores")" "$$" >/dev/null || fail "cannot run taskset: install util-linux"
fi
# At most 64, the requests that one client may have in flight: http.max_in_flight times http.client_share.
callers=$((4 * cores < 64 ? 4 * cores : 64))
mkdir -- "$results"
# No load balancer needs time to notice the end of a service.
export PADAN__HTTP__SHUTDOWN_DELAY_SECONDS=0
# All callers have one address.
export PADAN__HTTP__CONNECTIONS_PER_ADDRESS=0
make_site "$(url_of "$PADAN_TEST_DATABASE_URL" registry)"
"$padan" config show --config "$work/padan.toml" >"$work/settings.toml"
postgres=$(head -n 1 "$(psql --quiet --no-align --tuples-only "$PADAN_TEST_DATABASE_URL" --command 'SHOW data_directory')/postmaster.pid")

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
start() {
  began=$(now_ms)
  start_service padan 18080 "$admin_port"
  ready_ms=$(($(now_ms) - began))
}
stop() {
  kill -TERM "$service"
  wait "$service" || fail "the service ended with an error: $(tail -n 5 "$work/padan.log")"
  forget "$service"
}
# send NAME ARGUMENTS... : sends requests and writes the figures to a file of that name.
send() {
  local name=$1
  shift
  "$load" --url "$url" --user load --watch "$service" --watch "$postgres" "$@" >"$results/$name.json"
}
# loop NAME ARGUMENTS... : runs the bare face pipeline and writes its figures to a file of that name.
loop() {
  local name=$1
  shift
  "$kernels" --settings "$work/settings.toml" "$@" >"$results/$name.json"
}
read_metrics() { curl --silent --fail "http://127.0.0.1:$admin_port/metrics" >"$results/$1"; }
# seventy_percent NAME: 70 % of the answers per second in those figures.
seventy_percent() { awk '/"per_second":/ { printf "%.2f\n", 0.7 * $2 }' "$results/$1.json"; }

# The bare pipeline runs before and after the service, because the speed of a shared machine varies.
measure_size() {
  local size=$1
  say "$size (after $SECONDS s)"
  loop "$size.kernels-1" --size "$size" --seconds 8
  start
  echo "$ready_ms" >"$results/$size.ready_ms"
  # The first verification of a person creates the template, and is not counted.
  "$load" --url "$url" --user load --seconds 3 >/dev/null
  read_metrics "$size.before"
  send "$size.closed" --size "$size" --warm-up 2 --seconds 16 --connections "$callers"
  read_metrics "$size.after"
  seventy_percent "$size.closed" >"$results/$size.rate"
  send "$size.alone" --size "$size" --warm-up 1 --seconds 6 --connections 1
  loop "$size.kernels-2" --size "$size" --seconds 8
  send "$size.open" --size "$size" --warm-up 1 --seconds 20 --rate "$(cat "$results/$size.rate")"
  stop
  # The pipeline of one caller, on one thread.
  loop "$size.alone.kernels" --size "$size" --seconds 6 --threads 1
}

# on_cores LIST PROCESS... : binds the processes, with all their threads and future children, to these processors.
on_cores() {
  local process list=$1
  shift
  for process in "$@"; do
    # The process of a database connection may have ended in the meantime.
    taskset --all-tasks --pid --cpu-list "$list" "$process" >/dev/null || [ ! -d "/proc/$process" ] ||
      fail "cannot bind process $process to the processors $list"
  done
}
postgres_on_cores() { mapfile -t servers < <(pgrep --parent "$postgres") && on_cores "$1" "$postgres" "${servers[@]}"; }

# measure_workers WORKERS: measures a service with this number of workers on as many cores. Load generator and
# PostgreSQL run on the other cores, or on all cores if there are no others.
measure_workers() {
  local workers=$1 all others own
  all=$(list 0 "$cores") own=$(list 0 "$workers")
  say "$workers of 2 workers (after $SECONDS s)"
  if [ "$cores" -gt "$workers" ]; then others=$(list "$workers" "$cores"); else others=$all; fi
  postgres_on_cores "$others"
  export PADAN__INFERENCE__WORKERS=$workers
  # The service inherits the cores of the shell that starts it.
  on_cores "$own" "$$"
  loop "workers-$workers.kernels" --size 1080x1440 --threads "$workers" --seconds 6
  start
  echo "$own" >"$results/workers-$workers.cores"
  on_cores "$others" "$$"
  send "workers-$workers" --size 1080x1440 --warm-up 2 --seconds 12 --connections $((4 * workers))
  stop
  unset PADAN__INFERENCE__WORKERS
  on_cores "$all" "$$"
  postgres_on_cores "$all"
}

if [ "$soak" -gt 0 ]; then
  # A short run of the pipeline, for the report's description of the machine.
  loop soak.kernels --size 480x640 --seconds 1
  start
  "$load" --url "$url" --user load --seconds 3 >/dev/null
  send soak "${sizes[@]/#/--size=}" --requests "$soak" --connections "$callers"
  stop
  report=soak
else
  for size in "${sizes[@]}"; do measure_size "$size"; done
  say "text fields (after $SECONDS s)"
  start
  send fields --ask fields --warm-up 1 --seconds 8 --connections "$callers"
  stop
  for workers in 1 2; do measure_workers "$workers"; done
  report=load
fi
python3 tools/load/report.py "$results" "benches/out/$report.json"
