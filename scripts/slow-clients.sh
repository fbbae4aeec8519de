#!/usr/bin/env bash
# Starts a service and opens many connections to it, each of which sends a form of 10 MB slowly. Prints the answers and
# the service's peak memory. Fails when the memory exceeds the limit that the documentation guarantees, or a connection gets
# no answer.
#
#     scripts/slow-clients.sh [CONNECTIONS [SECONDS]]
# shellcheck source=scripts/paths.sh
. "$(dirname -- "$0")/paths.sh"

if [ "${1-}" != inside ]; then
  exec "$demo" cluster -- scripts/slow-clients.sh inside "$@"
fi
shift
# shellcheck source=scripts/site.sh
. scripts/site.sh

connections=${1:-1000} seconds=${2:-25}
port=18080 admin_port=18090
max_mib=1024

make_site "$(url_of "$PADAN_TEST_DATABASE_URL" registry)" 2>/dev/null
# All clients have one address.
export PADAN__HTTP__CONNECTIONS_PER_ADDRESS=0
start_service slow-clients "$port" "$admin_port"
peak() { awk '/^VmHWM:/ { printf "%d\n", $2 / 1024 }' "/proc/$service/status"; }
before=$(peak)

python3 - "$port" "$connections" "$seconds" <<'PY'
import asyncio, base64, collections, os, sys

port, connections, seconds = map(int, sys.argv[1:])
length, pieces = 10_000_000, 50
credentials = f"load:{os.environ['PADAN_LOAD_PASSWORD']}"
head = (
    f"POST /identity/v1/face-verification HTTP/1.1\r\nHost: padan\r\nx-api-key: {os.environ['PADAN_LOAD_API_KEY']}\r\n"
    f"Authorization: Basic {base64.b64encode(credentials.encode()).decode()}\r\n"
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
        # An answer that nobody waits for any more is no error of this script.
        answer.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
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
# Each connection gets an answer: 400 for a form without an end, or 429 beyond the memory for bodies.
sys.exit(0 if answers["400"] + answers["429"] == connections else 1)
PY

after=$(peak)
echo "peak memory: $before MiB before, $after MiB with $connections connections of 10 MB each"
if [ "$after" -gt "$max_mib" ]; then fail "the peak memory is above $max_mib MiB"; fi
