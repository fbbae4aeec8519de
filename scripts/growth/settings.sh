# shellcheck shell=bash disable=SC2154
# Sourced by scripts/growth.sh: settings that a site may have given its databases, and that change how the server reads,
# prints, plans or limits statements. The program must not depend on them.

# The settings, of both databases.
odd_settings=(
  "DateStyle = 'SQL, DMY'" "IntervalStyle = 'sql_standard'" "TimeZone = 'Asia/Kathmandu'" 'standard_conforming_strings = off'
  "bytea_output = 'escape'" 'extra_float_digits = -15' "search_path = 'nowhere'" 'jit = on' 'jit_above_cost = 0'
  "default_transaction_isolation = 'serializable'" 'statement_timeout = 1' 'lock_timeout = 1' 'enable_seqscan = off'
  'transform_null_equals = on' 'quote_all_identifiers = on' "plan_cache_mode = 'force_custom_plan'"
  'synchronous_commit = off' 'row_security = off' "client_min_messages = 'debug1'" 'escape_string_warning = off'
)

try_settings() {
  local database setting
  new_site
  # What the site itself does, below, has the defaults.
  for database in registry store; do
    for setting in "${odd_settings[@]}"; do
      query "$PADAN_TEST_DATABASE_URL" --command "ALTER DATABASE $database SET $setting"
    done
  done
  local usual='' value
  for value in statement_timeout=0 lock_timeout=0 client_min_messages=warning standard_conforming_strings=on \
    default_transaction_isolation=read%20committed search_path=public; do
    usual+=${usual:+%20}-c%20${value/=/%3D}
  done
  usual=${usual/read%20committed/read%5C%20committed}
  registry_owner+="?options=$usual" store_owner+="?options=$usual"
  run_operations 'odd settings of databases' "$port" || failed_forms+=('odd settings')
}
