"""The clock of the service's machine jumps, by libfaketime: ahead, back, and right again."""

import contextlib
import pathlib

from load import BASIC, form, post
from site_under_test import PADAN, STORE, WORK, sql

CLOCK = WORK / "clock"
FOLDERS = ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime"]
LIBRARIES = [pathlib.Path(folder, "libfaketimeMT.so.1") for folder in FOLDERS]
LIBRARY = next((library for library in LIBRARIES if library.exists()), None)
PROGRAM = [PADAN], {
    "LD_PRELOAD": str(LIBRARY),
    "FAKETIME_TIMESTAMP_FILE": str(CLOCK),
    "FAKETIME_NO_CACHE": "1",
    # Only the time of day jumps, as on a real machine.
    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    "NO_FAKE_STAT": "1",
    # So that a few wrong names use it up. The limits are those of two hours.
    "PADAN__VERIFICATION__FAILED_FIELDS__PERSON__MOST": "5",
    "PADAN__VERIFICATION__FAILED_FIELDS__PERSON__WINDOW_SECONDS": "7200",
}


def why_not():
    return None if LIBRARY else "libfaketime is not installed (Debian: libfaketime)"


def set_clock(by):
    """Replaces the file at once: the service reads it at each look at the clock."""
    new = CLOCK.with_suffix(".new")
    new.write_text(by + "\n")
    new.rename(CLOCK)


async def admitted(user, count, **fields):
    codes = [(await post(BASIC, form(**fields), user=user))[1] for _ in range(count)]
    return sum(code not in ("TOO_MANY_FAILED_FIELDS", "QUOTA_EXCEEDED", "RATE_LIMITED", "") for code in codes)


async def uses(count=6):
    """How many requests each limit admits: of wrong fields, of a quota of the day, of a rate."""
    return {
        "guesses": await admitted("guesser", count, name="Somebody Else"),
        "quota": await admitted("daily", count),
        "rate": await admitted("rated", count),
    }


def sessions():
    return int(sql(STORE, "SELECT count(*) FROM pg_stat_activity WHERE datname = 'store' AND pid <> pg_backend_pid()")[0])


def rows_dated(condition):
    statement = "SELECT count(*) FROM store.audit_event WHERE request_id LIKE 'fault-%' AND at"
    return int(sql(STORE, f"{statement} {condition}")[0])


@contextlib.asynccontextmanager
async def jumped(site, by, opens, dated):
    """`opens` names the limits that a jump may open, because the time they are counted in is another one."""
    sql(STORE, "DELETE FROM store.quota_use WHERE client = 'daily'")
    used, before = await uses(), sessions()
    dated_before = rows_dated(dated)
    set_clock(by)
    during = await uses()
    yield
    rows = rows_dated(dated) - dated_before
    set_clock("+0")
    after = await uses()
    site.seen.append(
        f"{by}: {rows} rows have the time of the jump; admitted of 6 before, during, after: "
        + "; ".join(f"{limit} {used[limit]}, {during[limit]}, {after[limit]}" for limit in used)
        + f"; sessions with the store {before}, {sessions()}"
    )
    site.expect(rows > 0, "no row has the time of the jump")
    for limit in used:
        site.expect(during[limit] == 0 or limit in opens, f"the jump opened {limit}")
        site.expect(after[limit] == 0, f"the way back opened {limit}")


HOUR, MONTH = "> now() + interval '30 minutes'", "> now() + interval '30 days'"
FAULTS = [
    ("clock: an hour ahead, and right again", lambda site: jumped(site, "+1h", [], HOUR)),
    ("clock: an hour back, and right again", lambda site: jumped(site, "-1h", [], "< now() - interval '30 minutes'")),
    ("clock: 40 days ahead, and right again", lambda site: jumped(site, "+40d", ["guesses", "quota"], MONTH)),
    ("clock: 40 days back, and right again", lambda site: jumped(site, "-40d", ["quota"], "< now() - interval '30 days'")),
]
