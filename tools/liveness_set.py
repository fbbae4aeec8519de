"""Makes a tiny liveness set, for scripts that need one.

    liveness_set.py FOLDER WEIGHT OFFSET

FOLDER, which is made, gets the set `tiny`. Its logit for living persons is WEIGHT times the mean of blue, 0 to 255, plus
OFFSET; the others are 0. With the weight 0.1 and the offset -12.8 it takes blue photos for living persons; with 0 and -9 it
takes everybody for an attack.
"""

import hashlib
import pathlib
import struct
import sys


def field(number, data):
    """A field of a protobuf message that has a length: a message, a text or packed numbers."""
    data = data.encode() if isinstance(data, str) else data
    length, encoded = len(data), bytearray([number << 3 | 2])
    while length >= 0x80:
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    encoded.append(length)
    return bytes(encoded) + data


def number(place, value):
    return bytes([place << 3, value])


def node(operator, inputs, output):
    return field(1, b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, operator))


def tensor(name, sizes, values):
    data = struct.pack(f"<{len(values)}f", *values)
    return field(5, b"".join(number(1, size) for size in sizes) + number(2, 1) + field(8, name) + field(9, data))


def value(place, name, sizes):
    shape = b"".join(field(1, number(1, size)) for size in sizes)
    return field(place, field(1, name) + field(2, field(1, number(1, 1) + field(2, shape))))


def network(weight, offset):
    """An ONNX network of 80x80 pixels that gives three logits, the one for living persons by the mean of blue."""
    graph = (
        node("GlobalAveragePool", ["input"], "means")
        + node("Flatten", ["means"], "flat")
        + node("Gemm", ["flat", "weights", "offsets"], "logits")
        + field(2, "tiny")
        + tensor("weights", [3, 3], [0, weight, 0, 0, 0, 0, 0, 0, 0])
        + tensor("offsets", [3], [0, offset, 0])
        + value(11, "input", [1, 3, 80, 80])
        + value(12, "logits", [1, 3])
    )
    return number(1, 7) + field(7, graph) + field(8, number(2, 13))


def manifest(model):
    return f"""version = 1
name = "tiny"
title = "Tiny"
task = "liveness"
licence = "Apache-2.0"
licence_note = "None."
origin = "tools/liveness_set.py"
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
file = "tiny.onnx"
sha256 = "{hashlib.sha256(model).hexdigest()}"
"""


def main():
    folder, weight, offset = pathlib.Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    folder.mkdir()
    model = network(weight, offset)
    (folder / "tiny.onnx").write_bytes(model)
    (folder / "tiny.toml").write_text(manifest(model))


if __name__ == "__main__":
    main()
