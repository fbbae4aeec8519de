#!/usr/bin/env bash
# PostgreSQL's image runs this once, as the superuser of a new cluster. It creates databases, roles, the stand-in
# registry and a replication slot.
set -euo pipefail
secrets=${PADAN_SECRETS:-/run/secrets}
files=${PADAN_FILES:-/padan}
sql() { psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" "$@"; }
password() { printf '%s=%s' "$1" "$(cat "$secrets/$1-password")"; }

sql --dbname postgres --set "$(password owner)" --set "$(password app)" --set "$(password admin)" \
  --set "$(password replicator)" <<'SQL'
CREATE ROLE padan_service NOLOGIN;
CREATE ROLE padan_operator NOLOGIN;
CREATE ROLE padan_auditor NOLOGIN;
CREATE ROLE padan_owner LOGIN PASSWORD :'owner';
CREATE ROLE padan_app LOGIN PASSWORD :'app' IN ROLE padan_service;
CREATE ROLE padan_admin LOGIN PASSWORD :'admin' IN ROLE padan_operator;
CREATE ROLE replicator LOGIN REPLICATION PASSWORD :'replicator';
SELECT pg_create_physical_replication_slot('replica') \g /dev/null
CREATE DATABASE registry;
CREATE DATABASE store OWNER padan_owner;
SQL
{
  echo 'CREATE SCHEMA civil_registry;'
  cat "$files"/migrations/registry/*.sql "$files/reader.sql"
  echo "ALTER ROLE padan_reader PASSWORD :'reader'; ALTER ROLE padan_enroller PASSWORD :'enroller';"
} | sql --dbname registry --set "$(password reader)" --set "$(password enroller)"

echo 'host replication replicator all scram-sha-256' >>"${PGDATA:?}/pg_hba.conf"
