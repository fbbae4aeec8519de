#!/usr/bin/env bash
# Runs the demo's program that was built last, with the given arguments.
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"
exec "$demo" "$@"
