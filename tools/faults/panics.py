"""Each task beside the requests panics, once. The program of this has places for it, which the installed one lacks."""

import asyncio
import contextlib
import subprocess
import time

from site_under_test import CONFIG, STORE, WITH_FAULT_POINTS, WORK, logged, sql

FOLDER = WORK / "fault-points"
# The service ends with an error and is started again.
ENDING = [
    "clients of the store", "active model", "audit writer", "replica lag", "readiness", "template count", "processor time",
    "live measurement", "shadow model", "shadow comparisons", "shadow counts", "old exports", "reload of the settings",
    "audit writer before a commit", "audit writer after a commit",
]
# The task's caller gets an error, and the next task does the work.
CONTAINED = ["worker of the engine", "grant of a quota"]
PROGRAM = [WITH_FAULT_POINTS], {"PADAN_FAULT_POINTS": str(FOLDER)}


async def until(holds, seconds=60):
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        await asyncio.sleep(0.05)
    return True


def order(name):
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / name
    file.touch()
    return file


@contextlib.asynccontextmanager
async def panic(site, name, ends):
    before, said = site.service.starts, len(logged())
    file = order(name)
    site.expect(await until(lambda: not file.exists()), f"{name} was not reached")
    site.healed = time.monotonic()
    yield
    if ends:
        site.expect(await until(lambda: site.service.starts > before, 30), "the service goes on")
        task = "audit writer" if name.startswith("audit writer") else name
        site.expect(f"`{task}`" in logged()[said:], "the log does not name the task")
    else:
        await asyncio.sleep(2)
        site.expect(site.service.starts == before, "the service ended")


@contextlib.asynccontextmanager
async def panic_in_partition(site):
    """The task that creates the next month's partition runs after the first row of a process."""
    file = order("partition of the next month")
    await site.service.change(*PROGRAM)
    site.began = time.monotonic()
    site.expect(await until(lambda: not file.exists()), "the task was not reached")
    site.healed = time.monotonic()
    yield
    site.expect(site.service.process.poll() is None, "the service ended")


@contextlib.asynccontextmanager
async def panic_in_enrolment(site):
    """`padan enroll` ends with an error, and the next run does all of it."""
    enroll = [WITH_FAULT_POINTS, "enroll", "--config", CONFIG]
    run = lambda: subprocess.run(enroll, env=site.service.environment | PROGRAM[1], capture_output=True, check=False)
    sql(STORE, "TRUNCATE store.face_template")
    order("enrolment")
    first = await asyncio.to_thread(run)
    site.expect(first.returncode != 0 and not (FOLDER / "enrolment").exists(), "the enrolment did not end")
    site.healed = time.monotonic()
    yield
    again = await asyncio.to_thread(run)
    site.expect(again.returncode == 0, f"the next enrolment fails: {again.stderr[-300:]}")


FAULTS = [
    *((f"panic: {name}", lambda site, name=name: panic(site, name, True)) for name in ENDING),
    *((f"panic: {name}", lambda site, name=name: panic(site, name, False)) for name in CONTAINED),
    ("panic: partition of the next month", panic_in_partition),
    ("panic: enrolment", panic_in_enrolment),
]
