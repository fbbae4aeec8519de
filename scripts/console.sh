#!/usr/bin/env bash
# Builds the console in the browser: console/dist from console/. Who only builds the program needs neither Node nor this
# script, since console/dist is committed.
#
#     scripts/console.sh            check the types and the words, and write console/dist
#     scripts/console.sh --check    the same, but only compare with console/dist, byte by byte
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

# What the browser loads at most, compressed.
limit=300000

command -v npm >/dev/null || fail "npm is missing: as root on Debian run scripts/deps.sh --only-browser"
cd console
if ! cmp -s package-lock.json node_modules/.installed; then
  say "installing the Node packages of console/"
  npm ci --silent --no-audit --no-fund --ignore-scripts
  cp package-lock.json node_modules/.installed
fi
npm run --silent generate
npm run --silent check

built=$(mktemp -d)
trap 'rm -rf -- "$built"' EXIT
npm run --silent build -- --logLevel warn --emptyOutDir --outDir "$built/dist"
size=0
while IFS= read -r file; do
  size=$((size + $(gzip -9 --stdout "$file" | wc -c)))
done < <(find "$built/dist" -type f)
[ "$size" -lt "$limit" ] || fail "the console has $size bytes, compressed: at most $limit are permitted"
say "the console has $size bytes, compressed"

if [ "${1-}" = --check ]; then
  diff --recursive --brief "$built/dist" dist || fail "console/dist does not fit console/: run scripts/console.sh and commit it"
else
  rm -rf dist
  cp -r "$built/dist" dist
fi
