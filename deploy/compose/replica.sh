#!/usr/bin/env bash
# Copies the primary on the first start, then replicates from it.
set -euo pipefail
PGPASSWORD=$(cat "${PADAN_SECRETS:-/run/secrets}/replicator-password")
export PGPASSWORD

if [ ! -s "${PGDATA:?}/PG_VERSION" ]; then
  pg_basebackup --host="${PADAN_PRIMARY:-primary}" --port="${PADAN_PRIMARY_PORT:-5432}" --username=replicator \
    --pgdata="$PGDATA" --wal-method=stream --slot=replica --write-recovery-conf --checkpoint=fast
  chmod 0700 "$PGDATA"
fi
# hot_standby_feedback keeps replay from cancelling look-ups.
exec postgres -c hot_standby=on -c hot_standby_feedback=on "$@"
