"""Lists the components of Padan as CycloneDX 1.5: the crates that are compiled in, the C and C++ in them, the libraries
of ONNX Runtime's folder, what these load from the system, and the models. Digests and licences are named where they are
known. Run it in the root of a checkout, after scripts/deps.sh --only-runtime; it calls cargo, but builds nothing.

    python3 tools/deploy/sbom.py [FOLDER] > sbom.cdx.json

FOLDER is that of ONNX Runtime, if it is another than .deps/onnxruntime.

It ends with an error if a crate links or compiles C or C++ that native.py does not name, or if the folder has a library
that it does not name.
"""

import json
import pathlib
import re
import subprocess
import sys
import tomllib

import native


def crates():
    checksums = {
        (package["name"], package["version"]): package.get("checksum")
        for package in tomllib.loads(pathlib.Path("Cargo.lock").read_text())["package"]
    }
    tree = subprocess.run(
        ["cargo", "tree", "--locked", "--package", "padan", "--edges", "normal,build", "--prefix", "none",
         "--format", "{p}\t{l}"],
        check=True, capture_output=True, text=True,
    ).stdout
    for line in sorted(set(line.removesuffix(" (*)") for line in tree.splitlines())):
        package, licence = line.split("\t")
        name, version = package.split()[:2]
        yield component(
            "library", name, version.removeprefix("v"), licence.replace("/", " OR "),
            checksums.get((name, version.removeprefix("v"))),
            f"pkg:cargo/{name}@{version.removeprefix('v')}",
        )


def runtime():
    """ONNX Runtime, as scripts/deps.sh pins it for each platform."""
    text = pathlib.Path("scripts/deps.sh").read_text()
    for name, version, digest in re.findall(
        r"runtime=([\w-]+)==([\d.]+)\n.*\n\s*runtime_sha256=([0-9a-f]{64})", text
    ):
        # This wheel contains OpenVINO and oneTBB, which native.py lists by themselves.
        licence = "MIT AND Apache-2.0" if name.endswith("openvino") else "MIT"
        yield component("library", name, version, licence, digest, f"pkg:pypi/{name}@{version}")


def models():
    for file in sorted(pathlib.Path("models").glob("*.toml")):
        manifest = tomllib.loads(file.read_text())
        if "export" not in manifest:
            continue
        for export in manifest["export"]:
            yield component(
                "machine-learning-model", manifest["name"], export["file"], manifest["licence"], export["sha256"],
                f"pkg:generic/{export['file']}?checksum=sha256:{export['sha256']}",
            )


def native_parts():
    """C and C++: compiled into crates, in the folder of ONNX Runtime, and loaded from the system."""
    for part in [*native.in_crates(), *native.in_folder(folder)]:
        purl = f"pkg:generic/{part.name}@{part.version}"
        yield component("library", part.name, part.version, part.licence, None, purl) | {
            "description": part.description,
            "properties": [{"name": "padan:part", "value": value} for value in part.parts],
        }
    for name in native.from_system(folder):
        yield {
            "type": "library", "bom-ref": f"system:{name}", "name": name,
            "description": "Loaded from the operating system, which supplies it and its version.",
        }


def component(kind, name, version, licence, sha256, purl):
    found = {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if licence:
        found["licenses"] = [{"expression": licence}]
    if sha256:
        found["hashes"] = [{"alg": "SHA-256", "content": sha256}]
    return found


folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else native.RUNTIME_FOLDER
version = tomllib.loads(pathlib.Path("Cargo.toml").read_text())["workspace"]["package"]["version"]
parts = list({part["bom-ref"]: part for part in [*crates(), *native_parts(), *runtime(), *models()]}.values())
own = next(part for part in parts if part["name"] == "padan")
parts.remove(own)
json.dump(
    {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {**own, "type": "application"}},
        "components": parts,
    },
    sys.stdout,
    indent=1,
)
print()
