# shellcheck shell=bash disable=SC2034,SC2154
# Sourced, within `padan-demo cluster`, by scripts that need a complete site: a registry with the sample people, a store, a
# client, and services. Everything is stopped and removed when the script ends.

work=$(mktemp -d)
pids=()
clean_up() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf -- "$work"
}
trap clean_up EXIT

# url_of SERVER DATABASE: the URL of a database on the server of another URL.
url_of() { printf '%s/%s\n' "${1%/*}" "$2"; }

sha256_of() { printf %s "$1" | sha256sum | cut -d ' ' -f 1; }

# add_client NAME PASSWORD API_KEY: adds a client to the file of clients. Its user name is its name.
add_client() {
  cat >>"$work/clients.toml" <<TOML
[[client]]
name = "$1"
username = "$1"
password_sha256 = "$(sha256_of "$2")"
api_key_sha256 = "$(sha256_of "$3")"
TOML
}

# make_site REGISTRY_URL... : creates databases, people and settings. Services read the registry by these URLs.
make_site() {
  local server=$PADAN_TEST_DATABASE_URL database photo
  for database in registry store; do psql --quiet "$server" --command "CREATE DATABASE $database"; done
  {
    echo 'CREATE SCHEMA civil_registry;'
    cat migrations/registry/*.sql
    echo 'CREATE TEMPORARY TABLE person (nik text, name text, date_of_birth date, status text, portrait text);'
    echo "\\copy person FROM people/people.csv CSV HEADER"
    echo 'CREATE TEMPORARY TABLE photo (file text, bytes bytea);'
    for photo in people/images/*_id.jpg; do
      echo "INSERT INTO photo VALUES ('${photo#people/}', decode('$(base64 --wrap=0 "$photo")', 'base64'));"
    done
    echo 'INSERT INTO civil_registry.person (nik, name, date_of_birth, status, portrait, portrait_updated_at)
          SELECT nik, name, date_of_birth, status, bytes, now() FROM person JOIN photo ON file = portrait;'
  } | psql --quiet --set ON_ERROR_STOP=1 "$(url_of "$server" registry)"
  PADAN_LOAD_PASSWORD=$(openssl rand -hex 16) PADAN_LOAD_API_KEY=$(openssl rand -hex 16)
  export PADAN_LOAD_PASSWORD PADAN_LOAD_API_KEY
  add_client load "$PADAN_LOAD_PASSWORD" "$PADAN_LOAD_API_KEY"
  write_settings "$@"
  "$padan" migrate --config "$work/padan.toml"
}

# write_settings REGISTRY_URL... : writes the settings of services that read the registry by these URLs.
write_settings() {
  cat >"$work/padan.toml" <<TOML
[log]
format = "json"
[clients]
file = "$work/clients.toml"
# Few persons are verified again and again.
[verification]
compared_faces_of_person = { most = 0, window_seconds = 86400 }
[verification.failed_fields]
client = { most = 0, window_seconds = 900 }
client_long = { most = 0, window_seconds = 86400 }
[registry]
urls = [$(printf '"%s",' "$@")]
[store]
url = "$(url_of "$PADAN_TEST_DATABASE_URL" store)"
person_key = "$(openssl rand -hex 32)"
template_keys = "$(openssl rand -hex 32)"
audit_keys = "$(openssl rand -hex 32)"
# A service does not search the checkout by itself.
[inference]
model_folder = "$deps/models"
runtime_library = "$deps/onnxruntime/libonnxruntime.so"
TOML
}

# forget PROCESS: keeps the clean-up from killing a process that has ended, whose number may have been reused.
forget() {
  local pid kept=()
  for pid in "${pids[@]}"; do [ "$pid" = "$1" ] || kept+=("$pid"); done
  pids=("${kept[@]}")
}

# How often a service is asked whether it is ready, in tenths of a second.
ready_tries=300
# wait_until_ready NAME URL: waits until the process $service answers at the URL. If it does not, prints the end of its
# log and fails.
wait_until_ready() {
  for _ in $(seq "$ready_tries"); do
    if curl --silent --fail --output /dev/null "$2"; then return; fi
    kill -0 "$service" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 20 "$work/$1.log" >&2
  fail "the service $1 does not become ready"
}

# start_service NAME PORT ADMIN_PORT: starts a service, sets $service to its process, and waits until it is ready.
start_service() {
  # The threshold is that of the container image and of padan.service.
  MALLOC_MMAP_THRESHOLD_=4194304 PADAN__HTTP__PORT=$2 PADAN__HTTP__ADMIN_PORT=$3 "$padan" serve --config "$work/padan.toml" 2>>"$work/$1.log" &
  service=$!
  pids+=("$service")
  wait_until_ready "$1" "http://127.0.0.1:$3/readyz"
}

# start_load ARGUMENTS... : starts sending requests until finish_load.
start_load() {
  "$load" --user load "$@" >"$work/load.json" &
  loading=$!
  pids+=("$loading")
}

# finish_load: stops sending, prints the figures, and sets $failed to the number of failed requests.
finish_load() {
  kill -TERM "$loading"
  wait "$loading" || fail "the load generator failed"
  forget "$loading"
  cat "$work/load.json"
  failed=$(sed -n 's/^ *"failed": \([0-9]*\),$/\1/p' "$work/load.json")
  [[ $failed =~ ^[0-9]+$ ]] || fail "the load generator printed no number of failed requests"
  if grep --quiet '^ *"requests": 0,$' "$work/load.json"; then fail "no request was sent"; fi
}
