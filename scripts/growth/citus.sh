# shellcheck shell=bash disable=SC2154
# Sourced by scripts/growth.sh: Citus, on servers of its own (scripts/growth/on-citus.sh).

try_citus() {
  if [ -z "${CITUS_PGCONFIG-}" ]; then
    left_out+=("citus: set CITUS_PGCONFIG to the pg_config of a PostgreSQL that has Citus")
    return
  fi
  PADAN_GROWTH_OUT=$answers PADAN_GROWTH_PORT=$port scripts/growth/on-citus.sh || failed_forms+=(citus)
}
