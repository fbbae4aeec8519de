"""Checks that each test and attack that docs/security.md names exists.

A test is a name in backticks with at least three underscores that is no setting. It has to be a function of the code. An
attack or a fault is a name in backticks such as `remains: a core file of the service`, as `make attacks` and `make faults`
print it. Each task that a service runs beside its requests must panic in `make faults`.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/security.md"
GROUPS = (
    r"(?:administration|clock|connections|forms|guesses|liveness|memory|operators|panic|program|registry|remains|sandbox|"
    r"service|store|trail)"
)


def functions():
    files = [*ROOT.glob("crates/**/*.rs"), *ROOT.glob("tools/**/*.rs")]
    return {name for file in files for name in re.findall(r"\bfn (\w+)", file.read_text(encoding="utf-8"))}


def attacks():
    files = [*ROOT.glob("tools/attacks/*.py"), *ROOT.glob("tools/faults/*.py")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    named = set(re.findall(rf'f?"({GROUPS}: [^"{{]+)"', text))
    # The faults of tasks are named after the tasks.
    panics = pathlib.Path(ROOT, "tools/faults/panics.py").read_text(encoding="utf-8")
    return named | {f"panic: {task}" for task in re.findall(r'"([a-z ]+)"', panics)}


def tasks():
    """The names of the tasks that a service runs beside its requests."""
    files = [file for file in ROOT.glob("crates/*/src/**/*.rs") if file.name != "background_tasks.rs"]
    # Without the tests, which are at the end of a file.
    text = "\n".join(file.read_text(encoding="utf-8").split("#[cfg(test)]")[0] for file in files)
    return set(re.findall(r'\.spawn\(\s*"([a-z ]+)"', text))


def main():
    quoted = set(re.findall(r"`([^`\n]+)`", PAGE.read_text(encoding="utf-8")))
    settings = set(re.findall(r"^#? ?(\w+) =", (ROOT / "config/default.toml").read_text(encoding="utf-8"), re.MULTILINE))
    tests = {name for name in quoted if re.fullmatch(r"[a-z0-9]+(?:_[a-z0-9]+){3,}", name)} - settings
    tried = {name for name in quoted if re.fullmatch(rf"{GROUPS}: .+", name)}
    missing = sorted((tests - functions()) | (tried - attacks()))
    for name in missing:
        print(f"docs/security.md names `{name}`, which no code has", file=sys.stderr)
    unbroken = sorted({f"panic: {task}" for task in tasks()} - attacks())
    for name in unbroken:
        print(f"tools/faults/panics.py lacks `{name}`", file=sys.stderr)
    if len(tests) < 50 or len(tried) < 15:
        print(f"docs/security.md names only {len(tests)} tests and {len(tried)} attacks: its claims need them", file=sys.stderr)
        return 1
    print(f"docs/security.md: {len(tests)} tests, and {len(tried)} attacks and faults, exist")
    return 1 if missing or unbroken else 0


if __name__ == "__main__":
    sys.exit(main())
