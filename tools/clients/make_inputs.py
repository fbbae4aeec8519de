"""Makes what scripts/clients.sh sends beside the sample people's photos.

    make_inputs.py FOLDER    FOLDER gets photos for each fault
"""

import io
import pathlib
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
        # The tiny liveness set of clients.sh takes blue photos for living persons.
        "blue.jpg": jpeg(with_blue(selfie, 220)),
        "half_blue.jpg": jpeg(with_blue(selfie, 112)),
        "not_blue.jpg": jpeg(with_blue(selfie, 0)),
    }


def with_blue(selfie, blue):
    red, green, old = selfie.split()
    return Image.merge("RGB", (red, green, old.point(lambda value: value // 8 + blue)))


def sandbox_photos(folder):
    """A grey photo of each size that stands for an answer of the sandbox, and 64x100, which stands for none."""
    for height in range(100, 200):
        Image.new("L", (64, height), 128).save(folder / f"64x{height}.png")


def main():
    folder = pathlib.Path(sys.argv[1])
    sandbox_photos(folder)
    for name, photo in faulty_photos().items():
        (folder / name).write_bytes(photo)


if __name__ == "__main__":
    main()
