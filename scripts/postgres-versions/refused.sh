#!/usr/bin/env bash
# Shows, within `padan-demo cluster` of a version that is too old, that migrate, doctor and serve refuse it and say why.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/../paths.sh"
# shellcheck source=scripts/site.sh
. scripts/site.sh

for database in registry store; do psql --quiet "$PADAN_TEST_DATABASE_URL" --command "CREATE DATABASE $database"; done
add_client test password key
write_settings "$(url_of "$PADAN_TEST_DATABASE_URL" registry)"
for command in migrate doctor serve; do
  if PADAN__HTTP__PORT=0 PADAN__HTTP__ADMIN_PORT=0 timeout 60 "$padan" "$command" --config "$work/padan.toml" >"$work/$command.log" 2>&1; then
    fail "padan $command accepts $(postgres --version)"
  fi
  grep --quiet 'the server is PostgreSQL 1[0-3]\.[0-9]*, and Padan needs PostgreSQL 14 or newer' "$work/$command.log" ||
    fail "padan $command does not say why it refuses the server: $(cat "$work/$command.log")"
done
say "migrate, doctor and serve refuse $(postgres --version)"
