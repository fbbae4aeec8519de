#!/usr/bin/env bash
# Breaks the registry, the store and the service in turn while clients call, and prints how many requests were answered,
# refused and lost. Fails if an answered request has no row in the audit trail, or the service does not recover. Takes
# five minutes. Needs root for the small disk, or a mounted one in $PADAN_SMALL_DISK.
#
#     scripts/faults.sh [NAME...]
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

# A server with a standby for the registry, and another for the store, whose disk is filled.
case "${1-}" in
  inside)
    registry_server=$PADAN_TEST_DATABASE_URL
    export registry_server
    exec "$padan" cluster -- scripts/faults.sh within "${@:2}"
    ;;
  within) shift ;;
  *) exec "$padan" cluster --standbys 1 -- scripts/faults.sh inside "$@" ;;
esac
# shellcheck source=scripts/site.sh
. scripts/site.sh

small=${PADAN_SMALL_DISK-}
if [ -z "$small" ]; then
  [ "$(id -u)" -eq 0 ] || fail "mount a file system of 64 MB for the server's user, and name it in PADAN_SMALL_DISK"
  small=$(mktemp -d)
  mount -t tmpfs -o size=64m padan-faults "$small"
  trap 'clean_up; umount --lazy "$small"; rmdir "$small"' EXIT
fi
store_server=$PADAN_TEST_DATABASE_URL
folder=$(psql --quiet --no-align --tuples-only "$store_server" --command 'SHOW data_directory')
chmod 711 "$small"
install -d -m 700 -o "$(stat --format %u "$folder")" -g "$(stat --format %g "$folder")" "$small/store"
PADAN_TEST_DATABASE_URL=$registry_server
make_site "$(url_of "$PADAN_TEST_STANDBY_URLS" registry)"
psql --quiet "$store_server" --command "CREATE TABLESPACE small LOCATION '$small/store'" \
  --command 'CREATE DATABASE store TABLESPACE small'
PADAN__STORE__URL=$(url_of "$store_server" store)
export PADAN__STORE__URL
"$padan" migrate --config "$work/padan.toml" >/dev/null
export PADAN=$padan PADAN_FAULTS_CONFIG=$work/padan.toml PADAN_FAULTS_LOG=$work/service.log
PADAN_FAULTS_REGISTRY_PRIMARY=$(url_of "$registry_server" registry)
PADAN_FAULTS_REGISTRY=$(url_of "$PADAN_TEST_STANDBY_URLS" registry)
export PADAN_FAULTS_REGISTRY_PRIMARY PADAN_FAULTS_REGISTRY PADAN_FAULTS_STORE=$PADAN__STORE__URL PADAN_FAULTS_STORE_FILES=$small
python3 -B tools/faults/faults.py "$@"
