#!/usr/bin/env bash
# The criterion benchmarks, those whose name contains the argument if there is one, with a database whose disk is waited for.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

# `audit` is no criterion harness: scripts that want it run it by name.
"$padan" cluster --durable -- cargo bench --quiet --package padan-benches \
  --bench decision --bench evaluation --bench lookup --bench pipeline --bench request -- "$@"
