#!/usr/bin/env bash
# Format, clippy, and the promises of ARCHITECTURE.md that a machine can check.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

cargo fmt --all --check
cargo clippy --workspace --all-targets --release --quiet -- -D warnings
# Without what is optional.
cargo clippy --package padan --no-default-features --release --quiet -- -D warnings
scripts/check-architecture.sh
