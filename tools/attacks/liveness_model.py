"""Writes a liveness set that takes every face for an attack.

    liveness_model.py FOLDER

The network is the mean of its input times zero, plus logits of which the second, that of living persons, is the lowest.
"""

import hashlib
import pathlib
import struct
import sys

LENGTH_DELIMITED, FLOATS = 2, 1
MANIFEST = """version = 1
name = "suspicious"
title = "Takes every face for an attack"
task = "liveness"
licence = "Apache-2.0"
licence_note = "None."
origin = "tools/attacks/liveness_model.py"
[input]
name = "input"
width = 80
height = 80
colour = "bgr"
mean = [0, 0, 0]
std = [1, 1, 1]
[liveness]
family = "minifasnet"
output = "logits"
scale = 2.7
[liveness.set]
with = []
moderate_from = 0.3
high_from = 0.7
[[export]]
file = "suspicious.onnx"
sha256 = "{digest}"
"""


def varint(value):
    encoded = b""
    while value >= 0x80:
        encoded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return encoded + bytes([value])


def field(number, data):
    """A field of a protobuf message: bytes, a text or a number."""
    if isinstance(data, int):
        return varint(number << 3) + varint(data)
    data = data.encode() if isinstance(data, str) else data
    return varint(number << 3 | LENGTH_DELIMITED) + varint(len(data)) + data


def node(operator, inputs, output):
    return field(1, b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, operator))


def tensor(name, sizes, values):
    sizes = b"".join(field(1, size) for size in sizes)
    return field(5, sizes + field(2, FLOATS) + field(8, name) + field(9, struct.pack(f"<{len(values)}f", *values)))


def value(place, name, sizes):
    sizes = b"".join(field(1, field(1, size)) for size in sizes)
    return field(place, field(1, name) + field(2, field(1, field(1, FLOATS) + field(2, sizes))))


def network():
    graph = b"".join([
        node("GlobalAveragePool", ["input"], "means"),
        node("Flatten", ["means"], "flat"),
        node("Gemm", ["flat", "weights", "offsets"], "logits"),
        field(2, "suspicious"),
        tensor("weights", [3, 3], [0.0] * 9),
        tensor("offsets", [3], [5.0, -5.0, 0.0]),
        value(11, "input", [1, 3, 80, 80]),
        value(12, "logits", [1, 3]),
    ])
    # Version 7 of the format, version 13 of the operators.
    return field(1, 7) + field(7, graph) + field(8, field(2, 13))


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir()
    model = network()
    (folder / "suspicious.onnx").write_bytes(model)
    digest = hashlib.sha256(model).hexdigest()
    (folder / "suspicious.toml").write_text(MANIFEST.format(digest=digest), encoding="utf-8")


if __name__ == "__main__":
    main()
