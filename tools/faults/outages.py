"""Registry, store and process fail: servers that are gone, hang or are slow, locks, full disks, signals."""

import asyncio
import contextlib
import os
import pathlib
import signal
import subprocess

from site_under_test import BUDI, REGISTRY, REGISTRY_PRIMARY, STORE, STORE_FILES, sql


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
async def deadlocks(site):
    """Somebody else takes the locks of an audit row in the other order. The server ends the service's statement."""
    count = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'store'"
    month = "SELECT tableoid::regclass FROM store.audit_event ORDER BY at DESC LIMIT 1"
    before, partition = int(sql(STORE, count)[0]), sql(STORE, month)[0]
    psql = await asyncio.create_subprocess_exec(
        "psql", "--quiet", STORE, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    once = (
        f"BEGIN; LOCK TABLE ONLY {partition} IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(0.2);"
        "LOCK TABLE ONLY store.audit_event IN ACCESS EXCLUSIVE MODE; COMMIT; SELECT pg_sleep(0.2);\n"
    )
    psql.stdin.write(("SET deadlock_timeout = '1h';\n" + 15 * once).encode())
    psql.stdin.close()
    yield
    await psql.wait()
    await asyncio.sleep(2)
    found = int(sql(STORE, count)[0]) - before
    site.seen.append(f"store: deadlocks: {found} were found by the server")
    site.expect(found > 0, "there was no deadlock")


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
    site.service.supervision.cancel()
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
    ("store: deadlocks", deadlocks),
    ("store: disk full", full_disk),
    ("service: no further open files", no_files),
    ("service: stands still", stopped_service),
    ("service: SIGKILL, started again", killed_service),
]
LAST_FAULTS = [("registry: replica promoted", promoted_replica)]
