#!/usr/bin/env bash
# Creates keys, passwords and settings for compose.yaml in `secrets` beside this script, or in the folder given.
# Existing files stay, because a lost person key or audit key cannot be recovered.
set -euo pipefail
folder=${1:-$(dirname -- "$0")/secrets}
umask 077
mkdir -p "$folder"
cd "$folder"

for name in person-key template-keys audit-keys postgres-password replicator-password reader-password \
  enroller-password owner-password app-password admin-password grafana-password; do
  [ -e "$name" ] || openssl rand -hex 32 >"$name"
done

# urls FILE URL... : writes the URLs, passwords included, one per line.
urls() {
  [ -e "$1" ] || printf '%s\n' "${@:2}" >"$1"
}
reader=postgres://padan_reader:$(cat reader-password)
urls registry-urls "$reader@replica:5432/registry" "$reader@primary:5432/registry"
enroller=postgres://padan_enroller:$(cat enroller-password)
urls enroller-registry-urls "$enroller@replica:5432/registry" "$enroller@primary:5432/registry"
urls app-store-url "postgres://padan_app:$(cat app-password)@primary:5432/store"
urls owner-store-url "postgres://padan_owner:$(cat owner-password)@primary:5432/store"
urls admin-store-url "postgres://padan_admin:$(cat admin-password)@primary:5432/store"

# settings FILE URL_FILE REGISTRY_URLS_FILE : writes the settings of a process that connects to the databases by the URLs
# in these files.
settings() {
  [ -e "$1" ] || cat >"$1" <<TOML
[log]
format = "json"

[http]
# The port is published on the loopback only. Before you open it to a network, set up TLS here or in front.
allow_plaintext = true
address = "0.0.0.0"
admin_address = "0.0.0.0"

# PostgreSQL here has no certificate. Its network is internal to this machine. For databases of your own, remove both
# lines and add sslmode=verify-full to the URLs.
[registry]
urls_file = "$3"
allow_plaintext = true

[store]
url_file = "$2"
allow_plaintext = true
person_key_file = "person-key"
template_keys_file = "template-keys"
audit_keys_file = "audit-keys"

[inference]
# "auto" uses OpenVINO on processors that compute in bf16: docs/operations.md, "Size".
device = "cpu"
TOML
}
settings padan.toml app-store-url registry-urls
settings padan-owner.toml owner-store-url registry-urls
# The operator also runs `padan enroll`, which reads all people.
settings padan-admin.toml admin-store-url enroller-registry-urls

# Containers mount each file by itself and run as other users. The folder keeps other users of this machine out.
chmod 0444 -- *
