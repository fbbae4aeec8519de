"""Runs every program of docs/clients.md against a service, and checks the page's table of reason codes.

    run_snippets.py FOLDER    FOLDER has the virtual environment `venv` and the Node modules that the programs use.

The service and the client's secrets are in PADAN_URL, PADAN_USERNAME, PADAN_PASSWORD and PADAN_API_KEY.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import time

PAGE = pathlib.Path("docs/clients.md")
REASONS = pathlib.Path("crates/domain/src/reason_code.rs")
STATUSES = pathlib.Path("crates/http-api/src/status.rs")
PROGRAM = re.compile(r"<!-- run: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
TIME_LIMIT_S = 120


def command(folder, file):
    """The command that runs a program, by the ending of its name."""
    runtimes = {
        ".sh": ["bash"],
        ".py": [str(folder / "venv/bin/python")],
        ".mjs": ["node"],
        ".go": ["go", "run"],
        ".java": ["java"],
        ".php": ["php"],
    }
    runtime = runtimes[file.suffix]
    if not shutil.which(runtime[0]):
        sys.exit(f"{runtime[0]} is missing for {file.name}: scripts/snippets.sh installs it from Debian")
    return [*runtime, str(file)]


def run(folder, name, text):
    """Returns what is wrong with a program, or None."""
    file = folder / name
    file.write_text(text)
    began = time.monotonic()
    try:
        done = subprocess.run(command(folder, file), capture_output=True, text=True, timeout=TIME_LIMIT_S)
    except subprocess.TimeoutExpired:
        return f"{name} did not end within {TIME_LIMIT_S} s"
    printed = done.stdout.strip()
    print(f"{name:<18} {time.monotonic() - began:5.1f} s  {printed}")
    if done.returncode != 0:
        return f"{name} ended with {done.returncode}: {done.stderr.strip()}"
    if '"verification_status":true' not in printed:
        return f"{name} did not verify the person: {printed}"
    return None


def wrong_codes():
    """Codes of the page that do not exist, and codes for a person (status 200 or 400) that it lacks."""
    codes = dict(re.findall(r'^    (\w+) => "(\w+)",', REASONS.read_text(), re.MULTILINE))
    told = set(re.findall(r"^\| `([A-Z_]+)` \|", PAGE.read_text(), re.MULTILINE))
    source = STATUSES.read_text()
    for_people = set()
    for status in ("OK", "BAD_REQUEST"):
        variants = re.search(rf"((?:ReasonCode::\w+[\s|]*)+)=> StatusCode::{status},", source).group(1)
        for_people |= {codes[variant] for variant in re.findall(r"::(\w+)", variants)}
    # A mistake of the program, and a document: no person sees these.
    for_people -= {"MALFORMED_FORM", "OK"}
    return [f"{code} does not exist" for code in sorted(told - set(codes.values()))] + [
        f"{code} has no text for the person" for code in sorted(for_people - told)
    ]


def main():
    folder = pathlib.Path(sys.argv[1]).resolve()
    programs = PROGRAM.findall(PAGE.read_text())
    if len(programs) < PAGE.read_text().count("<!-- run:"):
        sys.exit(f"{PAGE}: a program does not follow its <!-- run: --> line")
    faults = [fault for name, text in programs if (fault := run(folder, name, text))] + wrong_codes()
    for fault in faults:
        print(f"{PAGE}: {fault}", file=sys.stderr)
    print(f"{len(programs)} programs of {PAGE}, {len(faults)} faults")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
