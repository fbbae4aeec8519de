#!/usr/bin/env bash
# Installs the offline bundle where there is no network, and verifies a person: bundle.sh CHECKOUT BUNDLE DEMO. Of the
# checkout it uses only the sample people, and the program DEMO for a PostgreSQL; of the system PostgreSQL, curl and what
# every Debian has.
set -euo pipefail
say() { printf 'dist-check: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

if [ "${1-}" != inside ]; then
  checkout=$1 bundle=$2
  work=$(mktemp -d)
  trap 'rm -rf -- "$work"' EXIT
  chmod 755 "$work"
  cp -r "$checkout/people" "$checkout/migrations/registry" "$0" "$3" "$work/"
  tar --extract --gzip --file "$bundle" --directory "$work"
  # The checkout, its target folder and everything below /root cannot be reached from inside.
  mkdir "$work/empty"
  unshare --net --mount bash -c 'mount --bind "$1/empty" "$2" && ip link set lo up && cd "$1" && shift 2 &&
    exec env --ignore-environment PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/nonexistent "$@"' \
    bash "$work" "$checkout" bash "$work/${0##*/}" inside "$work"
  exit
fi

work=$2
cd "$work"
if getent hosts www.example.com >/dev/null || ip route | grep --quiet .; then fail "there is a network"; fi
if [ -z "${3-}" ]; then
  ./padan-*-offline/install.sh --prefix "$work/installed" >"$work/log" 2>&1 || fail "install.sh: $(cat "$work/log")"
  # A second time, as an upgrade.
  ./padan-*-offline/install.sh --prefix "$work/installed" >"$work/log" 2>&1 || fail "install.sh, again: $(cat "$work/log")"
  grep --quiet 'padan.toml stays as it is' "$work/log" || fail "an upgrade does not say that it keeps the settings"
  cp -r padan-*-offline damaged
  printf x >>damaged/models/face_detection_yunet_2023mar.onnx
  if damaged/install.sh --prefix "$work/other" >"$work/log" 2>&1; then fail "a damaged bundle is installed"; fi
  exec ./padan-demo cluster -- bash "$0" inside "$work" in-cluster
fi

# The steps of docs/operations.md.
server=${PADAN_TEST_DATABASE_URL%/*}
sql() { psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 "$@"; }
for database in registry store; do sql "$PADAN_TEST_DATABASE_URL" --command "CREATE DATABASE $database"; done
{
  echo 'CREATE SCHEMA civil_registry;'
  cat registry/*.sql
  echo 'CREATE TEMPORARY TABLE person (nik text, name text, date_of_birth date, status text, portrait text);'
  echo "\\copy person FROM people/people.csv CSV HEADER"
  echo 'CREATE TEMPORARY TABLE photo (file text, bytes bytea);'
  for photo in people/images/*_id.jpg; do
    echo "INSERT INTO photo VALUES ('${photo#people/}', decode('$(base64 --wrap=0 "$photo")', 'base64'));"
  done
  echo 'INSERT INTO civil_registry.person (nik, name, date_of_birth, status, portrait, portrait_updated_at)
        SELECT nik, name, date_of_birth, status, bytes, now() FROM person JOIN photo ON file = portrait;'
} | sql "$server/registry"
settings=installed/etc/padan
echo "$server/registry" >"$settings/registry-urls"
echo "$server/store" >"$settings/store-url"
for key in person-key template-keys audit-keys; do openssl rand -hex 32 >"$settings/$key"; done
chmod 600 "$settings"/*
export PADAN_CONFIG=$work/$settings/padan.toml PADAN__HTTP__ADDRESS=127.0.0.1 PADAN__HTTP__PORT=19680 PADAN__HTTP__ADMIN_PORT=19690
padan=installed/bin/padan
"$padan" migrate >"$work/log" 2>&1 || fail "migrate: $(cat "$work/log")"
secrets=$("$padan" client add test 2>"$work/log") || fail "client add: $(cat "$work/log")"
"$padan" doctor >"$work/log" 2>&1 || fail "doctor: $(cat "$work/log")"
secret() { sed -n "s/^ *$1[:= ]*//p" <<<"$secrets" | head -n 1; }
"$padan" serve 2>"$work/service.log" &
service=$!
trap 'kill "$service" 2>/dev/null; wait "$service" || true' EXIT
for _ in $(seq 300); do
  if curl --silent --fail --output /dev/null http://127.0.0.1:19690/readyz; then break; fi
  kill -0 "$service" 2>/dev/null || fail "serve: $(tail -n 20 "$work/service.log")"
  sleep 0.2
done
# The first person of the list with the selfie that belongs to it.
IFS=, read -r nik name born _ < <(sed -n 2p people/people.csv)
selfie=$(grep "^$nik," people/selfies.csv | head -n 1 | cut -d , -f 2)
answer=$(curl --silent --user "$(secret username):$(secret password)" --header "x-api-key: $(secret api_key)" \
  --form-string nik="$nik" --form-string name="$name" --form-string date_of_birth="$(date --date="$born" +%d-%m-%Y)" \
  --form face_image=@"people/$selfie" http://127.0.0.1:19680/identity/v1/face-verification)
grep --quiet '"verification_status":true' <<<"$answer" || fail "the answer is $answer"
say "the offline bundle is installed without a network, passes doctor and verifies a person: $answer"
