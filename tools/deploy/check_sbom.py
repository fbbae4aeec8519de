"""Checks that the SBOM names every C and C++ part. Usage: `check_sbom.py SBOM PROGRAM`, in the root of a checkout.

The parts are found here in another way than in native.py: crates by their `links` keys, and shared libraries by what is
in the folder of ONNX Runtime and by what the built program and these libraries load. At the end, parts that do not exist
must be refused.
"""

import json
import pathlib
import re
import subprocess
import sys

import native

sbom = json.loads(pathlib.Path(sys.argv[1]).read_text())
components = sbom["components"]
names = {component["name"]: component.get("version") for component in components}
parts = {entry["value"] for component in components for entry in component.get("properties", [])}
wrong = [f"{name} is missing" for name in ("libjpeg-turbo", "onnxruntime", "openvino", "onetbb") if not names.get(name)]

# Of the whole workspace; only those that the SBOM lists as crates are in the program.
metadata = json.loads(
    subprocess.run(
        ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", native.host()],
        check=True, capture_output=True, text=True,
    ).stdout
)
linking = {package["name"] for package in metadata["packages"] if package["links"]} & names.keys()
wrong += [
    f"the C or C++ of the crate {name} is missing"
    for name in linking - native.WITHOUT_NATIVE_CODE
    if f"crate {name}" not in parts
]

program = pathlib.Path(sys.argv[2])
files = [file for file in native.RUNTIME_FOLDER.iterdir() if ".so" in file.name and not file.is_symlink()]
wrong += [f"the library {file.name} is missing" for file in files if file.name not in parts]
loaded = set()
for file in [program, *files]:
    headers = subprocess.run(["objdump", "--private-headers", file], check=True, capture_output=True, text=True).stdout
    loaded |= set(re.findall(r"^\s+NEEDED\s+(\S+)$", headers, re.MULTILINE))
wrong += [f"{name} is loaded and missing" for name in loaded if name not in parts and name not in names]


def refuses(what, call):
    try:
        call()
    except native.Unknown:
        return
    wrong.append(f"{what} is not refused")


new = {"name": "zstd-sys", "links": "zstd", "manifest_path": "Cargo.toml", "version": "1.0.0"}
refuses("a crate that links a library", lambda: native.in_crate(new, False))
refuses("a crate that compiles C", lambda: native.in_crate({**new, "links": None}, True))
refuses("a library that nobody knows", lambda: native.library("libnew.so.1"))

for line in wrong:
    print(f"SBOM: {line}", file=sys.stderr)
sys.exit(bool(wrong))
