#!/usr/bin/env bash
# Calls a service with the sample people by clients that others have written: the Node SDK, clients that are generated
# from the OpenAPI document, the Postman collection, and a browser that shows /docs. Installs what is missing: Node and
# Chromium from Debian (as root), and their packages into .deps.
#
#     scripts/clients.sh            check everything
#     scripts/clients.sh --write    only write the table of the SDK's outcomes into docs/clients.md
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

if [ "${1-}" != inside ]; then
  scripts/deps.sh --only-browser
  scripts/python-venv.sh clients
  scripts/node-modules.sh clients
  exec "$demo" cluster -- scripts/clients.sh inside "${1---check}"
fi
# shellcheck source=scripts/site.sh
. scripts/site.sh

mode=$2
modules=$deps/clients
venv=$deps/clients-venv/bin
# Six ports from this one are used.
port=${PADAN_CLIENTS_PORT:-18770}

# insert_person NIK STATUS : adds a person without a portrait to the registry.
insert_person() {
  psql --quiet "$(url_of "$PADAN_TEST_DATABASE_URL" registry)" --command "INSERT INTO civil_registry.person
    (nik, name, date_of_birth, status) VALUES ('$1', 'Budi Santoso', '1987-03-14', '$2')"
}

# start_broken NAME PORT TABLE KEY LINE : starts a service whose registry or store cannot be reached.
start_broken() {
  sed "/^\[$3\]/,/^\[/ s|^$4 = .*|$5|" "$work/padan.toml" >"$work/$1.toml"
  PADAN__HTTP__PORT=$2 PADAN__HTTP__ADMIN_PORT=$(($2 + 1)) "$padan" serve --config "$work/$1.toml" 2>>"$work/$1.log" &
  service=$!
  pids+=("$service")
  wait_until_ready "$1" "http://127.0.0.1:$(($2 + 1))/healthz"
}

# A client beside `load`, and what the file of clients says about it.
add_other() {
  add_client "$1" "$PADAN_LOAD_PASSWORD" "$PADAN_LOAD_API_KEY$1"
  echo "$2" >>"$work/clients.toml"
}

# The credentials of that client, in JSON.
credentials_of() {
  printf '{"username":"%s","password":"%s","apiKey":"%s"}' "$1" "$PADAN_LOAD_PASSWORD" "$PADAN_LOAD_API_KEY$1"
}

mkdir "$work/inputs"
"$venv/python" -B tools/clients/make_inputs.py "$work/inputs"
python3 -B tools/liveness_set.py "$work/inputs/models" 0.1 -12.8
make_site "$(url_of "$PADAN_TEST_DATABASE_URL" registry)"
insert_person 3101010101900000 inactive
insert_person 3101010202910000 active
add_other forbidden 'endpoints = []'
add_other limited $'requests_per_second = 0.001\nburst = 1'
add_other spent 'daily_quota = 1'
add_other sandbox 'sandbox = true'
# The tiny liveness set is beside the models of .deps.
sed -i "s|^model_folder = .*|model_folder = \"$work/inputs/models\"\nliveness_set = \"tiny\"|" "$work/padan.toml"
# Limits that a few photos and attempts exceed.
export PADAN_MODELS=$deps/models PADAN__INFERENCE__LIMITS__MAX_MEGAPIXELS=2 PADAN__INFERENCE__QUALITY__MAX_ROLL=15
export PADAN__VERIFICATION__FAILED_FACES__MOST=3 PADAN__VERIFICATION__FAILED_FIELDS__PERSON__MOST=20
start_service service "$port" $((port + 1))
start_broken without-registry $((port + 2)) registry urls 'urls = ["postgres://nobody@127.0.0.1:1/nowhere"]'
start_broken without-store $((port + 4)) store url 'url = "postgres://nobody@127.0.0.1:1/nowhere"'

export PADAN_URL=http://127.0.0.1:$port PADAN_USERNAME=load
export PADAN_PASSWORD=$PADAN_LOAD_PASSWORD PADAN_API_KEY=$PADAN_LOAD_API_KEY
sandbox=$(credentials_of sandbox)
cat >"$work/sdk.json" <<JSON
{"sdk": {"baseUrl": "$PADAN_URL", "username": "load", "password": "$PADAN_PASSWORD", "apiKey": "$PADAN_API_KEY"},
 "services": {"withoutRegistry": "http://127.0.0.1:$((port + 2))", "withoutStore": "http://127.0.0.1:$((port + 4))"},
 "clients": {"forbidden": $(credentials_of forbidden), "limited": $(credentials_of limited), "spent": $(credentials_of spent)},
 "sandbox": {"baseUrl": "$PADAN_URL", ${sandbox:1}, "metrics": "http://127.0.0.1:$((port + 1))/metrics", "inputs": "$work/inputs"}
JSON
say "the Node SDK"
node tools/clients/sdk_table.mjs "$modules" "$work/sdk.json" "$mode"
if [ "$mode" = --write ]; then exit; fi
node tools/clients/sdk_sandbox.mjs "$modules" "$work/sdk.json"

say "generated clients"
generated=$modules/generated
rm -rf -- "$generated"
mkdir "$generated"
curl --silent --fail "$PADAN_URL/openapi.json" >"$generated/openapi.json"
cp tools/clients/typescript/* "$generated/"
echo '{"type": "module"}' >"$generated/package.json"
"$modules/node_modules/.bin/openapi-typescript" "$generated/openapi.json" --output "$generated/padan.ts" >/dev/null
"$modules/node_modules/.bin/tsc" --project "$generated"
node "$generated/compiled/verify.js"
PATH=$venv:$PATH "$venv/openapi-python-client" generate --path "$generated/openapi.json" --meta none --fail-on-warning \
  --output-path "$generated/padan_client" >/dev/null
PYTHONPATH=$generated "$venv/python" -B tools/clients/python/verify.py

say "the Postman collection"
cat >"$work/postman.json" <<JSON
{"name": "test", "values": [
 {"key": "baseUrl", "value": "$PADAN_URL"}, {"key": "username", "value": "load"},
 {"key": "password", "value": "$PADAN_PASSWORD"}, {"key": "apiKey", "value": "$PADAN_API_KEY"},
 $(for field in face_image captured_image stored_image image; do
  printf '{"key": "%s_base64", "value": "%s"},' "$field" "$(base64 --wrap=0 people/images/101_s1.jpg)"
done | sed 's/,$//')]}
JSON
"$modules/node_modules/.bin/newman" run docs/padan.postman_collection.json --environment "$work/postman.json" \
  --working-dir "$PWD" --reporters cli --reporter-cli-no-banner --color off --disable-unicode --timeout-request 30000

say "the page at /docs"
node tools/clients/docs_page.mjs "$modules" "$(command -v chromium)" "${PADAN_SCREENSHOTS-}"
