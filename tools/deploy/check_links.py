"""Checks the links between the Markdown files of this checkout, including those to headings, and the sources they name."""

import pathlib
import re
import subprocess
import sys

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# `store/src/quota.rs` stands for the file in crates/; NAME for any name.
SOURCE = re.compile(r"`(?:crates/)?([a-z-]+/(?:src|tests)/[\w/.-]+\.rs)`")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(file):
    """The anchors of a file's headings, in the form that code hosts generate."""
    found = set()
    for line in FENCE.sub("", file.read_text()).splitlines():
        if heading := re.match(r"#+\s+(.*)", line):
            text = re.sub(r"[^\w\- ]", "", heading.group(1).lower()).replace(" ", "-")
            found.add(text)
    return found


files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md"], check=True, capture_output=True, text=True)
wrong, count = [], 0
for name in files.stdout.split():
    file = pathlib.Path(name)
    for source in SOURCE.findall(file.read_text()):
        count += 1
        if "NAME" not in source and not pathlib.Path("crates", source).exists():
            wrong.append(f"{name}: {source}: no such source")
    for target in LINK.findall(FENCE.sub("", file.read_text())):
        if "://" in target or target.startswith("mailto:"):
            continue
        count += 1
        path, _, anchor = target.partition("#")
        goal = (file.parent / path) if path else file
        if not goal.exists():
            wrong.append(f"{name}: {target}: no such file")
        elif anchor and anchor not in anchors(goal):
            wrong.append(f"{name}: {target}: no such heading")
for fault in wrong:
    print(fault, file=sys.stderr)
print(f"{count} links between documents and to sources")
sys.exit(bool(wrong))
