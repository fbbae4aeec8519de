# shellcheck shell=bash disable=SC2154
# Sourced after scripts/site.sh: PgBouncer in front of the server of PADAN_TEST_DATABASE_URL.

# The program: the one that PGBOUNCER names, else Debian's.
pgbouncer=${PGBOUNCER-/usr/sbin/pgbouncer}

# pgbouncer_version PROGRAM: as a number, 1.18.0 as 1018.
pgbouncer_version() {
  "$1" --version | sed -nE 's/^PgBouncer ([0-9]+)\.([0-9]+).*/\1 \2/p' | awk '{ print $1 * 1000 + $2 }'
}

# run_pgbouncer PROGRAM MODE PORT: starts PgBouncer, and sets $pooler to its process. The settings are those of
# deploy/store/pgbouncer.ini.
run_pgbouncer() {
  local folder=$work/pgbouncer-$3 server=${PADAN_TEST_DATABASE_URL#postgres://} as=()
  local credentials=${server%%@*} address=${server#*@}
  address=${address%%/*}
  mkdir -p "$folder"
  printf '"%s" "%s"\n' "${credentials%%:*}" "${credentials#*:}" >"$folder/users.txt"
  sed -E -e "s|^\* = .*|* = host=${address%:*} port=${address#*:}|" -e "s|^listen_(addr) = .*|listen_\1 = 127.0.0.1|" \
    -e "s|^listen_port = .*|listen_port = $3|" -e "s|^pool_mode = .*|pool_mode = $2|" \
    -e "s|^auth_file = .*|auth_file = $folder/users.txt|" -e '/^(client|server)_tls_/d' \
    deploy/store/pgbouncer.ini >"$folder/pgbouncer.ini"
  if [ "$(pgbouncer_version "$1")" -lt 1021 ]; then sed -i '/^max_prepared_statements/d' "$folder/pgbouncer.ini"; fi
  if [ "$(id -u)" -eq 0 ]; then
    # PgBouncer refuses to run as root.
    chown -R nobody "$folder"
    chmod 711 "$work"
    as=(setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups)
  fi
  "${as[@]}" "$1" --quiet "$folder/pgbouncer.ini" 2>"$folder/log" &
  pooler=$!
  pids+=("$pooler")
  for _ in $(seq 100); do
    if query "$(through_pooler "$3" postgres)" --command 'SELECT 1' >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  cat "$folder/log" >&2
  fail "PgBouncer does not start"
}

# through_pooler PORT DATABASE: the URL of a database through PgBouncer.
through_pooler() {
  local credentials=${PADAN_TEST_DATABASE_URL%@*}
  printf '%s@127.0.0.1:%s/%s\n' "$credentials" "$1" "$2"
}

stop_pgbouncer() {
  kill -INT "$pooler"
  wait "$pooler" || true
  forget "$pooler"
}
