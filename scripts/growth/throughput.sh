# shellcheck shell=bash disable=SC2154
# Sourced by scripts/growth.sh: the throughput of look-ups and enrolment on one form.

throughput=${throughput-$work/throughput.tsv}
# People with a photo that cannot be read, so that an enrolment waits for the databases and not for the models.
crowd=${PADAN_GROWTH_PEOPLE-5000}

# measure_throughput FORM PORT: verifies texts at the service for some seconds, and enrols a crowd twice: the first time
# each person gets a row in the store, the second time each row is read.
measure_throughput() {
  local rate first second
  settings service.toml "$service_registry" "$service_store"
  PADAN__HTTP__PORT=$2 PADAN__HTTP__ADMIN_PORT=$(($2 + 1)) PADAN__HTTP__SHUTDOWN_DELAY_SECONDS=0 \
    "$padan" serve --config "$work/service.toml" 2>>"$work/throughput.log" &
  service=$!
  pids+=("$service")
  wait_until_ready throughput "http://127.0.0.1:$(($2 + 1))/readyz"
  "$load" --user load --url "http://127.0.0.1:$2" --ask fields --connections 16 --seconds 10 >"$work/load.json"
  rate=$(sed -n 's/^ *"per_second": \([0-9.]*\),*$/\1/p' "$work/load.json" | head -n 1)
  kill -TERM "$service"
  wait "$service" || true
  forget "$service"
  in_registry "INSERT INTO civil_registry.person (nik, name, date_of_birth, status, portrait, portrait_updated_at)
    SELECT '32' || lpad(n::text, 14, '0'), 'Crowd', '1990-01-01', 'active', 'unreadable'::bytea, now()
      FROM generate_series(1, $crowd) AS n ON CONFLICT DO NOTHING"
  first=$(seconds_of_enrolment) second=$(seconds_of_enrolment)
  printf '%s\t%s\t%s\t%s\n' "$1" "$rate" "$(per_second "$first")" "$(per_second "$second")" >>"$throughput"
}

seconds_of_enrolment() {
  local began=${EPOCHREALTIME/,/.}
  enroll >"$work/enrolment" || say "enrolment failed: $(tail -n 2 "$work/enrolment")"
  awk -v from="$began" -v until="${EPOCHREALTIME/,/.}" 'BEGIN { print until - from }'
}

per_second() { awk -v people="$crowd" -v seconds="$1" 'BEGIN { printf "%.0f", people / seconds }'; }

print_throughput() {
  [ -f "$throughput" ] || return 0
  echo
  echo '| form | text verifications/s | people enrolled/s | people read again/s |'
  echo '|---|---|---|---|'
  awk -F '\t' '{ printf "| %s | %s | %s | %s |\n", $1, $2, $3, $4 }' "$throughput"
}
