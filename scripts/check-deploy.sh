#!/usr/bin/env bash
# Checks what deploy/ and docs/ promise, as far as it can be checked without a cluster: `make check-deploy`. A tool that is
# missing is a failure; `scripts/deps.sh --for-tests` installs all of them.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

need() {
  command -v "$1" >/dev/null || fail "$1 is missing: scripts/deps.sh --for-tests installs it ($2)"
}
need promtool "from Debian's package prometheus"
need systemd-analyze "from Debian's package systemd"
python=$deps/deploy-venv/bin/python
[ -x "$python" ] || fail ".deps/deploy-venv is missing: scripts/deps.sh --for-tests makes it"

# quietly WHAT COMMAND... : shows what a command says only when it fails.
quietly() {
  local what=$1 said
  shift
  said=$("$@" 2>&1) || fail "$what:"$'\n'"$said"
}

cd deploy/prometheus
quietly "prometheus.yml" promtool check config --lint=all --lint-fatal prometheus.yml
quietly "the rules" promtool check rules --lint=all --lint-fatal recording.rules.yml alerts.rules.yml
# A file each, on all processors.
quietly "the rules' tests" xargs --max-args=1 --max-procs="$(nproc)" promtool test rules < <(ls tests/*.yml)
cd ../..
say "$(grep -c 'alertname:' deploy/prometheus/tests/*.yml | awk -F: '{ n += $2 } END { print n }') cases of the alerts pass"
"$python" -B tools/deploy/check_rules.py
"$python" -B tools/deploy/check_dashboards.py

schema=$(echo "$deps"/compose-*.schema.json)
[ -e "$schema" ] || fail "the schema of compose files is missing: scripts/deps.sh --for-tests unpacks it into .deps"
quietly "deploy/Dockerfile" "$deps/deploy-venv/bin/hadolint" deploy/Dockerfile
"$python" -B tools/deploy/check_compose.py "$schema"
"$python" -B tools/deploy/sbom.py >/dev/null

# 0 is nothing exposed and 100 everything; it stands at 12.
quietly "deploy/systemd/padan.service" systemd-analyze security --offline=yes --no-pager --threshold=15 \
  deploy/systemd/padan.service

"$python" -B tools/deploy/check_links.py
"$python" -B tools/deploy/check_kubernetes.py

# The program must take every file of settings that is shipped, whatever keys come and go.
[ -x "$padan" ] || fail "$padan is missing: scripts/deps.sh builds it"
settings=$(mktemp -d)
trap 'rm -rf -- "$settings"' EXIT
deploy/compose/make-secrets.sh "$settings"
mkdir "$settings/models"
cp config/production.toml "$settings/"
cp deploy/kubernetes/base/settings/padan.toml "$settings/kubernetes.toml"
# What a site puts beside its settings; make-secrets.sh made the rest.
echo postgres://app:secret@store/store >"$settings/store-url"
for file in "$settings"/*.toml; do
  quietly "${file##*/}" env PADAN__INFERENCE__MODEL_FOLDER="$settings/models" \
    PADAN__INFERENCE__RUNTIME_LIBRARY="$padan" "$padan" config check --config "$file"
done
say "$(find "$settings" -name '*.toml' | wc -l) files of settings are taken by the program"
