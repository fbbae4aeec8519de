"""Takes servers of the store away while clients call, one event after the other, and prints a table.

    failover.py [NAME...]      events whose name contains one of the words; all of them by default

For each event: how many requests were sent, answered, refused with 503 or 429, and not answered; how many of the
answered ones have no row in the audit trail of the store that serves afterwards, or two; and from when to when after
the event requests failed. Fails if an answered request has no row, or the service does not recover.
scripts/growth/patroni.sh sets the environment.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
import types

import load as loading
import site_under_test as site
from servers import BALANCER, FIRST_PORT, FOLDER, PASSWORDS, Servers

PADAN = os.environ["PADAN"]
site.PORT, site.ADMIN_PORT = FIRST_PORT, FIRST_PORT + 1
loading.PORT = FIRST_PORT
CALLERS, CALM, PATIENCE = 8, 5, 90
REFUSALS = {503, 429}


def store_url(user, password, database):
    return (
        f"postgres://{user}:{password}@127.0.0.1:{BALANCER}/{database}"
        f"?sslmode=verify-full&sslrootcert={FOLDER / 'store.crt'}"
    )


OWNER = store_url("postgres", PASSWORDS["SUPERUSER"], "store")


async def crash(servers):
    """PostgreSQL of the primary is killed; Patroni beside it lives."""
    os.kill(servers.primary().postgres(), signal.SIGKILL)


async def lose_primary(servers):
    """The machine of the primary is gone, and comes back after a while."""
    lost = servers.primary()
    lost.kill()
    return lost.start


async def lose_standby(servers):
    lost = servers.standby()
    lost.kill()
    return lost.start


async def freeze_primary(servers):
    """The machine of the primary stands still, and goes on when the other one is the primary."""
    frozen = servers.primary()
    frozen.signal_all(signal.SIGSTOP)
    return lambda: frozen.signal_all(signal.SIGCONT)


async def freeze_standby(servers):
    frozen = servers.standby()
    frozen.signal_all(signal.SIGSTOP)
    return lambda: frozen.signal_all(signal.SIGCONT)


async def lose_etcd(servers):
    servers.etcd.kill()
    servers.etcd.wait()
    return servers.start_etcd


async def switch_over(servers):
    await asyncio.to_thread(servers.switch_over)


EVENTS = [
    ("primary: PostgreSQL killed", crash, 15),
    ("primary: machine lost", lose_primary, 30),
    ("primary: machine frozen, thawed later", freeze_primary, 40),
    ("standby: machine lost", lose_standby, 15),
    ("standby: machine frozen, thawed later", freeze_standby, 20),
    ("etcd: killed for 40 s", lose_etcd, 40),
    ("planned exchange of primary and standby", switch_over, 15),
]


async def try_event(servers, event, seconds):
    load = loading.Load()
    calls = [asyncio.create_task(load.call()) for _ in range(CALLERS)]
    await asyncio.sleep(CALM)
    assert load.results and all(status == 200 for _, _, status in load.results), load.results[-3:]
    began = time.monotonic()
    undo = await event(servers)
    await asyncio.sleep(max(0, began + seconds - time.monotonic()))
    if undo:
        undo()
    has_failed = lambda result: result[2] in REFUSALS or not result[2]
    # Recovered: nothing has failed for five seconds, also after the server is back.
    undone = time.monotonic()
    while time.monotonic() - undone < PATIENCE:
        await asyncio.sleep(0.5)
        recent = [result for result in load.results if result[0] > time.monotonic() - 5]
        if time.monotonic() - undone > 5 and recent and not any(map(has_failed, recent)):
            break
    recovered = time.monotonic() - undone < PATIENCE
    load.stopped = True
    await asyncio.gather(*calls)
    await asyncio.to_thread(servers.wait_until_whole)
    failed = [at - began for at, _, status in load.results if has_failed((at, "", status))]
    answered = [name for _, name, status in load.results if status and status not in REFUSALS]
    ids = {name for _, name, _ in load.results}
    rows = site.sql(OWNER, "SELECT request_id FROM store.audit_event WHERE request_id LIKE 'fault-%'")
    rows = [name for name in rows if name in ids]
    return {
        "sent": len(load.results), "answered": len(answered),
        "refused": sum(status in REFUSALS for _, _, status in load.results),
        "no answer": sum(not status for _, _, status in load.results),
        "lost": len(set(answered) - set(rows)), "two rows": len(rows) - len(set(rows)),
        "first failure": min(failed, default=0.0), "last failure": max(failed, default=0.0),
        "recovered": recovered,
        "other": sorted({status for _, _, status in load.results} - {0, 200, *REFUSALS}),
    }


def make_store(servers):
    superuser = store_url("postgres", PASSWORDS["SUPERUSER"], "postgres")
    for _ in range(100):
        done = subprocess.run(["psql", superuser, "--command", "CREATE DATABASE store"], capture_output=True, check=False)
        if done.returncode == 0:
            break
        time.sleep(0.3)
    else:
        raise RuntimeError(f"no primary behind the balancer: {done.stderr}")
    os.environ["PADAN__STORE__URL"] = OWNER
    subprocess.run([PADAN, "migrate", "--config", site.CONFIG], check=True, stdout=subprocess.DEVNULL)


async def main():
    wanted = sys.argv[1:]
    servers = Servers()
    rows, service = [], None
    try:
        servers.start()
        make_store(servers)
        site.STORE = OWNER
        registry_port = int(re.search(r":(\d+)/", site.REGISTRY)[1])
        at = lambda port: types.SimpleNamespace(port=port)
        service = site.Service(at(registry_port), at(BALANCER))
        await service.start()
        for name, event, seconds in EVENTS:
            if wanted and not any(word in name for word in wanted):
                continue
            row = await try_event(servers, event, seconds)
            rows.append((name, row))
            print(f"{name}: {row}", file=sys.stderr, flush=True)
        verified = subprocess.run(
            [PADAN, "audit", "verify", "--config", site.CONFIG], capture_output=True, text=True, check=False
        )
    except BaseException:
        for log in sorted(FOLDER.glob("*.log")):
            print(f"== {log.name}\n{log.read_text(errors='replace')[-3000:]}", file=sys.stderr)
        raise
    finally:
        if service and service.process:
            service.process.terminate()
            service.process.wait()
        servers.stop()
    heads = ("sent", "answered", "refused", "no answer", "lost", "two rows")
    print(f"\n{'event':42}" + "".join(f"{head:>11}" for head in heads) + "  requests failed")
    for name, row in rows:
        span = f"{row['first failure']:.1f} to {row['last failure']:.1f} s" if row["last failure"] else "none"
        print(f"{name:42}" + "".join(f"{row[head]:11}" for head in heads) + f"  {span}")
    print(f"\npadan audit verify, afterwards: exit {verified.returncode}, {(verified.stdout + verified.stderr).strip()[-200:]}")
    broken = [name for name, row in rows if row["lost"] or row["two rows"] or row["other"] or not row["recovered"]]
    return 1 if broken or verified.returncode or not rows else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
