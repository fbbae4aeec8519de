#!/usr/bin/env bash
# Every check that needs nothing but this checkout. The first one that fails ends it.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

step() { say "$* (after ${SECONDS} s)"; }

step "what is missing"
scripts/deps.sh --for-tests
step "format, clippy, architecture"
scripts/lint.sh
step "what deploy/ and docs/ promise"
scripts/check-deploy.sh
step "the queries against the migrations"
"$padan" cluster -- scripts/sqlx-prepare.sh --check
step "tests"
"$padan" cluster --standbys 1 -- cargo nextest run --workspace --exclude padan-benches --release
step "the same photos through the portable decoder"
cargo nextest run --package padan-inference --no-default-features --lib --release
step "examples in the documentation"
cargo test --workspace --release --doc --quiet
step "the demo"
"$padan" demo --once --port 0 --admin-port 0
step "done"
