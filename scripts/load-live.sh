#!/usr/bin/env bash
# Measures what the live measurement costs: processor time of a verification, and memory of a service, with and without it.
#
#     scripts/load-live.sh [ROUNDS [PEOPLE]]
#
# Two services with one worker each run side by side, and only one of them gets requests at a time, in turn, so that the
# speed of the machine changes for both. Each round is 6 seconds of each. The people of the registry are 600, or as many as are
# given, who have the portraits of the sample people. A process holds the templates of at most 10,000 of them.
#
# Two processes of the same program differ by some percent in the time that the same photo takes, since their memory lies
# elsewhere. The live measurement does not run on the threads that embed faces (face-0). So its cost is the difference of
# what all other threads take, as a share of what a verification takes in all.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

if [ "${1-}" != inside ]; then
  exec "$demo" cluster -- scripts/load-live.sh inside "$@"
fi
rounds=${2-20}
port=${PADAN_LOAD_PORT-18080}
people=${3-600}
[[ $rounds =~ ^[1-9][0-9]*$ ]] || fail "expected a number of rounds, found $rounds"
[[ $people =~ ^[1-9][0-9]*$ ]] || fail "expected a number of people, found $people"
# shellcheck source=scripts/site.sh
. scripts/site.sh

export PADAN__HTTP__SHUTDOWN_DELAY_SECONDS=0 PADAN__HTTP__CONNECTIONS_PER_ADDRESS=0 PADAN__INFERENCE__WORKERS=1
make_site "$(url_of "$PADAN_TEST_DATABASE_URL" registry)"
psql --quiet --set ON_ERROR_STOP=1 "$(url_of "$PADAN_TEST_DATABASE_URL" registry)" --command "
  INSERT INTO civil_registry.person (nik, name, date_of_birth, status, portrait, portrait_updated_at)
  SELECT '3174011403' || 40 + number / 4000 || 5000 + number % 4000, 'Somebody Else', '1987-03-14', 'active', portrait, now()
    FROM generate_series(1, $people) AS number
    JOIN LATERAL (SELECT portrait FROM civil_registry.person WHERE portrait IS NOT NULL AND number >= 0
                   ORDER BY md5(nik || number) LIMIT 1) AS one ON true"
"$padan" enroll --config "$work/padan.toml" --failures /dev/null 2>/dev/null || true

declare -A process
start_one() {
  PADAN__VERIFICATION__IMPOSTOR_SAMPLE=$2 start_service "$1" "$3" "$(($3 + 1))"
  process[$1]=$service
}
start_one with 16 "$port"
start_one without 0 "$((port + 2))"
# held: how many people's templates the service with the live measurement holds.
held() { curl --silent "http://127.0.0.1:$((port + 1))/metrics" | sed -n 's/^padan_impostor_reservoir_people //p'; }
least=$((people < 10000 ? people : 10000))
for _ in $(seq 600); do (($(held) < least)) || break; sleep 0.2; done
(($(held) >= least)) || fail "the service holds templates of $(held) people instead of $least"
url_of_service() { [ "$1" = with ] && echo "http://127.0.0.1:$port" || echo "http://127.0.0.1:$((port + 2))"; }
figures=$work/figures.csv
# measure NAME: sends requests to a service, and adds its processor times and its answers to the figures.
measure() {
  local before after answers
  before=$(times "${process[$1]}")
  "$load" --url "$(url_of_service "$1")" --user load --connections 2 --seconds 6 >"$work/$1.json"
  after=$(times "${process[$1]}")
  answers=$(sed -n 's/^ *"requests": \([0-9]*\),$/\1/p' "$work/$1.json" | head -n 1)
  echo "$1,$before,$after,$answers" >>"$figures"
}
# times PROCESS: the processor time of its threads so far, in nanoseconds: all of them, and those that embed no faces.
times() {
  local thread all=0 others=0 time name
  for thread in "/proc/$1/task"/*; do
    read -r time _ <"$thread/schedstat" && read -r name <"$thread/comm" || continue
    all=$((all + time))
    case $name in face-*) ;; *) others=$((others + time)) ;; esac
  done
  echo "$all,$others"
}

for service in with without; do measure "$service"; done
: >"$figures"
for round in $(seq "$rounds"); do
  # The order changes, since each is warmer when it is the second.
  if ((round % 2)); then order=(with without); else order=(without with); fi
  for service in "${order[@]}"; do measure "$service"; done
done
python3 - "$figures" <<'PROGRAM'
import csv, random, statistics, sys
rows = list(csv.reader(open(sys.argv[1], encoding="ascii")))
def costs(column):
    """Milliseconds a verification, of each round."""
    cost = {"with": [], "without": []}
    for row in rows:
        cost[row[0]].append((int(row[column + 2]) - int(row[column])) / 1e6 / int(row[5]))
    return cost["with"], cost["without"]
def interval(values):
    resampled = sorted(statistics.median(random.choices(values, k=len(values))) for _ in range(2000))
    return f"{statistics.median(values):.2f} % (95 % {resampled[50]:.2f} to {resampled[1949]:.2f})"
random.seed(1)
(whole, whole_without), (others, others_without) = costs(1), costs(2)
shares = [100 * (a - b) / all_of_it for a, b, all_of_it in zip(others, others_without, whole_without)]
ratios = [100 * (a / b - 1) for a, b in zip(whole, whole_without)]
print(
    f"{len(shares)} rounds. Threads that embed no faces: {statistics.median(others):.3f} ms of processor time a verification "
    f"with the live measurement, {statistics.median(others_without):.3f} without. All threads: {statistics.median(whole):.2f} "
    f"and {statistics.median(whole_without):.2f} ms.\nThe live measurement costs {interval(shares)} of a verification. The "
    f"two processes differ by {interval(ratios)} in all."
)
PROGRAM
# memory NAME: the memory of a service in kB, of which shared pages count by their share.
memory() { sed -n 's/^Pss:[[:space:]]*\([0-9]*\) kB$/\1/p' "/proc/${process[$1]}/smaps_rollup"; }
for service in with without; do
  most=$(sed -n 's/^VmHWM:[[:space:]]*//p' "/proc/${process[$service]}/status")
  echo "$service: $(memory "$service") kB (proportional set size), at most $most resident"
done
echo "With the live measurement, and templates of $(held) people: $(($(memory with) - $(memory without))) kB more."
