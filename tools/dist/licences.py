"""Writes the licences of the crates that are compiled into the program: each text once, with the crates that it is for.
Their texts are read from the crates' own folders. Run it in the root of a checkout; it calls cargo, but builds nothing.

    python3 tools/dist/licences.py > third-party-licences.txt

It ends with an error if a crate has no text and is under neither of the licences whose texts come with other crates.
"""

import json
import pathlib
import re
import subprocess
import sys

NAMES = re.compile(r"(licen[cs]e|copying|notice|copyright|unlicense)([-._].*)?", re.IGNORECASE)
# The licences of the packages in the console's bundle, as its build wrote them.
CONSOLE = pathlib.Path("console/dist/licences.txt")
# libjpeg-turbo, whose texts lie below its crate's folder.
FOLDERS = {"turbojpeg-sys": ["libjpeg-turbo"]}


def packages():
    """The packages of the program that others have written, by cargo's metadata."""
    command = ["cargo", "tree", "--locked", "--package", "padan", "--edges", "normal", "--prefix", "none", "--format", "{p}"]
    tree = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    used = {tuple(line.removesuffix(" (*)").replace(" v", " ").split()[:2]) for line in tree.splitlines()}
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["packages"]
    return [package for package in found if package["source"] and (package["name"], package["version"]) in used]


def texts(package):
    folder = pathlib.Path(package["manifest_path"]).parent
    for below in [folder, *(folder / name for name in FOLDERS.get(package["name"], []))]:
        for file in sorted(below.iterdir()):
            if file.is_file() and NAMES.fullmatch(file.name):
                yield file.read_text(encoding="utf-8", errors="replace").strip()


def main():
    crates_of, without = {}, []
    for package in packages():
        name = f"{package['name']} {package['version']} ({package['license'] or 'see below'})"
        found = list(texts(package))
        for text in found:
            crates_of.setdefault(text, []).append(name)
        if not found:
            without.append((name, package["license"], package["repository"]))
    for name, licence, _ in without:
        if not re.search(r"\b(MIT|Apache-2.0)\b", licence or ""):
            sys.exit(f"{name}: its folder has no licence")
    print("The licences of the crates that are compiled into the program padan. Where a crate offers a choice, all are here.\n")
    if without:
        print("These crates come without a text. Those of the licences in brackets are below, with other crates:\n")
        for name, _, repository in sorted(without):
            print(f"  {name}, {repository or 'no address'}")
        print()
    for text, crates in sorted(crates_of.items(), key=lambda entry: (sorted(entry[1]), entry[0])):
        print("=" * 80)
        print("\n".join(sorted(crates)), "\n", sep="\n")
        print(text, "\n", sep="")
    print("=" * 80)
    print("In the console in the browser, which the program contains:\n")
    print(CONSOLE.read_text(encoding="utf-8"))


main()
