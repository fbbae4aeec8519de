#!/usr/bin/env bash
# Writes .sqlx, with which the build checks the SQL of registry and store without a database. With --check it only
# checks that .sqlx is up to date.
#
# Needs PADAN_TEST_DATABASE_URL, a superuser's URL, and psql:
#     padan-demo cluster -- scripts/sqlx-prepare.sh [--check]
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1-}" in
    '') check=false ;;
    --check) check=true ;;
    *) echo "usage: scripts/sqlx-prepare.sh [--check]" >&2; exit 2 ;;
esac
if [ -z "${PADAN_TEST_DATABASE_URL-}" ]; then
    echo "PADAN_TEST_DATABASE_URL is not set: run \`padan-demo cluster -- scripts/sqlx-prepare.sh\`" >&2
    exit 1
fi

# One database with both schemas, as on a small site.
database="padan_prepare_$$"
psql --quiet "$PADAN_TEST_DATABASE_URL" --command "CREATE DATABASE $database"

# The same URL with the other database: its path lies between the authority and the parameters.
url=$(sed -E "s,^(postgres(ql)?://[^/?]*)(/[^?]*)?,\1/$database," <<<"$PADAN_TEST_DATABASE_URL")
{
    echo 'CREATE SCHEMA civil_registry; CREATE SCHEMA store;'
    # The table that sqlx creates before the first migration. The store reads it to find missing migrations.
    echo 'CREATE TABLE store._sqlx_migrations (
              version BIGINT PRIMARY KEY,
              description TEXT NOT NULL,
              installed_on TIMESTAMPTZ NOT NULL DEFAULT now(),
              success BOOLEAN NOT NULL,
              checksum BYTEA NOT NULL,
              execution_time BIGINT NOT NULL);'
    cat migrations/registry/*.sql migrations/store/*.sql
} | psql --quiet --set ON_ERROR_STOP=1 "$url"

# The macros run when the two crates are compiled, so their sources are made to look changed for this time. The same
# targets are checked as by clippy, so that nothing else has to be compiled again.
written=$(mktemp -d)
sources=(crates/registry/src/lib.rs crates/store/src/lib.rs)
for source in "${sources[@]}"; do
    mkdir -p "$written/times/${source%/*}"
    touch -r "$source" "$written/times/$source"
done
restore() {
    for source in "${sources[@]}"; do touch -r "$written/times/$source" "$source"; done
    rm -rf "$written"
    psql --quiet "$PADAN_TEST_DATABASE_URL" --command "DROP DATABASE IF EXISTS $database WITH (FORCE)"
}
trap restore EXIT
mkdir "$written/queries"
touch "${sources[@]}"
if $check; then
    selected=(--workspace --all-targets)
else
    selected=(--package padan-registry --package padan-store)
fi
SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$written/queries" PADAN_PREPARE_DATABASE_URL="$url" \
    cargo check --quiet --release "${selected[@]}"

if $check; then
    diff --recursive --brief .sqlx "$written/queries" || {
        echo ".sqlx is out of date: run scripts/sqlx-prepare.sh and commit it" >&2
        exit 1
    }
else
    mkdir -p .sqlx
    rm -f .sqlx/query-*.json
    cp "$written"/queries/query-*.json .sqlx/
    echo "$(ls .sqlx | wc -l) queries written to .sqlx"
fi
