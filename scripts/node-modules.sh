#!/usr/bin/env bash
# node-modules.sh NAME : installs the Node packages of tools/NAME into .deps/NAME, if they are not installed already.
# Their versions and hashes are in tools/NAME/package-lock.json.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

lock=tools/$1/package-lock.json
folder=$deps/$1
command -v npm >/dev/null || fail "npm is missing: as root on Debian run apt-get install npm"
if cmp -s "$lock" "$folder/package-lock.json" && [ -e "$folder/installed" ]; then exit; fi
say "installing the Node packages of tools/$1 into .deps/$1"
mkdir -p "$folder"
rm -f -- "$folder/installed"
cp "tools/$1/package.json" "$lock" "$folder/"
npm ci --silent --no-audit --no-fund --ignore-scripts --prefix "$folder"
touch "$folder/installed"
