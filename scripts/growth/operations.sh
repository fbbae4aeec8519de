# shellcheck shell=bash disable=SC2034,SC2154
# Sourced after scripts/site.sh, once make_site has made a site: tries every operation of the program on one form of
# the databases, and records each answer in a table.
#
# Set before run_operations, if the defaults of make_site do not fit:
#
#   service_registry, service_store    URLs with which the service connects
#   operator_registry, operator_store  URLs with which `padan enroll` and the other commands connect
#   migrate_store                      URL with which `padan migrate` connects
#   view_needs                         SQL that gives the service's role what the view needs besides, on this form
#   registry_owner, store_owner        URLs of a superuser, directly at the server, for what the site itself does
#
# run_operations FORM PORT: tries all operations. The service listens at PORT and PORT + 1. Answers are appended to the
# file $answers, a line each: form, operation, `ok` or `FAILED`, answer. Returns 1 if one failed.
# print_answers: prints the table of all forms, which have run.

answers=${answers-$work/answers.tsv}

# settings FILE REGISTRY_URL STORE_URL: writes the settings of the site with other URLs.
settings() {
  sed --regexp-extended -e "s|^urls = .*|urls = [\"$2\"]|" -e "s|^url = .*|url = \"$3\"|" "$work/padan.toml" >"$work/$1"
}

query() { psql --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 "$@"; }
in_registry() { query "$registry_owner" --command "$1"; }
in_store() { query "$store_owner" --command "$1"; }

# operator COMMAND...: runs a command of the program as an operator, and prints its output.
operator() { "$padan" "$@" --config "$work/operator.toml" 2>&1; }

enroll() { operator enroll --failures "$work/failures.csv" --set enrolment.patience_seconds=20 "$@"; }

# contains TEXT PATTERN: prints the line of the text that matches; fails and prints the end of the text if none does.
contains() {
  if grep --extended-regexp --max-count 1 -- "$2" <<<"$1"; then return; fi
  printf 'expected %s, found: %s\n' "$2" "$(tail -n 3 <<<"$1" | tr '\n' ' ' | cut -c 1-300)"
  return 1
}

# equals FOUND EXPECTED WHAT
equals() {
  if [ "$1" = "$2" ]; then echo "$2 $3"; return; fi
  echo "expected $2 $3, found $1"
  return 1
}

# post PATH PERSON FIELD...: sends a request about a person (a line of people.csv) and prints its status and answer.
post() {
  local path=$1 nik name born
  IFS=, read -r nik name born _ <<<"$2"
  shift 2
  curl --silent --show-error --max-time 60 --user "${user:-load:$PADAN_LOAD_PASSWORD}" \
    --header "x-api-key: ${api_key:-$PADAN_LOAD_API_KEY}" --form-string "nik=$nik" --form-string "name=$name" \
    --form-string "date_of_birth=$(date --date "$born" +%d-%m-%Y)" "$@" --write-out ' %{http_code}\n' \
    "http://127.0.0.1:$service_port/identity/v1/$path"
}

verify_face() { post face-verification "$1" --form "face_image=@people/${1##*,}"; }
verify_text() { post verification "$1"; }

# The people, and how many of them get a template.
person() { sed -n "$(($1 + 1))p" people/people.csv; }
nik_of() { person "$1" | cut -d , -f 1; }
enrolled_people() {
  in_registry "SELECT count(*) FROM padan.citizen WHERE status = 'active' AND octet_length(portrait) > 0"
}
templates() { in_store "SELECT count(*) FROM store.face_template ${1-}"; }

try_migrate() { contains "$("$padan" migrate --config "$work/migrate.toml" 2>&1)" 'up to date'; }
try_doctor() {
  local output
  output=$("$padan" doctor --config "$work/service.toml" 2>&1) || true
  if grep 'FAIL' <<<"$output"; then return 1; fi
  contains "$output" 'store'
}
try_readiness() { curl --silent --fail --write-out ' %{http_code}' "http://127.0.0.1:$((service_port + 1))/readyz"; }
try_lookup() { contains "$(verify_text "$(person 1)")" 'verification_status":true.* 200$'; }
try_unknown_nik() { contains "$(verify_text '3171010101010101,Budi Santoso,1987-03-14,')" '"nik":false|NOT.?FOUND|not found'; }
# The roles change places: the service may read the view and not call the function, and then the reverse.
try_lookup_by_view() {
  local role status=0
  role=$(sed --regexp-extended 's|^[a-z]*://([^:@]*).*|\1|' <<<"$service_registry")
  in_registry "REVOKE EXECUTE ON FUNCTION padan.citizen_of(text) FROM \"$role\", PUBLIC;
               GRANT SELECT ON padan.citizen TO \"$role\"" || return
  if [ "$(in_registry "SELECT rolsuper FROM pg_roles WHERE rolname = '$role'")" = t ]; then
    in_registry 'ALTER FUNCTION padan.citizen_of(text) RENAME TO citizen_of_elsewhere'
  fi
  if [ -n "${view_needs-}" ]; then
    contains "$(verify_text "$(person 1)")" ' 503$' || status=1
    echo 'without rights to the tables; and with them:'
    in_registry "$view_needs" || status=1
  fi
  # The registry is asked again after a moment.
  for _ in $(seq 20); do
    if try_lookup >/dev/null; then break; fi
    sleep 0.5
  done
  try_lookup || status=1
  in_registry 'ALTER FUNCTION padan.citizen_of_elsewhere(text) RENAME TO citizen_of' 2>/dev/null || true
  in_registry "GRANT EXECUTE ON FUNCTION padan.citizen_of(text) TO \"$role\"; REVOKE SELECT ON padan.citizen FROM \"$role\""
  return $status
}
try_verify_without_template() {
  in_store 'DELETE FROM store.face_template'
  contains "$(verify_face "$(person 1)")" 'verification_status":true.* 200$' && equals "$(templates)" 1 template
}
try_verify_with_template() {
  local written
  written=$(in_store 'SELECT created_at FROM store.face_template')
  contains "$(verify_face "$(person 1)")" 'verification_status":true.* 200$' &&
    equals "$(in_store 'SELECT created_at FROM store.face_template')" "$written" '(the template was not written again)'
}
try_enrol_all() {
  contains "$(enroll)" 'All people in the registry' && equals "$(templates)" "$(enrolled_people)" templates
}
try_enrol_one_by_one() {
  in_store 'DELETE FROM store.face_template'
  contains "$(enroll --set enrolment.batch_people=1 --set enrolment.range_people=1)" 'All people in the registry' &&
    equals "$(templates)" "$(enrolled_people)" templates
}
try_enrol_changed_portrait() {
  local portrait
  portrait=people/$(person 2 | sed 's/.*,//')
  query "$registry_owner" <<<"UPDATE civil_registry.person SET portrait = decode('$(base64 --wrap=0 "$portrait")', 'base64'),
    portrait_updated_at = now() WHERE nik = '$(nik_of 3)'" || return
  contains "$(enroll)" ' 1 were embedded'
}
try_enrol_withdrawn_portrait() {
  in_registry "UPDATE civil_registry.person SET portrait = NULL WHERE nik = '$(nik_of 3)'"
  contains "$(enroll)" '^1 templates of people'
}
try_enrol_absent_person() {
  in_registry "DELETE FROM civil_registry.person WHERE nik = '$(nik_of 4)'"
  contains "$(enroll)" '^1 templates of people'
}
try_judge_again() {
  in_store 'UPDATE store.face_template SET covered = NULL WHERE unusable_reason IS NULL'
  contains "$(enroll --judge-again)" ' [1-9][0-9]* were embedded' &&
    equals "$(templates 'WHERE covered IS NULL AND unusable_reason IS NULL')" 0 'templates that were not judged'
}
try_enrolment_status() { contains "$(operator enroll --status)" 'finished .* templates'; }
try_enrol_another_model() {
  contains "$(enroll --model mobilefacenet)" 'All people in the registry' &&
    equals "$(templates)" $((2 * $(enrolled_people))) templates
}
try_activate() {
  contains "$(operator models activate mobilefacenet --yes)" 'is active' || return
  # Services switch within seconds.
  for _ in $(seq 30); do
    if curl --silent "http://127.0.0.1:$((service_port + 1))/metrics" | grep --quiet 'model_set="mobilefacenet"'; then break; fi
    sleep 0.5
  done
  contains "$(verify_face "$(person 1)")" 'verification_status":true.* 200$'
}
try_prune_templates() {
  local expected
  expected=$(enrolled_people)
  contains "$(operator templates prune --yes)" "^$expected templates deleted" && equals "$(templates)" "$expected" templates
}
try_rotate_keys() {
  sed --in-place --regexp-extended "s|^template_keys = \"|&$(openssl rand -hex 32),|" "$work/operator.toml"
  contains "$(operator keys rotate)" "$(templates)"
}
try_audit_verify() { contains "$(operator audit verify)" 'verified|rows|chain'; }
try_audit_heads() { contains "$(operator audit heads)" '[0-9a-f]{16}'; }
try_audit_export() { contains "$(operator audit export --nik "$(nik_of 1)" --format jsonl)" '"reason"'; }
try_audit_prune() { operator audit prune --older-than 24months --yes | tail -n 1; }
try_forget() {
  local before
  before=$(templates)
  contains "$(operator person forget --nik "$(nik_of 1)" --by growth --yes)" '[0-9]' &&
    equals "$(templates)" $((before - 1)) templates
}
try_client_add() {
  local added
  added=$(operator client add other --json) || { echo "$added"; return 1; }
  user=other:$(sed -n 's/.*"password": *"\([^"]*\)".*/\1/p' <<<"$added") \
    api_key=$(sed -n 's/.*"api_key": *"\([^"]*\)".*/\1/p' <<<"$added")
  for _ in $(seq 60); do
    if verify_text "$(person 1)" | grep ' 200$'; then
      printf '%s\n%s\n' "$user" "$api_key" >"$work/other"
      return
    fi
    sleep 0.5
  done
  verify_text "$(person 1)"
  return 1
}
try_client_set() {
  operator client set other --daily-quota 3 --fields default || return
  contains "$(operator client show other)" '3'
}
try_quota() {
  local user api_key
  { read -r user; read -r api_key; } <"$work/other"
  for _ in $(seq 60); do
    if verify_text "$(person 1)" | grep ' 429$'; then return; fi
    sleep 0.5
  done
  echo 'the quota of 3 requests was never used up'
  return 1
}
try_client_list() { contains "$(operator client list)" 'other'; }
try_usage() { contains "$(operator usage)" 'load'; }
try_metrics() {
  local metrics
  metrics=$(curl --silent "http://127.0.0.1:$((service_port + 1))/metrics")
  contains "$metrics" '^padan_templates\{.*\} [0-9]' && contains "$metrics" '^padan_registry_replica_lag_seconds'
}
try_stop() {
  kill -TERM "$service"
  wait "$service" || { tail -n 3 "$work/$service_name.log"; return 1; }
  forget "$service"
  echo 'ended with 0'
}

# record FORM OPERATION STATUS ANSWER
record() { printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$(tr '\n\t' '  ' <<<"$4" | cut -c 1-200)" >>"$answers"; }

# attempt FORM OPERATION FUNCTION: records the answer of an operation.
attempt() {
  local answer state=ok
  answer=$("$3" 2>&1) || state=FAILED
  record "$1" "$2" "$state" "$answer"
  if [ "$state" = FAILED ]; then say "$1: $2 failed: $answer"; fi
  [ "$state" = ok ]
}

# In this order: each operation finds what the ones before it have left.
operations=(
  'migrate:try_migrate' 'doctor:try_doctor' 'readiness:try_readiness'
  'look-up by NIK (function):try_lookup' 'look-up of an unknown NIK:try_unknown_nik'
  'verify without a template:try_verify_without_template' 'verify with a template:try_verify_with_template'
  'enrol everybody:try_enrol_all' 'enrol one by one:try_enrol_one_by_one'
  'enrol a changed portrait:try_enrol_changed_portrait' 'enrol, a portrait withdrawn:try_enrol_withdrawn_portrait'
  'enrol, a person absent:try_enrol_absent_person' 'judge again:try_judge_again'
  'enrol for another model:try_enrol_another_model' 'enrolment status:try_enrolment_status'
  'activate another model:try_activate' 'prune templates:try_prune_templates'
  'audit verify:try_audit_verify' 'audit heads:try_audit_heads' 'audit export:try_audit_export'
  'forget a person:try_forget' 'audit verify after it:try_audit_verify' 'audit prune:try_audit_prune'
  'client add:try_client_add' 'client set:try_client_set' 'quota:try_quota' 'client list:try_client_list'
  'usage:try_usage' 'metrics:try_metrics' 'look-up by NIK (view):try_lookup_by_view'
  'rotate keys:try_rotate_keys' 'stop:try_stop'
)

run_operations() {
  local form=$1 operation failures=0 user api_key
  service_port=$2
  service_name=service-${form//[^a-z0-9]/-}
  : "${registry_owner:=$(url_of "$PADAN_TEST_DATABASE_URL" registry)}" "${store_owner:=$(url_of "$PADAN_TEST_DATABASE_URL" store)}"
  : "${service_registry:=$registry_owner}" "${operator_registry:=$registry_owner}"
  : "${service_store:=$store_owner}" "${operator_store:=$store_owner}" "${migrate_store:=$store_owner}"
  settings service.toml "$service_registry" "$service_store"
  settings operator.toml "$operator_registry" "$operator_store"
  settings migrate.toml "$operator_registry" "$migrate_store"
  PADAN__HTTP__PORT=$service_port PADAN__HTTP__ADMIN_PORT=$((service_port + 1)) PADAN__HTTP__SHUTDOWN_DELAY_SECONDS=0 \
    "$padan" serve --config "$work/service.toml" 2>>"$work/$service_name.log" &
  service=$!
  pids+=("$service")
  wait_until_ready "$service_name" "http://127.0.0.1:$((service_port + 1))/readyz"
  for operation in "${operations[@]}"; do
    if [ "${operation##*:}" = try_stop ]; then continue; fi
    attempt "$form" "${operation%:*}" "${operation##*:}" || failures=$((failures + 1))
  done
  # Not in a subshell: the service is a child of this shell.
  try_stop >"$work/stopped" 2>&1 && record "$form" stop ok "$(cat "$work/stopped")" || {
    record "$form" stop FAILED "$(cat "$work/stopped")"
    failures=$((failures + 1))
  }
  say "$form: $failures of ${#operations[@]} operations failed"
  [ "$failures" -eq 0 ]
}

print_answers() {
  python3 - "$answers" <<'PY'
import sys

forms, table = [], {}
for line in open(sys.argv[1], encoding="utf-8"):
    form, operation, state, _ = line.rstrip("\n").split("\t")
    if form not in forms:
        forms.append(form)
    table.setdefault(operation, {})[form] = state
print("| operation | " + " | ".join(forms) + " |")
print("|---|" + "---|" * len(forms))
for operation, states in table.items():
    print(f"| {operation} | " + " | ".join(states.get(form, "not tried") for form in forms) + " |")
PY
}
