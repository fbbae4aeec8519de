#!/usr/bin/env bash
# Lets a client send the most expensive photos that are accepted, two a second, while another client sends usual ones.
# Prints how long the answers to the other client take before, during and after. Takes two minutes; nothing else should
# run on the machine.
#
#     scripts/starve.sh [PROGRAM...]    # default: the program that was built last; several are measured in turn
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

if [ "${1-}" != inside ]; then
  exec "$demo" cluster -- scripts/starve.sh inside "$@"
fi
shift
[ $# -gt 0 ] || set -- "$padan"
# shellcheck source=scripts/site.sh
. scripts/site.sh

url=http://127.0.0.1:18080
# Requests per second of the client that is to be served, and of the other one.
rate=${PADAN_STARVE_RATE:-10} attack_rate=${PADAN_STARVE_ATTACK_RATE:-2}
seconds=${PADAN_STARVE_SECONDS:-30}
export PADAN__HTTP__SHUTDOWN_DELAY_SECONDS=0

make_site "$(url_of "$PADAN_TEST_DATABASE_URL" registry)"
attacker_password=$(openssl rand -hex 16) attacker_key=$(openssl rand -hex 16)
add_client attacker "$attacker_password" "$attacker_key"
mkdir "$work/photos" "$work/results"
python3 scripts/hostile.py --write "$work/photos"
mapfile -t photos < <(find "$work/photos" -type f | sort)

# send NAME SECONDS: sends the usual photos, and writes the figures to a file of that name.
send() { "$load" --url "$url" --user load --rate "$rate" --seconds "$2" >"$work/results/$1.json"; }
attack() {
  "$load" --url "$url" --user attacker --password "$attacker_password" --api-key "$attacker_key" \
    --rate "$attack_rate" --seconds "$2" "${photos[@]/#/--photo=}" >"$work/results/$1.json"
}

number=0
for program in "$@"; do
  number=$((number + 1))
  padan=$program
  start_service "service-$number" 18080 19090
  # The first verification of a person creates the template.
  "$load" --url "$url" --user load --seconds 3 >/dev/null
  say "program $number of $#: before, during, after"
  send "$number.1 before" "$seconds"
  attack "$number.2 attack" "$seconds" &
  attacking=$!
  send "$number.3 during" "$seconds"
  wait "$attacking"
  send "$number.4 after" "$seconds"
  curl --silent --fail http://127.0.0.1:19090/metrics | grep '^padan_client_cpu_seconds_total' || true
  kill -TERM "$service"
  wait "$service" || fail "the service ended with an error: $(tail -n 5 "$work/service-$number.log")"
  forget "$service"
done

python3 - "$work/results" "$@" <<'PY'
import json, pathlib, sys

folder, programs = pathlib.Path(sys.argv[1]), sys.argv[2:]
print(f"{'program':<34}{'phase':<10}{'requests':>9}{'failed':>8}{'p50':>9}{'p99':>9}{'max':>9}  answers")
for file in sorted(folder.iterdir()):
    number, _, phase = file.stem.partition(" ")
    program = programs[int(number.partition(".")[0]) - 1]
    figures = json.loads(file.read_text())
    latency = figures["latency_ms"]
    times = "".join(f"{latency[name]:>6.0f} ms" for name in ("p50", "p99", "max"))
    answers = {**figures["statuses"], **figures["errors"]}
    print(f"{program[-32:]:<34}{phase:<10}{figures['requests']:>9}{figures['failed']:>8}{times}  {answers}")
PY
