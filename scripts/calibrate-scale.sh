#!/usr/bin/env bash
# Measures time and memory of `padan calibrate --from-store` on stores of generated people, of whom all are compared.
#
#     scripts/calibrate-scale.sh [PEOPLE...]
#
# Needs padan-scale beside padan (`scripts/deps.sh --for-scale`).
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

if [ "${1-}" != inside ]; then
  [ $# -gt 0 ] || set -- 20000 100000
  exec "$demo" cluster -- scripts/calibrate-scale.sh inside "$@"
fi
shift
scale=${padan%/*}/padan-scale
server=${PADAN_TEST_DATABASE_URL%/*}
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
contract=$("$padan" models list --json | python3 -c 'import json, sys
print(next(it["contract"] for it in json.load(sys.stdin)["sets"] if it["set"] == "sface"))')

"$scale" --out "$folder" fill --contract "$contract" "$@"
for people in "$@"; do
  # The keys are those of padan-scale, which are public, since the people are generated.
  cat >"$folder/padan.toml" <<SETTINGS
[store]
url = "$server/store_$people"
person_key = "$(printf '0123456789abcdef%.0s' 1 2 3 4)"
template_keys = "$(printf '89abcdef01234567%.0s' 1 2 3 4)"
audit_keys = "$(printf '456789abcdef0123%.0s' 1 2 3 4)"
statement_timeout_ms = 60000
audit_timeout_ms = 60000
SETTINGS
  python3 - "$padan" calibrate --config "$folder/padan.toml" --from-store --people "$people" \
    --write "$folder/own.toml" <<'PROGRAM'
import resource, subprocess, sys, time
began = time.monotonic()
done = subprocess.run(sys.argv[1:], check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
wall, used = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
print(done.stderr, end="")
people = int(sys.argv[sys.argv.index("--people") + 1])
print(
    f"{people} people, {people * (people - 1) // 2} pairs: {wall:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of processor "
    f"time, at most {used.ru_maxrss / 1024:.0f} MiB"
)
sys.exit(done.returncode)
PROGRAM
done
sed -n 's/^model name\t*: /Processor: /p' /proc/cpuinfo | head -n 1
