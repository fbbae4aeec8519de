#!/usr/bin/env bash
# Generates requests from the OpenAPI document of a service with the sample people, valid and invalid ones, and checks
# that each answer is one that the document has: schemathesis with all of its checks.
#
#     scripts/api-contract.sh [CASES]     CASES for each operation and kind of data; 100 if not given
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

if [ "${1-}" != inside ]; then
  scripts/python-venv.sh api-contract
  exec "$padan" cluster -- scripts/api-contract.sh inside "${1-100}"
fi
# shellcheck source=scripts/site.sh
. scripts/site.sh

make_site "$(url_of "$PADAN_TEST_DATABASE_URL" registry)"
start_service service 18780 18790
"$deps/api-contract-venv/bin/schemathesis" --config-file tools/api-contract/schemathesis.toml run \
  --checks all --continue-on-failure --max-examples "$2" --seed 1 --no-color http://127.0.0.1:18780/openapi.json
