#!/usr/bin/env bash
# Uses the console in a headless Chromium against a service with the sample people. Installs what is missing: Node and
# Chromium from Debian (as root), and the packages of console/.
#
#     scripts/console-browser.sh              all cases
#     scripts/console-browser.sh CASE...      some of them
#     PADAN_SCREENSHOTS=FOLDER scripts/console-browser.sh everyPage    also writes pictures of all pages
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

if [ "${1-}" != inside ]; then
  scripts/deps.sh --only-browser
  scripts/console.sh --check
  exec "$demo" cluster -- scripts/console-browser.sh inside "$@"
fi
# shellcheck source=scripts/site.sh
. scripts/site.sh
shift

# Five ports from this one are used.
port=${PADAN_CONSOLE_PORT:-18790}

# insert_person NIK STATUS : adds a person without a portrait to the registry.
insert_person() {
  psql --quiet "$(url_of "$PADAN_TEST_DATABASE_URL" registry)" --command "INSERT INTO civil_registry.person
    (nik, name, date_of_birth, status) VALUES ('$1', 'Budi Santoso', '1987-03-14', '$2')"
}

# add_operator ROLE : adds an operator with a password, whose name is the role.
add_operator() {
  "$padan" operator add "$1" --role "$1" --config "$work/padan.toml" >/dev/null
  printf '%s\n' "$password" | "$padan" operator password "$1" --config "$work/padan.toml"
}

make_site "$(url_of "$PADAN_TEST_DATABASE_URL" registry)"
insert_person 3101010101900001 deceased
insert_person 3101010101900002 duplicate
insert_person 3101010101900003 inactive
insert_person 3101010101900004 active
url_of "$PADAN_TEST_DATABASE_URL" store >"$work/management-url"
chmod 600 "$work/management-url"
console="http://127.0.0.1:$((port + 1))/console/"
provider=http://localhost:$((port + 4))
openssl rand -hex 32 >"$work/provider-secret"
cat >>"$work/padan.toml" <<TOML

[openid_connect]
enabled = true
issuer = "$provider"
client_id = "padan"
client_secret_file = "$work/provider-secret"
public_address = "http://127.0.0.1:$((port + 1))"
roles = ["support:padan-supports", "operator:padan-operators", "auditor:padan-auditors"]
label = "Bank"
TOML
sed -i "s|^\[store\]|[http]\nmanagement = true\nmanage_operators = true\nshow_faces_to = [\"operator\"]\n[http.console]\nenabled = true\n[store]\nmanagement_url_file = \"$work/management-url\"|" "$work/padan.toml"
# Each outcome is tried with one person.
export PADAN__VERIFICATION__FAILED_FACES__MOST=0 PADAN__VERIFICATION__FAILED_FIELDS__PERSON__MOST=0
password=$(openssl rand -hex 16)
for role in support operator auditor; do add_operator "$role"; done
"$padan" operator add with-code --role support --config "$work/padan.toml" >/dev/null
printf '%s\n' "$password" | "$padan" operator password with-code --config "$work/padan.toml"
code_secret=$("$padan" operator code with-code --json --config "$work/padan.toml" | python3 -c 'import json, sys; print(json.load(sys.stdin)["secret"])')
"$padan" client add bank-nusantara --config "$work/padan.toml" >/dev/null

# What services would have counted on the people whom they verify, so that the health page has rates to show.
contract=$("$padan" models list --json | python3 -c 'import json, sys
print(next(it["contract"] for it in json.load(sys.stdin)["sets"] if it["set"] == "sface"))')
psql --quiet "$(url_of "$PADAN_TEST_DATABASE_URL" store)" --command "
  INSERT INTO store.live_similarity (day, contract_id, score, compared, part, counts)
  SELECT current_date, '$contract', 'cosine', compared, part,
         ARRAY(SELECT round(3000 * (10 ^ -(greatest(bin - 100, 0) / 20.0) - 10 ^ -(greatest(bin - 99, 0) / 20.0)))::bigint
                 FROM generate_series(0, 299) AS bin ORDER BY bin)
    FROM unnest(ARRAY['impostor_by_probe', 'impostor_by_reference']) AS compared, generate_series(0, 31) AS part"

# A second service, whose registry cannot be reached, and where operators do not give rights to others.
sed '/^\[registry\]/,/^\[/ s|^urls = .*|urls = ["postgres://nobody@127.0.0.1:1/nowhere"]|' "$work/padan.toml" |
  sed '/^manage_operators/d' >"$work/without-registry.toml"
PADAN__HTTP__PORT=$((port + 2)) PADAN__HTTP__ADMIN_PORT=$((port + 3)) \
  "$padan" serve --config "$work/without-registry.toml" 2>>"$work/without-registry.log" &
service=$!
pids+=("$service")
wait_until_ready without-registry "http://127.0.0.1:$((port + 3))/healthz"
start_service service "$port" $((port + 1))
node console/tests/provider.mjs $((port + 4)) "$console" "$(cat "$work/provider-secret")" >"$work/provider.log" 2>&1 &
pids+=($!)
account() { printf '"%s": {"name": "%s", "password": "%s"}' "$1" "$1" "$password"; }
cat >"$work/site.json" <<JSON
{"url": "$console", "provider": "$provider", "urlWithoutRegistry": "http://127.0.0.1:$((port + 3))/console/",
 "clientUrl": "http://127.0.0.1:$port", "knownClient": "bank-nusantara", "log": "$work/service.log",
 "client": {"username": "load", "password": "$PADAN_LOAD_PASSWORD", "apiKey": "$PADAN_LOAD_API_KEY"},
 "accounts": {$(account support), $(account operator), $(account auditor), "withCode": {"name": "with-code", "secret": "$code_secret"}},
 "program": "$padan", "settings": "$work/padan.toml", "servicePid": $service, "pictures": "${PADAN_SCREENSHOTS-}"}
JSON
node console/tests/browser.mjs "$work/site.json" "$(command -v chromium)" "$@"
