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

# The plain pipeline's packages are made anew only when what is asked for has changed.
oracle=$deps/oracle-venv
if ! cmp -s tools/oracle/requirements.txt "$oracle/requirements.txt"; then
  say "installing the oracle's Python packages into .deps/oracle-venv"
  rm -rf -- "$oracle"
  python3 -m venv "$oracle" || fail "python3 cannot make a virtual environment: install its venv module (python3-venv)"
  "$oracle/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r tools/oracle/requirements.txt
  cp tools/oracle/requirements.txt "$oracle/"
fi
"$oracle/bin/python" -B tools/oracle/compare_with_padan.py ../shared/faces/lfw-dev/pairsDevTest.csv
