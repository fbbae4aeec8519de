#!/usr/bin/env bash
# Runs every program of docs/clients.md against a service with the sample people. Installs their runtimes from Debian
# where they are missing (as root), and their packages into .deps/snippets.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

if [ "${1-}" != inside ]; then
  missing=()
  for pair in node:nodejs npm:npm go:golang-go java:default-jdk-headless php:php-cli; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
  done
  if command -v php >/dev/null && ! php -m | grep --quiet --line-regexp curl; then missing+=(php-curl); fi
  if ! command -v php >/dev/null; then missing+=(php-curl); fi
  if [ "${#missing[@]}" -gt 0 ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
      fail "runtimes are missing. As root on Debian run: apt-get install ${missing[*]}. Elsewhere install these"
    fi
    say "installing ${missing[*]} from Debian"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  fi
  scripts/python-venv.sh snippets
  scripts/node-modules.sh snippets
  ln -sfn "$deps/snippets-venv" "$deps/snippets/venv"
  exec "$demo" cluster -- scripts/snippets.sh inside
fi
# shellcheck source=scripts/site.sh
. scripts/site.sh

make_site "$(url_of "$PADAN_TEST_DATABASE_URL" registry)"
start_service service 18780 18790
export PADAN_URL=http://127.0.0.1:18780 PADAN_USERNAME=load
export PADAN_PASSWORD=$PADAN_LOAD_PASSWORD PADAN_API_KEY=$PADAN_LOAD_API_KEY
"$deps/snippets-venv/bin/python" -B tools/snippets/run_snippets.py "$deps/snippets"
