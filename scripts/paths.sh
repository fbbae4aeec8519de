# shellcheck shell=bash disable=SC2034
# Sourced by the other scripts: changes to the checkout's root and sets the paths of programs and folders.

set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

deps=$PWD/.deps
padan=${CARGO_TARGET_DIR:-$PWD/target}/release/padan
load=$padan-load
# Runs the service with sample people, and commands with a private PostgreSQL.
demo=$padan-demo
export PATH="$deps/bin:$PATH:${HOME:-/root}/.cargo/bin"
# Queries are checked against .sqlx, even if the caller's environment names a database.
export SQLX_OFFLINE=true

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
fail() {
  say "$*"
  exit 1
}
