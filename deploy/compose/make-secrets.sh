#!/usr/bin/env bash
# Makes keys, passwords and settings for compose.yaml, into `secrets` beside this script (or the folder given). What is
# there already stays: a lost person key or audit key cannot be made again.
set -euo pipefail
folder=${1:-$(dirname -- "$0")/secrets}
umask 077
mkdir -p "$folder"
cd "$folder"

for name in person-key template-keys audit-keys postgres-password replicator-password reader-password owner-password \
  app-password admin-password grafana-password; do
  [ -e "$name" ] || openssl rand -hex 32 >"$name"
done

# urls FILE URL... : one a line, passwords and all.
urls() {
  [ -e "$1" ] || printf '%s\n' "${@:2}" >"$1"
}
reader=postgres://padan_reader:$(cat reader-password)
urls registry-urls "$reader@replica:5432/registry" "$reader@primary:5432/registry"
urls app-store-url "postgres://padan_app:$(cat app-password)@primary:5432/store"
urls owner-store-url "postgres://padan_owner:$(cat owner-password)@primary:5432/store"
urls admin-store-url "postgres://padan_admin:$(cat admin-password)@primary:5432/store"

# settings FILE URL_FILE : what a process needs that logs in to the store by the URL in URL_FILE.
settings() {
  [ -e "$1" ] || cat >"$1" <<TOML
[log]
format = "json"

[http]
# The port is published on the loopback alone: whatever opens it to a network ends TLS, here or in front.
allow_plaintext = true
address = "0.0.0.0"
admin_address = "0.0.0.0"

[registry]
urls_file = "registry-urls"

[store]
url_file = "$2"
person_key_file = "person-key"
template_keys_file = "template-keys"
audit_keys_file = "audit-keys"

[inference]
# "auto" takes OpenVINO where the processor multiplies bf16: docs/operations.md, "Size".
device = "cpu"
TOML
}
settings padan.toml app-store-url
settings padan-owner.toml owner-store-url
settings padan-admin.toml admin-store-url

# Each is mounted by itself, into a container with another user; the folder keeps others on this machine out.
chmod 0444 -- *
