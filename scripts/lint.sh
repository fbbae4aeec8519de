#!/usr/bin/env bash
# Checks the format, clippy, and the rules of ARCHITECTURE.md that can be checked automatically.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

cargo fmt --all --check
rustfmt --check --edition 2024 fuzz/fuzz_targets/*.rs
cargo clippy --workspace --all-targets --release --quiet -- -D warnings
# Without the optional features.
cargo clippy --package padan --no-default-features --release --quiet -- -D warnings
scripts/check-architecture.sh
python3 -B scripts/check_import_circles.py
python3 -B tools/deploy/check_claims.py
scripts/check-dependencies.sh
