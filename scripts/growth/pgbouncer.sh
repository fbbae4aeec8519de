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

# try_through PROGRAM MODE FORM: all operations with the service, enrolment and the other commands behind PgBouncer, but
# those that need a session of their own in transaction mode.
try_through() {
  local pooler_port=$((port + 2))
  new_site
  run_pgbouncer "$1" "$2" "$pooler_port"
  service_registry=$(through_pooler "$pooler_port" registry) service_store=$(through_pooler "$pooler_port" store)
  operator_registry=$service_registry operator_store=$service_store
  try_form "$3"
  stop_pgbouncer
}

# try_refusal PROGRAM FORM: the service must refuse to use PgBouncer in transaction mode.
try_refusal() {
  local pooler_port=$((port + 2)) reason
  new_site
  run_pgbouncer "$1" transaction "$pooler_port"
  settings service.toml "$(through_pooler "$pooler_port" registry)" "$(through_pooler "$pooler_port" store)"
  reason=$("$padan" doctor --config "$work/service.toml" 2>&1 | grep 'mixes up the prepared statements' | tail -n 1) || true
  if [ -n "$reason" ]; then
    record "$2" doctor refused "$reason"
  else
    record "$2" doctor FAILED 'the pooler was not refused'
    failed_forms+=("$2")
  fi
  stop_pgbouncer
}

try_pgbouncer() {
  local program version
  for program in /usr/sbin/pgbouncer ${PGBOUNCER-}; do
    if [ ! -x "$program" ]; then
      left_out+=("PgBouncer: there is no $program")
      continue
    fi
    version=$("$program" --version | sed -nE 's/^PgBouncer ([0-9]+\.[0-9]+).*/\1/p')
    try_through "$program" session "PgBouncer $version session"
    if [ "$(pgbouncer_version "$program")" -ge 1022 ]; then
      try_through "$program" transaction "PgBouncer $version transaction"
    else
      try_refusal "$program" "PgBouncer $version transaction"
      left_out+=("PgBouncer in transaction mode: $version mixes statements up; let PGBOUNCER name a program from 1.22 on")
    fi
  done
}
