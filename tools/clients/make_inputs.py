"""Makes what scripts/clients.sh sends beside the sample people's photos.

    make_inputs.py FOLDER    FOLDER gets photos for each fault, and the folder `models` with a tiny liveness set
"""

import hashlib
import io
import pathlib
import struct
import sys

from PIL import Image, ImageFilter

IMAGES = pathlib.Path("people/images")
SELFIE = IMAGES / "101_s1.jpg"
OTHER = IMAGES / "110_s1.jpg"


def jpeg(picture):
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=95)
    return file.getvalue()


def two_faces(one, other):
    both = Image.new("RGB", (one.width + other.width, max(one.height, other.height)))
    both.paste(one, (0, 0))
    both.paste(other, (one.width, 0))
    return both


def small_face(selfie):
    far = Image.new("RGB", (216, 270), selfie.getpixel((2, 2)))
    far.paste(selfie.resize((54, 68)), (80, 100))
    return far


def faulty_photos():
    """Each photo's name and bytes."""
    selfie = Image.open(SELFIE).convert("RGB")
    middle = selfie.width // 2
    whole = SELFIE.read_bytes()
    return {
        "empty.jpg": b"",
        "gif.jpg": b"GIF89a......",
        "cut.jpg": whole[: len(whole) // 2],
        "huge.jpg": whole + bytes(17 << 20),
        "large.jpg": jpeg(selfie.resize((1600, 2000))),
        "no_face.jpg": jpeg(Image.linear_gradient("L").resize((400, 400)).convert("RGB")),
        "two_faces.jpg": jpeg(two_faces(selfie, Image.open(OTHER).convert("RGB"))),
        "small.jpg": jpeg(small_face(selfie)),
        "blurred.jpg": jpeg(selfie.filter(ImageFilter.GaussianBlur(7))),
        "dark.jpg": jpeg(selfie.point(lambda value: value * 0.08)),
        "bright.jpg": jpeg(selfie.point(lambda value: min(255, value * 2 + 120))),
        "half.jpg": jpeg(selfie.crop((middle, 0, selfie.width, selfie.height))),
        "tilted.jpg": jpeg(selfie.rotate(24, fillcolor=selfie.getpixel((2, 2)))),
        # The tiny liveness set takes blue photos for living persons.
        "blue.jpg": jpeg(with_blue(selfie, 220)),
        "half_blue.jpg": jpeg(with_blue(selfie, 112)),
        "not_blue.jpg": jpeg(with_blue(selfie, 0)),
    }


def with_blue(selfie, blue):
    red, green, old = selfie.split()
    return Image.merge("RGB", (red, green, old.point(lambda value: value // 8 + blue)))


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


def network():
    """An ONNX network of 80x80 pixels that gives three logits. The one for living persons grows with the mean of blue."""
    graph = (
        node("GlobalAveragePool", ["input"], "means")
        + node("Flatten", ["means"], "flat")
        + node("Gemm", ["flat", "weights", "offsets"], "logits")
        + field(2, "tiny")
        + tensor("weights", [3, 3], [0, 0.1, 0, 0, 0, 0, 0, 0, 0])
        + tensor("offsets", [3], [0, -12.8, 0])
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
origin = "tools/clients/make_inputs.py"
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


def sandbox_photos(folder):
    """A grey photo of each size that stands for an answer of the sandbox, and 64x100, which stands for none."""
    for height in range(100, 200):
        Image.new("L", (64, height), 128).save(folder / f"64x{height}.png")


def main():
    folder = pathlib.Path(sys.argv[1])
    sandbox_photos(folder)
    for name, photo in faulty_photos().items():
        (folder / name).write_bytes(photo)
    models = folder / "models"
    models.mkdir()
    model = network()
    (models / "tiny.onnx").write_bytes(model)
    (models / "tiny.toml").write_text(manifest(model))


if __name__ == "__main__":
    main()
