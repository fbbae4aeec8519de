#!/usr/bin/env bash
# Sends verifications of many kinds by many callers and two clients at once, cuts the connections to the databases
# meanwhile, and compares each answer with the one to the same request alone. Fails when one differs or the memory
# grows. 50,000 verifications take about half an hour.
#
#     scripts/soak.sh [VERIFICATIONS [ARGUMENTS OF tools/soak/soak.py]]
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

if [ "${1-}" != inside ]; then
  exec "$demo" cluster -- scripts/soak.sh inside "$@"
fi
shift
# shellcheck source=scripts/site.sh
. scripts/site.sh

registry=$(url_of "$PADAN_TEST_DATABASE_URL" registry)
make_site "$registry"
other_password=$(openssl rand -hex 16) other_key=$(openssl rand -hex 16)
add_client other "$other_password" "$other_key"
# Every request is sent many times.
export PADAN__VERIFICATION__FAILED_FACES__MOST=0 PADAN__VERIFICATION__FAILED_FACES_OF_PERSON__MOST=0
export PADAN__VERIFICATION__FAILED_FIELDS__PERSON__MOST=0 PADAN__VERIFICATION__FAILED_FIELDS__PERSON_LONG__MOST=0
start_service service 18580 18590
export PADAN_SOAK_PORT=18580 PADAN_SOAK_PROCESS=$service PADAN_SOAK_REGISTRY=$registry
PADAN_SOAK_STORE=$(url_of "$PADAN_TEST_DATABASE_URL" store)
PADAN_SOAK_CLIENTS="load:$PADAN_LOAD_PASSWORD:$PADAN_LOAD_API_KEY other:$other_password:$other_key"
export PADAN_SOAK_STORE PADAN_SOAK_CLIENTS
python3 -B tools/soak/soak.py "${@:-50000}"
