"""The C and C++ that Padan contains or loads, for sbom.py: which there is, and its versions, read from the parts
themselves. What it does not know is an error, so that a new part cannot be left out of the SBOM."""

import dataclasses
import json
import pathlib
import re
import subprocess

RUNTIME_FOLDER = pathlib.Path(".deps/onnxruntime")


@dataclasses.dataclass
class Part:
    name: str
    version: str
    licence: str
    description: str
    # Crates or files in which it is.
    parts: list


class Unknown(Exception):
    """A part that has no entry here. Its message says what to add."""


def cmake_version(folder):
    text = (folder / "libjpeg-turbo/CMakeLists.txt").read_text()
    return re.search(r"^set\(VERSION ([\d.]+)\)", text, re.MULTILINE)[1]


# Crates that compile or link C or C++: the part's name, licence, and the function that reads its version from the
# crate's folder, where it has one of its own.
CRATES = {
    "turbojpeg-sys": ("libjpeg-turbo", "IJG AND BSD-3-Clause AND Zlib", cmake_version),
    "ring": ("boringssl-in-ring", "Apache-2.0 AND ISC", None),
}
# Crates that name a library in `links` or have a build script, and contain no C or C++.
WITHOUT_NATIVE_CODE = {
    # Reserves its name, so that a program has one thread pool.
    "rayon-core",
    # With the feature load-dynamic it links nothing: the library is in the folder of ONNX Runtime.
    "ort-sys",
}
# Build dependencies with which a crate compiles C or C++.
COMPILERS = {"bindgen", "cc", "cmake", "nasm-rs", "pkg-config", "vcpkg"}

# Libraries in the folder of ONNX Runtime: the form of the file's name, the part, its licence, and where in the file's
# bytes its version is.
LIBRARIES = [
    (r"libonnxruntime(_providers_\w+)?\.so(\.[\d.]+)?", "onnxruntime", "MIT", None),
    (r"libopenvino(_\w+)?\.so(\.\d+)?", "openvino", "Apache-2.0", rb"\0(20\d\d\.\d+\.\d+)\0"),
    (r"libtbb\w*\.so(\.\d+)?", "onetbb", "Apache-2.0", rb"oneTBB: VERSION\s+([\d.]+)"),
]


def in_crates():
    """The C and C++ in the crates of the program, by cargo's metadata."""
    tree = cargo("tree", "--package", "padan", "--edges", "normal,build", "--prefix", "none", "--format", "{p}")
    used = {tuple(line.removesuffix(" (*)").replace(" v", " ").split()[:2]) for line in tree.splitlines()}
    metadata = json.loads(cargo("metadata", "--format-version", "1", "--filter-platform", host()))
    compiling = {node["id"] for node in metadata["resolve"]["nodes"] if compiles(node)}
    packages = [package for package in metadata["packages"] if (package["name"], package["version"]) in used]
    return [part for package in packages if (part := in_crate(package, package["id"] in compiling))]


def compiles(node):
    """Whether the build script of a node of cargo's metadata can call a compiler of C."""
    return any(
        kind["kind"] == "build" and dependency["name"].replace("_", "-") in COMPILERS
        for dependency in node["deps"]
        for kind in dependency["dep_kinds"]
    )


def in_crate(package, compiles_native_code):
    """The C or C++ in one package of cargo's metadata; None if it has none."""
    name = package["name"]
    if name in CRATES:
        part, licence, version = CRATES[name]
        folder = pathlib.Path(package["manifest_path"]).parent
        found = version(folder) if version else package["version"]
        return Part(part, found, licence, f"Compiled into the program by the crate {name}.", [f"crate {name}"])
    if (package["links"] or compiles_native_code) and name not in WITHOUT_NATIVE_CODE:
        raise Unknown(f"the crate {name} links or compiles C or C++: name what it contains in tools/deploy/native.py")
    return None


def in_folder(folder):
    """The parts in the folder of ONNX Runtime, with the files of each."""
    files = sorted(file for file in folder.glob("lib*.so*") if not file.is_symlink())
    if not files:
        raise Unknown(f"{folder} has no library: run scripts/deps.sh --only-runtime")
    found = {}
    for file in files:
        part, licence, pattern = library(file.name)
        versions = set(re.findall(pattern, file.read_bytes())) if pattern else set()
        entry = found.setdefault(part, (licence, set(), []))
        entry[1].update(version.decode() for version in versions)
        entry[1].update(re.findall(r"^libonnxruntime\.so\.([\d.]+)$", file.name))
        entry[2].append(file.name)
    parts = []
    for part, (licence, versions, names) in found.items():
        if len(versions) != 1:
            raise Unknown(f"{part} in {folder} has the versions {sorted(versions)}: see tools/deploy/native.py")
        parts.append(Part(part, versions.pop(), licence, "Loaded when the program starts.", names))
    return parts


def library(name):
    for form, *rest in LIBRARIES:
        if re.fullmatch(form, name):
            return rest
    raise Unknown(f"the library {name} has no part in tools/deploy/native.py")


def from_system(folder):
    """What the libraries in the folder load that is not in it."""
    files = [file for file in folder.glob("lib*.so*") if not file.is_symlink()]
    needed = subprocess.run(["readelf", "--dynamic", *files], check=True, capture_output=True, text=True).stdout
    names = set(re.findall(r"\(NEEDED\).*\[(.+)\]", needed))
    return sorted(names - {file.name for file in folder.iterdir()})


def host():
    version = subprocess.run(["rustc", "--version", "--verbose"], check=True, capture_output=True, text=True).stdout
    return re.search(r"^host: (.+)$", version, re.MULTILINE)[1]


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments, "--locked"], check=True, capture_output=True, text=True).stdout
