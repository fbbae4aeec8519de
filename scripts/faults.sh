#!/usr/bin/env bash
# Breaks the registry, the store and the service in turn while clients call, and prints how many requests were answered,
# refused and lost. Fails if an answered request has no row in the audit trail, or the service does not recover. Takes
# ten minutes. Needs root for the small disk, or a mounted one in $PADAN_SMALL_DISK. Needs libfaketime for jumps of the
# clock, which it installs on Debian as root, and control groups of memory that it can write; without one of them it
# leaves these faults out and says so.
#
#     scripts/faults.sh [NAME...]
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

# A server with a standby for the registry, and another for the store, whose disk is filled.
program=${padan%/*}/padan-with-fault-points
case "${1-}" in
  inside)
    registry_server=$PADAN_TEST_DATABASE_URL
    export registry_server
    exec "$demo" cluster -- scripts/faults.sh within "${@:2}"
    ;;
  within) shift ;;
  *)
    # A second program, which panics where it is told to. The one that is installed has no such places.
    cargo build --release --package padan --features fault-points --bin padan-with-fault-points
    if grep --quiet --text PADAN_FAULT_POINTS "$padan"; then fail "$padan has fault points"; fi
    if ! ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
      apt-get install --yes --quiet libfaketime >&2 || say "libfaketime cannot be installed"
    fi
    exec "$demo" cluster --standbys 1 -- scripts/faults.sh inside "$@"
    ;;
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
# The server looks for a deadlock when a statement has waited so long, before the service's own limit ends the wait.
psql --quiet "$store_server" --command "ALTER DATABASE store SET deadlock_timeout = '300ms'"
PADAN__STORE__URL=$(url_of "$store_server" store)
export PADAN__STORE__URL
"$padan" migrate --config "$work/padan.toml" >/dev/null
# The management interface has a task of its own.
printf '%s\n' "$PADAN__STORE__URL" >"$work/management-url"
chmod 600 "$work/management-url"
sed -i "s|^\[store\]|[http]\nmanagement = true\n[store]\nmanagement_url_file = \"$work/management-url\"|" "$work/padan.toml"
# Clients with limits, which a jump of the clock must not open.
echo 'daily_quota = 1000000' >>"$work/clients.toml"
for client in guesser daily rated; do add_client "$client" "$PADAN_LOAD_PASSWORD" "$PADAN_LOAD_API_KEY-$client"; done
sed -i '/^name = "daily"/a daily_quota = 6' "$work/clients.toml"
sed -i '/^name = "rated"/a requests_per_second = 0.001\nburst = 6' "$work/clients.toml"
export PADAN=$padan PADAN_FAULTS_PROGRAM=$program PADAN_FAULTS_CONFIG=$work/padan.toml PADAN_FAULTS_LOG=$work/service.log
PADAN_FAULTS_REGISTRY_PRIMARY=$(url_of "$registry_server" registry)
PADAN_FAULTS_REGISTRY=$(url_of "$PADAN_TEST_STANDBY_URLS" registry)
export PADAN_FAULTS_REGISTRY_PRIMARY PADAN_FAULTS_REGISTRY PADAN_FAULTS_STORE=$PADAN__STORE__URL PADAN_FAULTS_STORE_FILES=$small
python3 -B tools/faults/faults.py "$@"
