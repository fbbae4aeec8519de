#!/usr/bin/env bash
# Makes the most expensive photos that are known, lets `padan compare` read each of them, and prints the answer, the
# peak memory and the processor time. Fails when a photo takes more than the settings allow.
#
#     scripts/hostile.sh
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"
# OpenVINO takes a different amount of memory at each start, which would count as the photo's.
export PADAN__INFERENCE__DEVICE=cpu
exec python3 scripts/hostile.py "$padan"
