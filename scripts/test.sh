#!/usr/bin/env bash
# Runs every check that needs nothing but this checkout, until one fails.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

step() { say "$* (after ${SECONDS} s)"; }

step "installing what is missing"
scripts/deps.sh --for-tests
step "format, clippy, architecture"
scripts/lint.sh
step "deploy/ and docs/"
scripts/check-deploy.sh
step "the queries against the migrations"
"$demo" cluster -- scripts/sqlx-prepare.sh --check
step "tests"
"$demo" cluster --standbys 1 -- cargo nextest run --workspace --exclude padan-benches --release --no-fail-fast
step "the same photos through the portable decoder"
cargo nextest run --package padan-inference --no-default-features --lib --release
step "examples in the documentation"
cargo test --workspace --release --doc --quiet
step "generated requests against the OpenAPI document"
scripts/api-contract.sh
step "the programs of docs/clients.md"
scripts/snippets.sh
step "clients of others: the Node SDK, generated clients, the Postman collection, a browser"
scripts/clients.sh
step "the console in the browser"
scripts/console-browser.sh
step "the demo"
"$demo" run --once --port 0 --admin-port 0
step "done"
