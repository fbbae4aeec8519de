#!/usr/bin/env bash
# Prepares, within `padan-demo cluster`, every query of .sqlx after all migrations, as the driver does before it runs one.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/../paths.sh"

output=$(mktemp)
trap 'rm -f -- "$output"' EXIT
psql --quiet "$PADAN_TEST_DATABASE_URL" --command 'CREATE DATABASE queries'
{
  echo 'CREATE SCHEMA civil_registry; CREATE SCHEMA store;'
  echo 'CREATE TABLE store._sqlx_migrations (version bigint, description text, installed_on timestamptz, success boolean,
    checksum bytea, execution_time bigint);'
  cat migrations/registry/*.sql migrations/store/*.sql
  python3 - <<'PY'
import json, pathlib

for number, file in enumerate(sorted(pathlib.Path(".sqlx").glob("query-*.json"))):
    query = json.loads(file.read_text())["query"]
    # The statement PREPARE takes only these; the driver prepares others as well.
    if query.split()[0].upper() in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"):
        # The semicolon is on a line of its own, since a query may end with a comment.
        print(f"PREPARE query_{number} AS {query}\n;")
print("SELECT count(*) || ' queries can be prepared' FROM pg_prepared_statements;")
PY
} | psql --quiet --no-psqlrc --tuples-only --no-align --set ON_ERROR_STOP=1 "${PADAN_TEST_DATABASE_URL%/*}/queries" >"$output" ||
  fail "a migration or a query fails on $(postgres --version)"
say "$(postgres --version): $(grep 'can be prepared' "$output")"
