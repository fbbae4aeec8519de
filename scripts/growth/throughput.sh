# shellcheck shell=bash disable=SC2154
# Sourced by scripts/growth.sh: the throughput of look-ups and enrolment on one server, through PgBouncer, and in
# partitions, in turn within one run. Other work on the machine then slows all of them alike.

# People with a photo that cannot be read, so that an enrolment waits for the databases and not for the models.
crowd=${PADAN_GROWTH_PEOPLE-1000}
# How often the forms take turns.
rounds=${PADAN_GROWTH_ROUNDS-5} enrolments=${PADAN_GROWTH_ENROLMENTS-3}
throughput=$work/throughput.tsv

try_throughput() {
  local names=('one server') registries stores index round settings_file services=() version
  new_site
  # People without a usable portrait: each costs a look-up of the person and of the template, and a row.
  in_registry "INSERT INTO civil_registry.person (nik, name, date_of_birth, status, portrait, portrait_updated_at)
    SELECT '32' || lpad(n::text, 14, '0'), 'Crowd', '1990-01-01', 'active', 'unreadable'::bytea, now()
      FROM generate_series(1, $crowd) AS n"
  registries=("$registry_owner") stores=("$store_owner")
  add_partitions
  for program in /usr/sbin/pgbouncer ${PGBOUNCER-}; do
    [ -x "$program" ] && [ "$(pgbouncer_version "$program")" -ge 1022 ] || continue
    version=$("$program" --version | sed -nE 's/^PgBouncer ([0-9]+\.[0-9]+).*/\1/p')
    add_pooler "$program" session "PgBouncer $version session" "$((port + 20))"
    add_pooler "$program" transaction "PgBouncer $version transaction" "$((port + 21))"
    break
  done
  for index in "${!names[@]}"; do
    settings_file=throughput-$index.toml
    settings "$settings_file" "${registries[$index]}" "${stores[$index]}"
    PADAN__HTTP__PORT=$((port + 2 * index)) PADAN__HTTP__ADMIN_PORT=$((port + 2 * index + 1)) \
      PADAN__HTTP__SHUTDOWN_DELAY_SECONDS=0 "$padan" serve --config "$work/$settings_file" 2>>"$work/throughput.log" &
    service=$!
    pids+=("$service")
    services+=("$service")
    wait_until_ready throughput "http://127.0.0.1:$((port + 2 * index + 1))/readyz"
  done
  for round in $(seq "$rounds"); do
    for index in "${!names[@]}"; do measure_requests "$index" "$round"; done
  done
  for service in "${services[@]}"; do
    kill -TERM "$service"
    wait "$service" || true
    forget "$service"
  done
  for round in $(seq "$enrolments"); do
    for index in "${!names[@]}"; do measure_enrolment "$index" "$round"; done
  done
}

# add_partitions: copies of both databases in 32 partitions, with the settings of docs/operations.md.
add_partitions() {
  local database
  for database in registry store; do
    query "$PADAN_TEST_DATABASE_URL" --command "DROP DATABASE IF EXISTS ${database}_partitions" \
      --command "CREATE DATABASE ${database}_partitions TEMPLATE $database" \
      --command "ALTER DATABASE ${database}_partitions SET plan_cache_mode = force_generic_plan"
  done
  registries+=("$(url_of "$registry_owner" registry_partitions)") stores+=("$(url_of "$store_owner" store_partitions)")
  query "${stores[1]}" --set partitions=32 --file deploy/store/partitions.sql --command 'DROP TABLE store.face_template_whole'
  query "${registries[1]}" --set partitions=32 --file benches/scale/registry-partitions.sql
  names+=('32 partitions')
}

# add_pooler PROGRAM MODE NAME PORT
add_pooler() {
  run_pgbouncer "$1" "$2" "$4"
  names+=("$3") registries+=("$(through_pooler "$4" registry)") stores+=("$(through_pooler "$4" store)")
}

# record_figure INDEX ROUND FIGURE VALUE
record_figure() { printf '%s\t%s\t%s\t%s\n' "${names[$1]}" "$2" "$3" "$4" >>"$throughput"; }

# measure_requests INDEX ROUND: verifies texts at the service of a form, by one caller and by many.
measure_requests() {
  local url="http://127.0.0.1:$((port + 2 * $1))"
  "$load" --user load --url "$url" --ask fields --connections 1 --seconds 4 >"$work/load.json"
  record_figure "$1" "$2" 'one caller, median ms' "$(sed -n 's/^ *"p50": \([0-9.]*\),*$/\1/p' "$work/load.json" | head -n 1)"
  "$load" --user load --url "$url" --ask fields --connections 16 --seconds 4 >"$work/load.json"
  record_figure "$1" "$2" 'text verifications/s, 16 callers' \
    "$(sed -n 's/^ *"per_second": \([0-9.]*\),*$/\1/p' "$work/load.json" | head -n 1)"
}

# measure_enrolment INDEX ROUND: enrols the crowd twice: first each person gets a row in the store, then each row is read.
measure_enrolment() {
  local target=$store_owner
  # Partitions have databases of their own, the poolers share those of one server.
  [ "${names[$1]}" != '32 partitions' ] || target=${stores[1]}
  cp "$work/throughput-$1.toml" "$work/operator.toml"
  query "$target" --command 'TRUNCATE store.face_template'
  record_figure "$1" "$2" 'enrolment, s' "$(seconds_of_enrolment)"
  record_figure "$1" "$2" 'enrolment again, s' "$(seconds_of_enrolment)"
}

seconds_of_enrolment() {
  local began=${EPOCHREALTIME/,/.}
  enroll >"$work/enrolment" || say "enrolment failed: $(tail -n 2 "$work/enrolment")"
  awk -v from="$began" -v until="${EPOCHREALTIME/,/.}" 'BEGIN { print until - from }'
}

# print_throughput: the medians of all rounds, and the median of the ratios to one server in the same round.
print_throughput() {
  [ -f "$throughput" ] || return 0
  echo
  python3 - "$throughput" "$crowd" <<'PY'
import statistics
import sys

table = {}
for line in open(sys.argv[1], encoding="utf-8"):
    form, number, figure, value = line.rstrip("\n").split("\t")
    table.setdefault(figure, {}).setdefault(form, {})[number] = float(value)
plain = {figure: forms["one server"] for figure, forms in table.items()}
print("| form | " + " | ".join(table) + " |")
print("|---|" + "---|" * len(table))
for form in next(iter(table.values())):
    cells = []
    for figure, forms in table.items():
        value = statistics.median(forms[form].values())
        ratio = statistics.median(found / plain[figure][number] for number, found in forms[form].items())
        cells.append(f"{value:.3g} ({ratio:.2f})")
    print(f"| {form} | " + " | ".join(cells) + " |")
rounds = " and ".join(str(len(found)) for found in list(plain.values())[::2])
print(f"\nMedians of {rounds} rounds; {sys.argv[2]} people. In brackets: the median of the ratios to one server in the same round.")
PY
}
