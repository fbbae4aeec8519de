#!/usr/bin/env bash
# Runs the tests that read the photo collections in ../shared, which are not part of the project:
# crates/*/tests/shared_*, whose targets have `test = false` so that no other run includes them. Also compares the
# cosines of the program with those of the reference pipeline in Python, and its counts of pairs with NumPy's.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

[ -d ../shared/faces ] || fail "../shared/faces does not exist: these tests need its photos"
scripts/deps.sh --for-tests

targets=()
for test in crates/*/tests/shared_*; do
  name=$(basename -- "$test" .rs)
  targets+=(--test "$name")
done
cargo nextest run --workspace --release "${targets[@]}"

scripts/python-venv.sh oracle
"$deps/oracle-venv/bin/python" -B tools/oracle/compare_with_padan.py ../shared/faces/lfw-dev/pairsDevTest.csv
"$deps/oracle-venv/bin/python" -B tools/oracle/people_curve.py target/tmp
"$deps/oracle-venv/bin/python" -B tools/oracle/transformations.py target/tmp
"$deps/oracle-venv/bin/python" -B tools/oracle/splits.py target/tmp
