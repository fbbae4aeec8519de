#!/usr/bin/env bash
# The tests that read the photo collections in ../shared, which are not part of the project: crates/*/tests/shared_*,
# whose targets say `test = false` so that no other run includes them, and whole cosines against the plain pipeline.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

[ -d ../shared/faces ] || fail "../shared/faces is not there: these tests need its photos"
scripts/deps.sh --for-tests

targets=()
for test in crates/*/tests/shared_*; do
  name=$(basename -- "$test" .rs)
  targets+=(--test "$name")
done
cargo nextest run --workspace --release "${targets[@]}"

scripts/python-venv.sh oracle
"$deps/oracle-venv/bin/python" -B tools/oracle/compare_with_padan.py ../shared/faces/lfw-dev/pairsDevTest.csv
