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

# settings FILE USER PASSWORD : what a process needs that logs in to the store as USER.
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
urls = [
    "postgres://padan_reader:$(cat reader-password)@replica:5432/registry",
    "postgres://padan_reader:$(cat reader-password)@primary:5432/registry",
]

[store]
url = "postgres://$2:$3@primary:5432/store"
person_key_file = "person-key"
template_keys_file = "template-keys"
audit_keys_file = "audit-keys"
TOML
}
settings padan.toml padan_app "$(cat app-password)"
settings padan-owner.toml padan_owner "$(cat owner-password)"
settings padan-admin.toml padan_admin "$(cat admin-password)"

# Each is mounted by itself, into a container with another user; the folder keeps others on this machine out.
chmod 0444 -- *
