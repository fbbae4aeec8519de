"""Breaks what a running service needs, one thing at a time, while clients call it, and prints a table.

    faults.py [NAME...]        faults whose name contains one of the words; all of them by default

For each fault: how many requests were answered, how many were refused with 503 or 429, how many got no answer (or 500
after a panic), how many answered ones have no row in the audit trail or two, and how long after the end of the fault the
last request failed. Fails if an answered request has no row, the service does not recover, or a fault has another effect
than it should. faults.sh starts the databases and sets the environment.
"""

import asyncio
import re
import subprocess
import sys
import time

import clock
import memory
import outages
import panics
from load import Load
from proxy import Proxy
from site_under_test import CONFIG, PADAN, REGISTRY, STORE, Service, Site, logged, sql

CALLERS, CALM, FAULT, PATIENCE = 8, 3, 8, 60
# Of these a client knows that nothing was decided.
REFUSALS = {503, 429}
PLAIN = [PADAN], {}
# Faults, the program in which they are tried, how long they last, and why they cannot be tried here.
GROUPS = [
    (outages.FAULTS, PLAIN, FAULT, lambda: None),
    (clock.FAULTS, clock.PROGRAM, FAULT, clock.why_not),
    (panics.FAULTS, panics.PROGRAM, 0, lambda: None),
    (memory.FAULTS, PLAIN, FAULT, memory.why_not),
    # Last, because a promoted replica stays one.
    (outages.LAST_FAULTS, PLAIN, FAULT, lambda: None),
]


async def try_fault(site, fault, seconds):
    site.problems, site.began, site.healed = [], 0.0, None
    load = Load()
    calls = [asyncio.create_task(load.call()) for _ in range(CALLERS)]
    await asyncio.sleep(CALM)
    if not load.results or any(status != 200 for _, _, status in load.results):
        raise RuntimeError(f"failures before the fault: {load.results[-3:]}, {logged()[-1000:]}")
    async with fault(site):
        await asyncio.sleep(seconds)
    healed = site.healed or time.monotonic()
    ended = time.monotonic()
    failed = lambda status: status in REFUSALS or status in (0, 500)
    # Recovered: nothing has failed for three seconds.
    while time.monotonic() - ended < PATIENCE:
        await asyncio.sleep(0.5)
        recent = [result for result in load.results if result[0] > time.monotonic() - 3]
        if time.monotonic() - ended > 3 and recent and not any(failed(status) for _, _, status in recent):
            break
    load.stopped = True
    await asyncio.gather(*calls)
    counted = [result for result in load.results if result[0] >= site.began]
    recovered = max((at for at, _, status in counted if failed(status)), default=healed) - healed
    site.expect(recovered < PATIENCE, "does not recover")
    answered = [name for _, name, status in counted if status and status not in REFUSALS]
    await asyncio.sleep(1)
    ids = {name for _, name, _ in load.results}
    rows = [name for name in sql(STORE, "SELECT request_id FROM store.audit_event WHERE request_id LIKE 'fault-%'") if name in ids]
    statuses = [status for _, _, status in counted]
    figures = {
        "sent": len(statuses), "answered": len(answered), "refused": sum(status in REFUSALS for status in statuses),
        "no answer": statuses.count(0), "lost": len(set(answered) - set(rows)), "two rows": len(rows) - len(set(rows)),
        "recovered": max(recovered, 0.0),
    }
    site.expect(not figures["lost"] and not figures["two rows"], "rows")
    # A panic while a photo is processed is an error of the service.
    expected = {0, 200, *REFUSALS} | ({500} if seconds == 0 else set())
    site.expect(set(statuses) <= expected, f"statuses {sorted(set(statuses))}")
    return figures


async def try_all(site, wanted):
    rows, left_out = [], []
    program = PLAIN
    for faults, needed, seconds, why_not in GROUPS:
        chosen = [(name, fault) for name, fault in faults if not wanted or any(word in name for word in wanted)]
        if chosen and (reason := why_not()):
            left_out += [f"{name}: left out, because {reason}" for name, _ in chosen]
            continue
        for name, fault in chosen:
            if needed != program or needed == PLAIN and site.service.command != [PADAN]:
                program = needed
                await site.service.change(*needed)
            figures = await try_fault(site, fault, seconds)
            rows.append((name, figures, site.problems))
            print(f"{name}: {figures} {'; '.join(site.problems)}", file=sys.stderr, flush=True)
    return rows, left_out


async def main():
    address = lambda url: re.search(r"@([^:/]+):(\d+)/", url).groups()
    registry = await Proxy(*address(REGISTRY)).start()
    store = await Proxy(*address(STORE)).start()
    clock.set_clock("+0")
    service = Service(registry, store)
    await service.start()
    site = Site(registry, store, service)
    try:
        rows, left_out = await try_all(site, sys.argv[1:])
    finally:
        await service.stop()
        for group in site.groups:
            group.remove()
    # The tasks of the proxies end with the program.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    verified = subprocess.run([PADAN, "audit", "verify", "--config", CONFIG], capture_output=True, text=True, check=False)
    heads = ("sent", "answered", "refused", "no answer", "lost", "two rows")
    print(f"\n{'fault':40}" + "".join(f"{head:>11}" for head in heads) + f"{'recovered':>12}")
    for name, figures, problems in rows:
        line = f"{name:40}" + "".join(f"{figures[head]:11}" for head in heads) + f"{figures['recovered']:10.1f} s"
        print(line + "".join(f"  WRONG: {problem}" for problem in problems))
    print("", *site.seen, *left_out, sep="\n")
    print(f"\npadan audit verify, afterwards: exit {verified.returncode}, {(verified.stdout + verified.stderr).strip()[-200:]}")
    failures = sum(bool(problems) for _, _, problems in rows)
    return 1 if failures or verified.returncode or not rows else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
