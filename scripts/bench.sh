#!/usr/bin/env bash
# The criterion benchmarks, those whose name contains the argument if there is one.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

cargo bench --package padan-benches -- "$@"
