#!/usr/bin/env bash
# Copies the primary when there is nothing yet, then follows it. It lags as far as the network lets it.
set -euo pipefail
PGPASSWORD=$(cat "${PADAN_SECRETS:-/run/secrets}/replicator-password")
export PGPASSWORD

if [ ! -s "${PGDATA:?}/PG_VERSION" ]; then
  pg_basebackup --host="${PADAN_PRIMARY:-primary}" --port="${PADAN_PRIMARY_PORT:-5432}" --username=replicator \
    --pgdata="$PGDATA" --wal-method=stream --slot=replica --write-recovery-conf --checkpoint=fast
  chmod 0700 "$PGDATA"
fi
# A look-up is never cancelled for the sake of replay.
exec postgres -c hot_standby=on -c hot_standby_feedback=on "$@"
