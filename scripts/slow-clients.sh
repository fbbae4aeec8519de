#!/usr/bin/env bash
# Starts a service and opens many connections to it, each of which sends a form of 10 MB slowly. Prints the answers and
# the service's peak memory. Fails when the memory exceeds the limit that the documentation guarantees.
#
#     scripts/slow-clients.sh [CONNECTIONS [SECONDS]]
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

connections=${1:-1000} seconds=${2:-25}
port=18080 admin_port=18090
max_mib=1024

# All clients have one address.
export PADAN__HTTP__CONNECTIONS_PER_ADDRESS=0
"$demo" run --port "$port" --admin-port "$admin_port" >/dev/null 2>&1 &
service=$!
trap 'kill "$service" 2>/dev/null; wait "$service" 2>/dev/null || true' EXIT
for _ in $(seq 300); do
  if curl --silent --fail "http://127.0.0.1:$admin_port/readyz" >/dev/null; then break; fi
  kill -0 "$service" 2>/dev/null || fail "the service does not start: run \`$demo run\` to see why"
  sleep 0.2
done
peak() { awk '/^VmHWM:/ { printf "%d\n", $2 / 1024 }' "/proc/$service/status"; }
before=$(peak)

python3 - "$port" "$connections" "$seconds" <<'PY'
import asyncio, base64, collections, sys

port, connections, seconds = map(int, sys.argv[1:])
length, pieces = 10_000_000, 50
head = (
    "POST /identity/v1/face-verification HTTP/1.1\r\nHost: padan\r\nx-api-key: demo\r\n"
    f"Authorization: Basic {base64.b64encode(b'demo:demo').decode()}\r\n"
    f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\n\r\n"
).encode()
answers = collections.Counter()

async def send_slowly():
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        answers["not connected"] += 1
        return
    try:
        writer.write(head)
        answer = asyncio.ensure_future(reader.readline())
        for _ in range(pieces):
            if answer.done():
                break
            writer.write(b"x" * (length // pieces))
            await writer.drain()
            await asyncio.wait([answer], timeout=seconds / pieces)
        line = await asyncio.wait_for(answer, 60)
        answers[line.split(b" ")[1].decode() if line else "closed"] += 1
    except (OSError, asyncio.TimeoutError) as error:
        answers[type(error).__name__] += 1
    finally:
        writer.close()

async def main():
    await asyncio.gather(*(send_slowly() for _ in range(connections)))

asyncio.run(main())
for answer, count in sorted(answers.items()):
    print(f"{count:6} {answer}")
PY

after=$(peak)
echo "peak memory: $before MiB before, $after MiB with $connections connections of 10 MB each"
if [ "$after" -gt "$max_mib" ]; then fail "the peak memory is above $max_mib MiB"; fi
