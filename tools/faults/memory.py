"""The machine has too little memory: the service runs in a control group whose memory is limited."""

import asyncio
import contextlib
import itertools
import os
import pathlib
import time

from load import FACE, form, large_photo, post
from site_under_test import PADAN

MIB = 1 << 20
NUMBERS = itertools.count(1)
# Budgets that a photo of 25 megapixels fits, and two do not.
BUDGETS = {
    "PADAN__HTTP__BODY_MEMORY_BYTES": str(32 * MIB),
    "PADAN__INFERENCE__LIMITS__MAX_MEGAPIXELS_AT_ONCE": "48",
}
# What the budgets allow, and as much again for what they do not count.
ALLOWED = 2 * (32 * MIB + 48_000_000 * 3)
ATTACKERS = 6


class MemoryGroup:
    """A control group of version 1 or 2."""

    def __init__(self):
        name = f"padan-faults-{os.getpid()}-{next(NUMBERS)}"
        one, two = pathlib.Path("/sys/fs/cgroup/memory"), pathlib.Path("/sys/fs/cgroup")
        if (one / "memory.limit_in_bytes").exists():
            self.folder, self.limit, self.peak = one / name, "memory.limit_in_bytes", "memory.max_usage_in_bytes"
        elif "memory" in (two / "cgroup.controllers").read_text().split():
            (two / "cgroup.subtree_control").write_text("+memory")
            self.folder, self.limit, self.peak = two / name, "memory.max", "memory.peak"
        else:
            raise OSError("no control group with memory")
        self.folder.mkdir()

    def command(self):
        return ["sh", "-c", f'echo $$ >{self.folder}/cgroup.procs && exec "$@"', "sh", PADAN]

    def set_limit(self, most):
        (self.folder / self.limit).write_text(str(most))

    def used(self):
        return int((self.folder / self.peak).read_text())

    def remove(self):
        self.folder.rmdir()


def why_not():
    try:
        MemoryGroup().remove()
    except OSError as error:
        return f"control groups of memory cannot be written here ({error})"
    return None


@contextlib.asynccontextmanager
async def attacked(photo):
    """Clients that send a large photo again and again. Counts the answers by code."""
    codes, stopped = {}, asyncio.Event()

    async def attack():
        while not stopped.is_set():
            _, code = await post(FACE, form(photo=photo))
            codes[code or "no answer"] = codes.get(code or "no answer", 0) + 1
            if not code:
                await asyncio.sleep(0.1)

    attacks = [asyncio.create_task(attack()) for _ in range(ATTACKERS)]
    yield codes
    stopped.set()
    await asyncio.gather(*attacks)


async def settled(group):
    """The memory of a group once it no longer grows: the service builds the session for idle processors after the start."""
    before, now = -1, group.used()
    while now - before > MIB:
        await asyncio.sleep(1)
        before, now = now, group.used()
    return now


@contextlib.asynccontextmanager
async def limited(site, extra, room, is_killed):
    """A group with so much room beyond what the service takes to start. `is_killed` says what the kernel has to do."""
    group = MemoryGroup()
    # It is removed when the service has left it.
    site.groups.append(group)
    await site.service.change(group.command(), extra)
    started = await settled(group)
    group.set_limit(started + room)
    starts = site.service.starts
    photo = large_photo(5000, 8 * MIB)
    site.began = time.monotonic()
    async with attacked(photo) as codes:
        yield
    group.set_limit(started + 4096 * MIB)
    site.seen.append(
        f"{(started + room) // MIB} MiB, of which {started // MIB} to start: "
        + ("killed and started again; " if site.service.starts > starts else "not killed; ")
        + "large photos: " + ", ".join(f"{code} {count}" for code, count in sorted(codes.items()))
    )
    if is_killed:
        site.expect(site.service.starts > starts or site.service.process.poll() is not None, "nothing was killed")
    else:
        site.expect(site.service.starts == starts, "the service was killed")
        site.expect(codes.get("OVERLOADED", 0) > 0, "nothing was refused")


FAULTS = [
    ("memory: a group that the budgets fit", lambda site: limited(site, BUDGETS, ALLOWED, False)),
    ("memory: a group that one photo exceeds", lambda site: limited(site, {}, 48 * MIB, True)),
]
