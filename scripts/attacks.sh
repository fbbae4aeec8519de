#!/usr/bin/env bash
# Attacks a service with the sample people in the ways that an audit would, and prints a table of what held. Fails when
# an attack succeeds. Takes two minutes.
#
#     scripts/attacks.sh [NAME...]
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

if [ "${1-}" != inside ]; then
  exec "$demo" cluster -- scripts/attacks.sh inside "$@"
fi
shift
# shellcheck source=scripts/site.sh
. scripts/site.sh

registry=$(url_of "$PADAN_TEST_DATABASE_URL" registry)
make_site "$registry"
PADAN_OTHER_PASSWORD=$(openssl rand -hex 16) PADAN_OTHER_API_KEY=$(openssl rand -hex 16)
export PADAN_OTHER_PASSWORD PADAN_OTHER_API_KEY
add_client other "$PADAN_OTHER_PASSWORD" "$PADAN_OTHER_API_KEY"
# The limits of guesses are those of a real site.
sed -i '/^\[verification/,/^\[registry/{/^\[registry/!d}' "$work/padan.toml"
# The operators' listener has the management interface.
url_of "$PADAN_TEST_DATABASE_URL" store >"$work/management-url"
chmod 600 "$work/management-url"
sed -i "s|^\[store\]|[http]\nmanagement = true\n[store]\nmanagement_url_file = \"$work/management-url\"|" "$work/padan.toml"
psql --quiet --set ON_ERROR_STOP=1 "$registry" --command \
  "UPDATE civil_registry.person SET mother_maiden_name = 'Siti Ma''rufah' WHERE nik = '3174011403870000'"
# Few, so that an attacker can take them all with the files that a process may open.
export PADAN__HTTP__CONNECTIONS_PER_WORKER=200
# Every refusal is the checked one, whose time is measured.
export PADAN__CLIENTS__FAILED_CREDENTIALS__BURST=0
# Beside it, a service with a liveness gate.
python3 -B tools/liveness_set.py "$work/liveness" 0 -9
PADAN__INFERENCE__MODEL_FOLDER=$work/liveness PADAN_MODELS=$deps/models PADAN__INFERENCE__LIVENESS_SET=tiny \
  PADAN__VERIFICATION__LIVENESS__GATE=refuse PADAN__VERIFICATION__LIVENESS__AT=0.5 start_service gated 18481 18491
start_service service 18480 18490
export PADAN=$padan PADAN_ATTACKED_CONFIG=$work/padan.toml PADAN_ATTACKED_PORT=18480 PADAN_ATTACKED_PROCESS=$service
export PADAN_ATTACKED_LOG=$work/service.log PADAN_ATTACKED_REGISTRY=$registry
PADAN_ATTACKED_STORE=$(url_of "$PADAN_TEST_DATABASE_URL" store)
export PADAN_ATTACKED_STORE
python3 -B tools/attacks/attack.py "$@"
