#!/usr/bin/env bash
# Python packages for independent computations, in .deps/oracle-venv; made anew only when what is asked for has changed.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

oracle=$deps/oracle-venv
if cmp -s tools/oracle/requirements.txt "$oracle/requirements.txt"; then exit; fi
say "installing the oracle's Python packages into .deps/oracle-venv"
rm -rf -- "$oracle"
python3 -m venv "$oracle" || fail "python3 cannot make a virtual environment: install its venv module (python3-venv)"
"$oracle/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r tools/oracle/requirements.txt
cp tools/oracle/requirements.txt "$oracle/"
