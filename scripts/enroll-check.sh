#!/usr/bin/env bash
# Enrols 20,000 people and kills the enrolment twice: `make enroll-check`. Prints rates and the peak memory, and fails
# when a person is missing or was embedded twice.
#
# The people are generated; each has one of the portraits in people/images. It takes about 15 minutes on two cores.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

if [ "${1-}" != inside ]; then
  exec "$demo" cluster -- scripts/enroll-check.sh inside "${1-20000}"
fi
people=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
base=${PADAN_TEST_DATABASE_URL%/*}
for database in registry store; do psql --quiet "$PADAN_TEST_DATABASE_URL" --command "CREATE DATABASE enroll_$database"; done
cat > "$work/padan.toml" <<TOML
[registry]
urls = ["$base/enroll_registry"]
[store]
url = "$base/enroll_store"
person_key = "$(openssl rand -hex 32)"
template_keys = "$(openssl rand -hex 32)"
audit_keys = "$(openssl rand -hex 32)"
TOML
"$padan" migrate --config "$work/padan.toml"
{
  echo 'CREATE SCHEMA civil_registry;'
  cat migrations/registry/*.sql
  echo 'CREATE TABLE photo (number serial, bytes bytea);'
  for photo in people/images/*_id.jpg; do
    echo "INSERT INTO photo (bytes) VALUES (decode('$(base64 --wrap=0 "$photo")', 'base64'));"
  done
  # 500 districts and every day of a month, as in a whole country.
  echo "INSERT INTO civil_registry.person (nik, name, date_of_birth, status, portrait, portrait_updated_at)
        SELECT (110101 + n % 500)::text || lpad((n % 31 + 1)::text, 2, '0') || '0190' || lpad((n / 500)::text, 4, '0'),
               'Orang Contoh', date '1990-01-01', 'active', bytes, now()
          FROM generate_series(0, $people - 1) AS n
          JOIN photo ON number = n % (SELECT count(*) FROM photo) + 1;"
} | psql --quiet --set ON_ERROR_STOP=1 "$base/enroll_registry"

written() { psql --quiet --no-align --tuples-only "$base/enroll_store" --command "$1"; }
enroll() {
  "$padan" enroll --config "$work/padan.toml" --failures "$work/failures.csv" 2> "$work/enroll.log" &
  enrolment=$!
}
peak=0
watch_memory() {
  local now
  now=$(awk '/VmHWM/ { print $2 }' "/proc/$enrolment/status" 2> /dev/null || true)
  if [ "${now:-0}" -gt "$peak" ]; then peak=$now; fi
}
for kill in 1 2; do
  enroll
  until [ "$(written 'SELECT count(*) FROM store.face_template')" -ge $((people * kill / 4)) ]; do
    watch_memory
    sleep 1
  done
  kill -9 "$enrolment"
  wait "$enrolment" || true
  written 'SELECT person_key, created_at FROM store.face_template ORDER BY 1' > "$work/done_$kill"
  say "killed after $(wc -l < "$work/done_$kill") people"
done
enroll
while kill -0 "$enrolment" 2> /dev/null; do
  watch_memory
  sleep 1
done
wait "$enrolment"
cat "$work/enroll.log"
written 'SELECT person_key, created_at FROM store.face_template ORDER BY 1' > "$work/all"
missing=$((people - $(wc -l < "$work/all")))
again=$(cat "$work/done_1" "$work/done_2" | sort -u | comm -23 - <(sort "$work/all") | wc -l)
say "$people people: $missing missing, $again embedded twice; peak memory $((peak / 1024)) MB"
[ "$missing" -eq 0 ] && [ "$again" -eq 0 ]
