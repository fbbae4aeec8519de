#!/usr/bin/env bash
# Tries every operation of the program on each form that the databases of a growing site can have, and prints the table
# of operations and forms, then the throughput of some forms in turn: `make growth`.
#
# Forms: one server (plain), also with odd settings of its databases; 32 partitions; PgBouncer in session mode, Debian's
# and the one that PGBOUNCER names; in transaction mode that one, if it is new enough; a fail-over by Patroni, and one
# with two hosts in store.url; Citus, where CITUS_PGCONFIG names the pg_config of a PostgreSQL that has it. What is not at
# hand is said to be left out.
#
#     scripts/growth.sh [FORM...]
#
# FORM: plain, settings, partitions, pgbouncer, throughput, hosts, patroni or citus; without one, all.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

if [ "${1-}" != inside ]; then
  [ $# -gt 0 ] || set -- plain settings partitions pgbouncer throughput hosts patroni citus
  forms=() status=0
  for form in "$@"; do
    case $form in
      # They run servers of their own.
      hosts | patroni) "scripts/growth/$form.sh" || status=1 ;;
      plain | settings | partitions | pgbouncer | throughput | citus) forms+=("$form") ;;
      *) fail "unknown form: $form" ;;
    esac
  done
  if [ ${#forms[@]} -gt 0 ]; then
    "$demo" cluster -- scripts/growth.sh inside "${forms[@]}" || status=1
  fi
  exit "$status"
fi
shift
# shellcheck source=scripts/site.sh
. scripts/site.sh
port=${PADAN_GROWTH_PORT-18080}
# shellcheck source=scripts/growth/operations.sh
. scripts/growth/operations.sh
# shellcheck source=scripts/growth/pgbouncer.sh
. scripts/growth/pgbouncer.sh
# shellcheck source=scripts/growth/throughput.sh
. scripts/growth/throughput.sh

# new_site: a new site on the server of PADAN_TEST_DATABASE_URL, with the URLs of that server.
new_site() {
  local database
  for database in registry store; do
    query "$PADAN_TEST_DATABASE_URL" --command "DROP DATABASE IF EXISTS $database WITH (FORCE)"
  done
  rm -f "$work/clients.toml"
  registry_owner=$(url_of "$PADAN_TEST_DATABASE_URL" registry) store_owner=$(url_of "$PADAN_TEST_DATABASE_URL" store)
  service_registry=$registry_owner operator_registry=$registry_owner
  service_store=$store_owner operator_store=$store_owner migrate_store=$store_owner
  make_site "$registry_owner"
}

# try_form FORM: tries the operations.
try_form() {
  run_operations "$1" "$port" || failed_forms+=("$1")
}

try_plain() {
  new_site
  try_form plain
}

failed_forms=() left_out=()
for form in "$@"; do
  if [ "$form" != plain ]; then
    if [ ! -f "scripts/growth/$form.sh" ]; then
      left_out+=("$form: there is no scripts/growth/$form.sh")
      continue
    fi
    # shellcheck disable=SC1090
    . "scripts/growth/$form.sh"
  fi
  "try_$form"
done

[ ! -f "$answers" ] || print_answers
print_throughput
for reason in "${left_out[@]}"; do say "left out: $reason"; done
[ ${#failed_forms[@]} -eq 0 ] || fail "operations failed on: ${failed_forms[*]}"
