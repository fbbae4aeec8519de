#!/usr/bin/env bash
# python-venv.sh NAME [FOLDER] : installs the Python packages of tools/NAME, or of FOLDER, into .deps/NAME-venv, if they
# are not installed already.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

folder=${2-tools/$1}
wanted=$folder/requirements.txt
venv=$deps/$1-venv
if cmp -s "$wanted" "$venv/requirements.txt"; then exit; fi
say "installing the Python packages of $folder into .deps/$1-venv"
rm -rf -- "$venv"
python3 -m venv "$venv" || fail "python3 cannot create a virtual environment: install its venv module (python3-venv)"
"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$wanted"
cp "$wanted" "$venv/"
