#!/usr/bin/env bash
# Generates requests from the OpenAPI document of a service with the sample people, valid and invalid ones, and checks
# that each answer is one that the document has: schemathesis with all of its checks.
#
#     scripts/api-contract.sh [CASES]     CASES for each operation and kind of data; 100 if not given
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

if [ "${1-}" != inside ]; then
  scripts/python-venv.sh api-contract
  scripts/python-venv.sh clients
  exec "$demo" cluster -- scripts/api-contract.sh inside "${1-100}"
fi
# shellcheck source=scripts/site.sh
. scripts/site.sh

make_site "$(url_of "$PADAN_TEST_DATABASE_URL" registry)"
# The tiny liveness set of the tests, so that every endpoint is there.
mkdir "$work/inputs"
"$deps/clients-venv/bin/python" -B tools/clients/make_inputs.py "$work/inputs"
python3 -B tools/liveness_set.py "$work/inputs/models" 0.1 -12.8
sed -i "s|^model_folder = .*|model_folder = \"$work/inputs/models\"\nliveness_set = \"tiny\"|" "$work/padan.toml"
export PADAN_MODELS=$deps/models PADAN_FAULTY_PHOTOS=$work/inputs
port=${PADAN_CLIENTS_PORT:-18780}
start_service service "$port" $((port + 10))
"$deps/api-contract-venv/bin/schemathesis" --config-file tools/api-contract/schemathesis.toml run \
  --checks all --continue-on-failure --max-examples "$2" --seed 1 --no-color "http://127.0.0.1:$port/openapi.json"
