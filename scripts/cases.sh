#!/usr/bin/env bash
# Sends every case of ../shared/cases to a service with the sample people, and prints what was expected and what came.
# Fails when a case is wrong. Needs about three minutes, most of them for the slow upload and the titles.
#
#     scripts/cases.sh [FOLDER]
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

if [ "${1-}" != inside ]; then
  cases=${1-../shared/cases}
  if [ ! -f "$cases/README.md" ]; then
    fail "there are no cases in $cases: they are not part of this repository"
  fi
  exec "$demo" cluster -- scripts/cases.sh inside "$cases"
fi
cases=$2
# shellcheck source=scripts/site.sh
. scripts/site.sh

registry=$(url_of "$PADAN_TEST_DATABASE_URL" registry)
make_site "$registry"
# People with the names of the cases.
python3 -B tools/cases/send_cases.py "$cases" --people |
  psql --quiet --set ON_ERROR_STOP=1 "$registry" --command \
    '\copy civil_registry.person (nik, name, date_of_birth, status) FROM pstdin CSV'
# Hundreds of names of one person are tried.
export PADAN__VERIFICATION__FAILED_FIELDS__PERSON__MOST=0 PADAN__VERIFICATION__FAILED_FIELDS__PERSON_LONG__MOST=0
start_service service 18080 18090
python3 -B tools/cases/send_cases.py "$cases" --port 18080
