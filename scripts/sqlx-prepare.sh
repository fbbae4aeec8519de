#!/usr/bin/env bash
# Writes .sqlx, what the build needs to check the SQL of registry and store without a database; with --check
# it only says whether .sqlx is what would be written.
#
# Needs PADAN_TEST_DATABASE_URL, a superuser's URL, and psql:
#     padan cluster -- scripts/sqlx-prepare.sh [--check]
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1-}" in
    '') check=false ;;
    --check) check=true ;;
    *) echo "usage: scripts/sqlx-prepare.sh [--check]" >&2; exit 2 ;;
esac
if [ -z "${PADAN_TEST_DATABASE_URL-}" ]; then
    echo "PADAN_TEST_DATABASE_URL is not set: run \`padan cluster -- scripts/sqlx-prepare.sh\`" >&2
    exit 1
fi

# One database with both schemas, as on a small site.
database="padan_prepare_$$"
trap 'psql --quiet "$PADAN_TEST_DATABASE_URL" --command "DROP DATABASE IF EXISTS $database WITH (FORCE)"' EXIT
psql --quiet "$PADAN_TEST_DATABASE_URL" --command "CREATE DATABASE $database"

# The same URL with the other database: its path lies between the authority and the parameters.
url=$(sed -E "s,^(postgres(ql)?://[^/?]*)(/[^?]*)?,\1/$database," <<<"$PADAN_TEST_DATABASE_URL")
{
    echo 'CREATE SCHEMA civil_registry; CREATE SCHEMA store;'
    cat migrations/registry/*.sql migrations/store/*.sql
    # As sqlx creates it at the first migration; the store reads it to name what is missing.
    echo 'CREATE TABLE store._sqlx_migrations (
              version BIGINT PRIMARY KEY,
              description TEXT NOT NULL,
              installed_on TIMESTAMPTZ NOT NULL DEFAULT now(),
              success BOOLEAN NOT NULL,
              checksum BYTEA NOT NULL,
              execution_time BIGINT NOT NULL);'
} | psql --quiet --set ON_ERROR_STOP=1 "$url"

# A cfg that follows the sources compiles the two crates anew exactly when something changed; their normal
# artefacts stay as they are. The folder of the same name then holds what the macros wrote.
stamp=$(find migrations crates/registry crates/store -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
written="$PWD/target/sqlx-prepare/$stamp"
mkdir -p "$written"
for package in padan-registry padan-store; do
    SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$written" PADAN_PREPARE_DATABASE_URL="$url" \
        cargo rustc --quiet --release --lib --package "$package" -- --cfg "sqlx_prepare_$stamp"
done

if $check; then
    diff --recursive --brief .sqlx "$written" || {
        echo ".sqlx is out of date: run scripts/sqlx-prepare.sh and commit it" >&2
        exit 1
    }
else
    mkdir -p .sqlx
    rm -f .sqlx/query-*.json
    cp "$written"/query-*.json .sqlx/
    echo "$(ls .sqlx | wc -l) queries written to .sqlx"
fi
