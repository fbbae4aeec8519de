#!/usr/bin/env bash
# Runs the store on two servers under Patroni with synchronous replication, behind HAProxy, with the files
# deploy/patroni/patroni.yml and deploy/haproxy/store.cfg. Lets clients call while servers are killed, frozen and
# exchanged. Prints how many requests were answered, failed and lost, and for how long. Fails if a request that was
# answered has no row in the audit trail afterwards, or the service does not recover. Takes about six minutes. Needs
# Debian's packages patroni, etcd-server and haproxy, which it installs as root.
#
#     scripts/growth/patroni.sh [NAME...]     only the events whose name contains one of the words
#
# scripts/growth.sh sources it and calls try_patroni.

# patroni_packages: the Debian packages that are missing.
patroni_packages() {
  local pair
  for pair in patroni:patroni etcd:etcd-server haproxy:haproxy; do
    command -v "${pair%%:*}" >/dev/null || printf '%s\n' "${pair##*:}"
  done
}

# try_patroni: tries all events. Other forms have their operations tried; here what counts is the fail-over.
try_patroni() {
  if [ -n "$(patroni_packages)" ] && { [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; }; then
    left_out+=("patroni: as root on Debian run: apt-get install $(patroni_packages | tr '\n' ' ')")
  elif ! scripts/growth/patroni.sh; then
    failed_forms+=(patroni)
  fi
}

[ "${BASH_SOURCE[0]}" = "$0" ] || return 0
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/../paths.sh"

if [ "${1-}" != inside ]; then
  mapfile -t missing < <(patroni_packages)
  if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
      fail "as root on Debian run: apt-get install ${missing[*]}"
    fi
    say "installing ${missing[*]} from Debian"
    (
      # Debian would start services of its own, which nothing here uses.
      policy=/usr/sbin/policy-rc.d
      if [ ! -e "$policy" ]; then
        trap 'rm -f -- "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
      fi
      apt-get update -qq
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    )
  fi
  exec "$demo" cluster -- scripts/growth/patroni.sh inside "$@"
fi
shift
# shellcheck source=scripts/site.sh
. scripts/site.sh

server=$PADAN_TEST_DATABASE_URL
setting() { psql --quiet --no-align --tuples-only "$server" --command "$1"; }
data=$(setting 'SHOW data_directory')
make_site "$(url_of "$server" registry)"
# The servers run as the user of the private cluster, since PostgreSQL refuses root.
servers=$(mktemp -d)
trap 'clean_up; rm -rf -- "$servers"' EXIT
chmod 711 "$servers"
export PADAN=$padan PADAN_FAULTS_PROGRAM=$padan PADAN_FAULTS_CONFIG=$work/padan.toml PADAN_FAULTS_LOG=$work/service.log
PADAN_FAULTS_REGISTRY=$(url_of "$server" registry)
export PADAN_FAULTS_REGISTRY PADAN_FAULTS_REGISTRY_PRIMARY=$PADAN_FAULTS_REGISTRY
export PADAN_FAULTS_STORE='' PADAN_FAULTS_STORE_FILES='' PADAN_FAILOVER_FOLDER=$servers
PADAN_FAILOVER_USER=$(stat --format %u "$data") PADAN_FAILOVER_GROUP=$(stat --format %g "$data")
PADAN_FAILOVER_PROGRAMS=$(setting "SELECT setting FROM pg_config WHERE name = 'BINDIR'")
export PADAN_FAILOVER_USER PADAN_FAILOVER_GROUP PADAN_FAILOVER_PROGRAMS
PYTHONPATH=tools/faults python3 -B tools/failover/failover.py "$@"
