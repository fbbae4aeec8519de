"""Breaks what a running service needs, one thing at a time, while clients call it, and prints a table.

    faults.py [NAME...]        faults whose name contains one of the words; all of them by default

For each fault: how many requests were answered, how many were refused with 503 or 429, how many got no answer, how many
answered ones have no row in the audit trail or two, and how long after the end of the fault the last request failed. Fails if
an answered request has no row, or the service does not recover. faults.sh starts the databases and sets the environment.
"""

import asyncio
import base64
import contextlib
import itertools
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

from proxy import Proxy

ROOT = pathlib.Path(__file__).resolve().parents[2]
PADAN = os.environ["PADAN"]
CONFIG = os.environ["PADAN_FAULTS_CONFIG"]
LOG = os.environ["PADAN_FAULTS_LOG"]
REGISTRY_PRIMARY = os.environ["PADAN_FAULTS_REGISTRY_PRIMARY"]
REGISTRY = os.environ["PADAN_FAULTS_REGISTRY"]
STORE = os.environ["PADAN_FAULTS_STORE"]
STORE_FILES = os.environ["PADAN_FAULTS_STORE_FILES"]
PORT, ADMIN_PORT = 18380, 18390
BUDI = "3174011403870000"
CALLERS, CALM, FAULT, PATIENCE = 8, 3, 8, 60
# Each request has an id of its own.
NUMBERS = itertools.count(1)
# Of these a client knows that nothing was decided.
REFUSALS = {503, 429}


def sql(url, statement):
    done = subprocess.run(
        ["psql", "--quiet", "--no-align", "--tuples-only", url, "--command", statement],
        capture_output=True, text=True, check=True,
    )
    return done.stdout.split()


class Service:
    """The process, which can be started again."""

    def __init__(self, registry, store):
        self.environment = os.environ | {
            "PADAN__REGISTRY__URLS": through(REGISTRY, registry),
            "PADAN__STORE__URL": through(STORE, store),
            "PADAN__HTTP__PORT": str(PORT),
            "PADAN__HTTP__ADMIN_PORT": str(ADMIN_PORT),
            "PADAN__VERIFICATION__FAILED_FACES__MOST": "0",
        }
        self.process = None

    async def start(self):
        log = open(LOG, "ab")
        self.process = subprocess.Popen([PADAN, "serve", "--config", CONFIG], env=self.environment, stderr=log)
        for _ in range(600):
            with contextlib.suppress(OSError):
                if await self.readiness() == 200:
                    return
            if self.process.poll() is not None:
                break
            await asyncio.sleep(0.1)
        raise RuntimeError("the service does not become ready: " + pathlib.Path(LOG).read_text(encoding="utf-8")[-2000:])

    async def readiness(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", ADMIN_PORT)
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: padan\r\nConnection: close\r\n\r\n")
        line = await reader.readline()
        writer.close()
        return int(line.split(b" ")[1])


def through(url, proxy):
    return re.sub(r"@[^/]*/", f"@127.0.0.1:{proxy.port}/", url)


class Load:
    """Clients that call one after the other, each on a connection of its own."""

    def __init__(self):
        user = base64.b64encode(f"load:{os.environ['PADAN_LOAD_PASSWORD']}".encode()).decode()
        self.credentials = f"Authorization: Basic {user}\r\nx-api-key: {os.environ['PADAN_LOAD_API_KEY']}\r\n"
        photo = (ROOT / "people/images/101_s1.jpg").read_bytes()
        fields = {"nik": BUDI.encode(), "name": b"Budi Santoso", "date_of_birth": b"14-03-1987"}
        parts = [b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s' % (k.encode(), v) for k, v in fields.items()]
        self.basic = b"\r\n".join([*parts, b"--b--", b""])
        file = b'--b\r\nContent-Disposition: form-data; name="face_image"; filename="a.jpg"\r\n\r\n' + photo
        self.face = b"\r\n".join([*parts, file, b"--b--", b""])
        self.results = []
        self.stopped = False

    async def call(self):
        while not self.stopped:
            number = next(NUMBERS)
            name = f"fault-{number}"
            is_face = number % 2 == 0
            path = "/identity/v1/face-verification" if is_face else "/identity/v1/verification"
            body = self.face if is_face else self.basic
            head = (
                f"POST {path} HTTP/1.1\r\nHost: padan\r\nConnection: close\r\n{self.credentials}x-request-id: {name}\r\n"
                f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            status = 0
            try:
                async with asyncio.timeout(30):
                    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
                    writer.write(head.encode() + body)
                    line = await reader.readline()
                    status = int(line.split(b" ")[1]) if line else 0
                    if b"chunked" not in line:
                        # An answer that was cut off is none.
                        received = line + await reader.read()
                        length = int(re.search(rb"(?i)content-length: (\d+)", received)[1])
                        status = status if len(received.partition(b"\r\n\r\n")[2]) == length else 0
                    writer.close()
            except (OSError, TimeoutError, TypeError):
                status = 0
            self.results.append((time.monotonic(), name, status))
            if not status:
                await asyncio.sleep(0.05)


class Site:
    def __init__(self, registry, store, service):
        self.registry, self.store, self.service = registry, store, service


@contextlib.asynccontextmanager
async def killed(proxy):
    """The server is gone: connections are reset, and new ones refused."""
    proxy.refuses = True
    proxy.cut()
    yield
    proxy.refuses = False


@contextlib.asynccontextmanager
async def paused(proxy):
    """The server hangs: connections are accepted, and nothing is answered."""
    proxy.passes.clear()
    yield
    proxy.passes.set()


@contextlib.asynccontextmanager
async def slow(proxy):
    proxy.late = 0.2
    yield
    proxy.late = 0.0


@contextlib.asynccontextmanager
async def bad_rows(site):
    """The registry has a person with a status that its contract does not have."""
    change = "UPDATE civil_registry.person SET status = '{}' WHERE nik = '" + BUDI + "'"
    sql(REGISTRY_PRIMARY, change.format("of no contract"))
    yield
    sql(REGISTRY_PRIMARY, change.format("active"))


@contextlib.asynccontextmanager
async def locked_rows(site):
    """A transaction of somebody else holds the tables that the service writes."""
    psql = await asyncio.create_subprocess_exec(
        "psql", "--quiet", STORE, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    psql.stdin.write(b"BEGIN; LOCK TABLE store.audit_event, store.face_template IN ACCESS EXCLUSIVE MODE;\n")
    await psql.stdin.drain()
    yield
    psql.stdin.write(b"ROLLBACK;\n")
    psql.stdin.close()
    await psql.wait()


@contextlib.asynccontextmanager
async def full_disk(site):
    """The store's disk, a small file system in memory, has no free block."""
    filler = pathlib.Path(STORE_FILES, "filler")
    with filler.open("wb", 0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    yield
    filler.unlink()


@contextlib.asynccontextmanager
async def killed_service(site):
    site.service.process.kill()
    site.service.process.wait()
    yield
    await site.service.start()


@contextlib.asynccontextmanager
async def stopped_service(site):
    """All threads of the process stand still, as on a machine that swaps or was moved."""
    site.service.process.send_signal(signal.SIGSTOP)
    yield
    site.service.process.send_signal(signal.SIGCONT)


@contextlib.asynccontextmanager
async def no_files(site):
    """The process can open no further file or connection."""
    process = site.service.process.pid
    used = len(os.listdir(f"/proc/{process}/fd"))
    limit = subprocess.run(
        ["prlimit", f"--pid={process}", "--nofile", "--output=SOFT,HARD", "--noheadings"],
        capture_output=True, text=True, check=True,
    ).stdout.split()
    subprocess.run(["prlimit", f"--pid={process}", f"--nofile={used - 4}:{limit[1]}"], check=True)
    yield
    subprocess.run(["prlimit", f"--pid={process}", f"--nofile={limit[0]}:{limit[1]}"], check=True)


@contextlib.asynccontextmanager
async def promoted_replica(site):
    """The registry's replica becomes a primary, as after a failover."""
    sql(REGISTRY, "SELECT pg_promote()")
    yield


FAULTS = [
    ("registry: killed", lambda site: killed(site.registry)),
    ("registry: hangs", lambda site: paused(site.registry)),
    ("registry: 200 ms later each way", lambda site: slow(site.registry)),
    ("registry: rows against its contract", bad_rows),
    ("store: killed", lambda site: killed(site.store)),
    ("store: hangs", lambda site: paused(site.store)),
    ("store: 200 ms later each way", lambda site: slow(site.store)),
    ("store: tables locked by somebody else", locked_rows),
    ("store: disk full", full_disk),
    ("service: no further open files", no_files),
    ("service: stands still", stopped_service),
    ("service: SIGKILL, started again", killed_service),
    ("registry: replica promoted", promoted_replica),
]


async def try_fault(site, fault):
    load = Load()
    calls = [asyncio.create_task(load.call()) for _ in range(CALLERS)]
    await asyncio.sleep(CALM)
    assert load.results and all(status == 200 for _, _, status in load.results), load.results[-3:]
    async with fault(site):
        await asyncio.sleep(FAULT)
    healed = time.monotonic()
    failed = lambda result: result[2] in REFUSALS or not result[2]
    # Recovered: nothing has failed for three seconds.
    while time.monotonic() - healed < PATIENCE:
        await asyncio.sleep(0.5)
        recent = [result for result in load.results if result[0] > time.monotonic() - 3]
        if time.monotonic() - healed > 3 and recent and not any(map(failed, recent)):
            break
    load.stopped = True
    await asyncio.gather(*calls)
    recovered = max((at for at, _, status in load.results if failed((at, "", status))), default=healed) - healed
    answered = [name for _, name, status in load.results if status and status not in REFUSALS]
    refused = sum(status in REFUSALS for _, _, status in load.results)
    await asyncio.sleep(1)
    ids = set(name for _, name, _ in load.results)
    rows = [name for name in sql(STORE, "SELECT request_id FROM store.audit_event WHERE request_id LIKE 'fault-%'") if name in ids]
    without_row = set(answered) - set(rows)
    wrong = sorted({status for _, _, status in load.results} - {0, 200, *REFUSALS})
    return {
        "sent": len(load.results), "answered": len(answered), "refused": refused,
        "no answer": sum(not status for _, _, status in load.results), "no row": len(without_row),
        "two rows": len(rows) - len(set(rows)),
        "recovered": max(recovered, 0.0), "other": wrong,
    }


async def main():
    wanted = sys.argv[1:]
    address = lambda url: re.search(r"@([^:/]+):(\d+)/", url).groups()
    registry = await Proxy(*address(REGISTRY)).start()
    store = await Proxy(*address(STORE)).start()
    service = Service(registry, store)
    await service.start()
    site = Site(registry, store, service)
    rows, failures = [], 0
    for name, fault in FAULTS:
        if wanted and not any(word in name for word in wanted):
            continue
        row = await try_fault(site, fault)
        broken = row["no row"] or row["two rows"] or row["other"] or row["recovered"] >= PATIENCE
        failures += bool(broken) or service.process.poll() is not None
        rows.append((name, row))
        print(f"{name}: {row}", file=sys.stderr, flush=True)
    service.process.terminate()
    service.process.wait()
    # The tasks of the proxies end with the program.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    verified = subprocess.run([PADAN, "audit", "verify", "--config", CONFIG], capture_output=True, text=True, check=False)
    heads = ("sent", "answered", "refused", "no answer", "no row", "two rows")
    print(f"\n{'fault':40}" + "".join(f"{head:>11}" for head in heads) + f"{'recovered':>12}")
    for name, row in rows:
        print(f"{name:40}" + "".join(f"{row[head]:11}" for head in heads) + f"{row['recovered']:10.1f} s")
    print(f"\npadan audit verify, afterwards: exit {verified.returncode}, {(verified.stdout + verified.stderr).strip()[-200:]}")
    return 1 if failures or verified.returncode or not rows else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
