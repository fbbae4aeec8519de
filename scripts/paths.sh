# shellcheck shell=bash disable=SC2034
# Sourced by the other scripts: goes to the checkout's root and says where things are.

set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

deps=$PWD/.deps
padan=${CARGO_TARGET_DIR:-$PWD/target}/release/padan
load=$padan-load
export PATH="$deps/bin:$PATH:${HOME:-/root}/.cargo/bin"
# The queries are checked against .sqlx, whatever database the caller's environment names.
export SQLX_OFFLINE=true

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
fail() {
  say "$*"
  exit 1
}
