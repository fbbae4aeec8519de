#!/usr/bin/env bash
# Runs the program that was built last, with the arguments given.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"
exec "$padan" "$@"
