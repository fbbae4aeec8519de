#!/usr/bin/env bash
# Runs the criterion benchmarks whose name contains the argument, or all, with a database that syncs each commit to
# disk.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

# `audit` is not a criterion harness: `make bench-audit` runs it.
"$demo" cluster --durable -- cargo bench --quiet --package padan-benches \
  --bench decision --bench evaluation --bench lookup --bench pipeline --bench request -- "$@"
