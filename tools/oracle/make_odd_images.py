"""Creates the unusual image files with which decoding is tested, all from one rendered selfie.

    python tools/oracle/make_odd_images.py [--people people] [--out crates/inference/tests/fixtures/odd]

Writes the files and index.json, which has a description and the expected result of each file ("decodes",
"unreadable", "too_large"). For a file that decodes it also has the upright size, and the mean RGB of each cell of a 4x4
grid over the upright picture (rows from the top, cells from the left) with its tolerance. The means come from the
pixels that the file was made from. The script fails if Pillow reads other pixels from the file.
"""

import argparse
import io
import json
import struct
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, PngImagePlugin

from pipeline import decode, to_rgb

REPOSITORY = Path(__file__).resolve().parents[2]
SELFIE = "114_s1"
GRID = 4
TOLERANCE = 3.0

EXIF_ORIENTATION = 0x0112

# The maximum size of an unpacked comment. Pillow reads the picture with the text bomb only if this size is allowed.
TEXT_BOMB = 32 << 20
PngImagePlugin.MAX_TEXT_CHUNK = TEXT_BOMB
# One of the files has a damaged EXIF block, about which Pillow warns.
warnings.filterwarnings("ignore", message="Corrupt EXIF")

# The operation that turns the upright picture into the stored one, by EXIF orientation.
STORED_BY_ORIENTATION = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


# JPEG


def jpeg(image, **options):
    """A Pillow image as JPEG bytes."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **{"quality": 85, "subsampling": "4:2:0", **options})
    return buffer.getvalue()


def jpeg_sampled(image, factor):
    """A JPEG with a sampling factor that only OpenCV writes."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, 85, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor]
    return cv2.imencode(".jpg", np.asarray(image)[:, :, ::-1], flags)[1].tobytes()


def segments(data):
    """The marker segments before the first scan: (marker, offset of the marker, length with the marker)."""
    at = 2
    while data[at + 1] != 0xDA:
        length = 2 + struct.unpack_from(">H", data, at + 2)[0]
        yield data[at + 1], at, length
        at += length
    yield 0xDA, at, 2 + struct.unpack_from(">H", data, at + 2)[0]


def segment(data, marker):
    """Offset and length of the first segment with this marker."""
    return next((at, length) for found, at, length in segments(data) if found == marker)


def app1(payload):
    return b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload


def with_segments(data, *added):
    """The JPEG with segments inserted directly after SOI."""
    return data[:2] + b"".join(added) + data[2:]


def exif(orientation, order=">", thumbnail=b""):
    """An EXIF block (without the APP1 header) with an orientation, and optionally a thumbnail in a second directory."""
    mark = b"MM" if order == ">" else b"II"
    first = struct.pack(order + "HHHIHxx", 1, EXIF_ORIENTATION, 3, 1, orientation)
    second_at = 8 + len(first) + 4
    if not thumbnail:
        return mark + struct.pack(order + "HI", 42, 8) + first + struct.pack(order + "I", 0)
    at = second_at + 2 + 2 * 12 + 4
    second = struct.pack(order + "HHHIIHHIII", 2, 0x0201, 4, 1, at, 0x0202, 4, 1, len(thumbnail), 0)
    return mark + struct.pack(order + "HI", 42, 8) + first + struct.pack(order + "I", second_at) + second + thumbnail


def exif_segment(*arguments, **options):
    return app1(b"Exif\0\0" + exif(*arguments, **options))


def cmyk(image):
    """A CMYK picture with real black. A naive conversion returns the RGB picture."""
    rgb = np.asarray(image).astype(np.float64)
    white = rgb.max(axis=2, keepdims=True)
    ink = np.where(white > 0, 255 - 255 * rgb / np.maximum(white, 1), 0)
    return Image.fromarray(np.concatenate([ink, 255 - white], axis=2).round().astype(np.uint8), "CMYK")


def ycck(image):
    """A YCCK JPEG: the four planes are written without any colour transform, then the Adobe marker is changed."""
    planes = np.asarray(cmyk(image))
    # Adobe stores the inks inverted. YCbCr is computed from 255 minus the stored value, which is the ink.
    colour = np.asarray(Image.fromarray(planes[:, :, :3]).convert("YCbCr"))
    stored = np.concatenate([colour, 255 - planes[:, :, 3:]], axis=2)
    data = bytearray(jpeg(Image.fromarray(255 - stored, "CMYK")))
    at, length = segment(data, 0xEE)
    data[at + length - 1] = 2
    return bytes(data)


def with_frame(data, precision=None, height=None, width=None, marker=None):
    """The JPEG with fields of its frame header overwritten."""
    data = bytearray(data)
    at, _ = segment(data, 0xC0)
    if precision is not None:
        data[at + 4] = precision
    if height is not None:
        struct.pack_into(">H", data, at + 5, height)
    if width is not None:
        struct.pack_into(">H", data, at + 7, width)
    if marker is not None:
        data[at + 1] = marker
    return bytes(data)


def jpeg_files(photo):
    """Name, bytes, description, expected result and upright picture of each JPEG."""
    plain = jpeg(photo)
    progressive = jpeg(photo, progressive=True)
    grey = photo.convert("L")
    thumbnail = jpeg(photo.resize((64, 80)))
    _, scan, header = list(segments(plain))[-1]
    mid_scan = scan + header + (len(plain) - scan - header) // 2

    yield "baseline", plain, "baseline, 4:2:0", "decodes", photo
    yield "progressive", progressive, "progressive", "decodes", photo
    yield "grey", jpeg(grey), "one component", "decodes", grey
    yield "cmyk", jpeg(cmyk(photo)), "CMYK as Adobe writes it, inverted", "decodes", photo
    yield "ycck", ycck(photo), "YCCK as Adobe writes it, inverted", "decodes", photo
    yield "sampling_444", jpeg(photo, subsampling="4:4:4"), "4:4:4", "decodes", photo
    yield "sampling_422", jpeg(photo, subsampling="4:2:2"), "4:2:2", "decodes", photo
    yield "sampling_440", jpeg_sampled(photo, 0x121111), "4:4:0", "decodes", photo
    yield "sampling_411", jpeg_sampled(photo, 0x411111), "4:1:1", "decodes", photo
    yield "restart", jpeg(photo, restart_marker_blocks=5), "restart markers every 5 blocks", "decodes", photo
    odd = photo.crop((0, 0, 253, 317))
    yield "odd_size", jpeg(odd), "sides that are no multiple of a block", "decodes", odd

    for orientation, transpose in STORED_BY_ORIENTATION.items():
        stored = photo if transpose is None else photo.transpose(transpose)
        data = with_segments(jpeg(stored), exif_segment(orientation))
        yield f"exif_{orientation}", data, f"EXIF orientation {orientation}", "decodes", photo
    turned = jpeg(photo.transpose(STORED_BY_ORIENTATION[6]))
    data = with_segments(turned, exif_segment(6, "<"))
    yield "exif_6_little_endian", data, "EXIF orientation 6, little-endian", "decodes", photo
    data = with_segments(turned, app1(b"http://ns.adobe.com/xap/1.0/\0<x/>"), exif_segment(6))
    yield "exif_6_after_xmp", data, "EXIF orientation 6 behind an XMP segment", "decodes", photo
    data = with_segments(turned, exif_segment(6, thumbnail=thumbnail))
    yield "exif_6_thumbnail", data, "EXIF orientation 6 with a thumbnail", "decodes", photo
    yield "exif_0", with_segments(plain, exif_segment(0)), "EXIF orientation 0: no such value", "decodes", photo
    yield "exif_9", with_segments(plain, exif_segment(9)), "EXIF orientation 9: no such value", "decodes", photo
    data = with_segments(plain, app1(b"Exif\0\0" + exif(6)[:14]))
    yield "exif_cut", data, "EXIF block that ends within its directory", "decodes", photo
    for degrees, transpose in ((90, "ROTATE_270"), (180, "ROTATE_180"), (270, "ROTATE_90")):
        stored = photo.transpose(Image.Transpose[transpose])
        yield f"turned_{degrees}", jpeg(stored), f"turned {degrees} degrees clockwise, no EXIF", "decodes", stored

    yield "truncated_50", plain[: len(plain) // 2], "cut at half its length", "unreadable", None
    yield "truncated_95", plain[: len(plain) * 95 // 100], "cut at 95 % of its length", "unreadable", None
    data = progressive[: len(progressive) * 95 // 100]
    yield "truncated_95_progressive", data, "progressive, cut at 95 % of its length", "unreadable", None
    yield "no_eoi", plain[:-2], "only the EOI marker missing", "unreadable", None
    data = with_segments(plain, exif_segment(1, thumbnail=thumbnail))[: len(plain) * 3 // 4]
    yield "truncated_thumbnail", data, "truncated, with a whole EXIF thumbnail and its EOI", "unreadable", None
    yield "trailing_bytes", plain + b"trailing bytes" * 9, "bytes behind EOI", "decodes", photo
    yield "trailing_zeros", plain + bytes(4096), "zeros behind EOI", "decodes", photo
    yield "trailing_jpeg", plain + thumbnail, "a second JPEG behind EOI, as phones write it", "decodes", photo
    yield "twelve_bit", with_frame(plain, precision=12, marker=0xC1), "12 bits a sample", "unreadable", None
    yield "lossless", with_frame(plain, marker=0xC3), "lossless process (SOF3)", "unreadable", None
    yield "zero_height", with_frame(plain, height=0), "height 0 in the header", "unreadable", None
    yield "zero_width", with_frame(plain, width=0), "width 0 in the header", "unreadable", None
    bomb = with_frame(plain, height=65500, width=65500)[:4096]
    yield "bomb", bomb, "header of 65500 x 65500, little data", "too_large", None


# PNG


def chunk(kind, payload, crc=None):
    crc = zlib.crc32(kind + payload) if crc is None else crc
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", crc)


def png_header(width, height, depth, colour, interlace=0):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)


def png_rows(pixels):
    """Rows for IDAT: each is stored as its difference from the row above (filter 2)."""
    rows = pixels.reshape(pixels.shape[0], -1)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    return np.column_stack([np.full(len(rows), 2, np.uint8), rows - above]).tobytes()


def png(pixels, colour, depth=8, before=b"", interlaced=False, after=b""):
    """A PNG of [height, width, channels], written chunk by chunk; 16-bit samples as big-endian bytes."""
    height, width = pixels.shape[:2]
    if depth == 16:
        pixels = pixels.astype(">u2").view(np.uint8).reshape(height, width, -1)
    if interlaced:
        # Adam7: first column, first row, step across, step down of each pass.
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
        rows = b"".join(png_rows(pixels[row::down, column::across]) for column, row, across, down in passes)
    else:
        rows = png_rows(pixels)
    header = png_header(width, height, depth, colour, int(interlaced))
    return header + before + chunk(b"IDAT", zlib.compress(rows, 9)) + after + chunk(b"IEND", b"")


def over_white(rgb, alpha):
    """RGB pixels with alpha (0..255) over a white background."""
    share = np.asarray(alpha, np.float64)[:, :, None] / 255
    return Image.fromarray((rgb * share + 255 * (1 - share)).round().astype(np.uint8))


def png_files(photo):
    """Name, bytes, description, expected result and upright picture of each PNG."""
    rgb = np.asarray(photo)
    grey_image = photo.convert("L")
    grey = np.asarray(grey_image)[:, :, None]
    height, width = rgb.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    alpha = (255 * (1.6 - 2 * np.hypot((x - width / 2) / width, (y - height / 2) / height))).clip(0, 255)
    alpha = alpha.astype(np.uint8)
    rgba = np.dstack([rgb, alpha])
    wide = rgb.astype(np.uint16) * 257
    plain = png(rgb, 2)

    yield "rgb_8", plain, "RGB, 8 bits", "decodes", photo
    yield "rgb_16", png(wide, 2, 16), "RGB, 16 bits", "decodes", photo
    yield "grey_8", png(grey, 0), "grey, 8 bits", "decodes", grey_image
    yield "grey_16", png(grey.astype(np.uint16) * 257, 0, 16), "grey, 16 bits", "decodes", grey_image
    nibbles = grey[:, :, 0] // 16
    packed = (nibbles[:, ::2] * 16 + nibbles[:, 1::2])[:, :, None]
    data = png_header(width, height, 4, 0) + chunk(b"IDAT", zlib.compress(png_rows(packed), 9)) + chunk(b"IEND", b"")
    yield "grey_4", data, "grey, 4 bits", "decodes", Image.fromarray(nibbles * 17)
    yield "rgba_8", png(rgba, 6), "RGBA, 8 bits: over white", "decodes", over_white(rgb, alpha)
    data = png(rgba.astype(np.uint16) * 257, 6, 16)
    yield "rgba_16", data, "RGBA, 16 bits: over white", "decodes", over_white(rgb, alpha)
    data = png(np.dstack([grey, alpha]), 4)
    expected = over_white(np.repeat(grey, 3, axis=2), alpha)
    yield "grey_alpha_8", data, "grey and alpha, 8 bits: over white", "decodes", expected
    hidden = np.dstack([np.where(alpha[:, :, None] < 128, 0, rgb), np.where(alpha < 128, 0, 255)]).astype(np.uint8)
    expected = over_white(hidden[:, :, :3], hidden[:, :, 3])
    yield "rgba_cut_out", png(hidden, 6), "RGBA, black and transparent around the face", "decodes", expected

    indexed = photo.quantize(63, dither=Image.Dither.NONE)
    palette = np.zeros((64, 3), np.uint8)
    used = np.array(indexed.getpalette(), np.uint8).reshape(-1, 3)[:63]
    palette[: len(used)] = used
    indices = np.where(alpha < 128, 63, np.asarray(indexed))[:, :, None].astype(np.uint8)
    tables = chunk(b"PLTE", palette.tobytes())
    expected = Image.fromarray(palette[np.asarray(indexed)])
    yield "palette", png(np.asarray(indexed)[:, :, None], 3, before=tables), "palette", "decodes", expected
    tables += chunk(b"tRNS", b"\xff" * 63 + b"\0")
    expected = over_white(palette[indices[:, :, 0]], np.where(indices[:, :, 0] == 63, 0, 255))
    data = png(indices, 3, before=tables)
    yield "palette_transparent", data, "palette with tRNS: over white", "decodes", expected
    keyed = np.where(alpha[:, :, None] < 128, np.uint8([1, 2, 3]), rgb)
    expected = over_white(keyed, np.where(alpha < 128, 0, 255))
    data = png(keyed, 2, before=chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3)))
    yield "rgb_colour_key", data, "RGB with one transparent colour: over white", "decodes", expected

    yield "interlaced", png(rgb, 2, interlaced=True), "Adam7", "decodes", photo
    stored = np.asarray(photo.transpose(STORED_BY_ORIENTATION[6]))
    yield "exif_6", png(stored, 2, before=chunk(b"eXIf", exif(6))), "eXIf orientation 6", "decodes", photo
    data = png(stored, 2, after=chunk(b"eXIf", exif(6)))
    yield "exif_6_behind", data, "eXIf orientation 6 behind the pixels", "decodes", photo

    yield "truncated_50", plain[: len(plain) // 2], "cut within the pixels", "unreadable", None
    yield "no_iend", plain[:-12], "IEND missing", "unreadable", None
    short = zlib.compress(png_rows(rgb)[: -(width * 3 + 1) * 20], 9)
    data = png_header(width, height, 8, 2) + chunk(b"IDAT", short) + chunk(b"IEND", b"")
    yield "missing_rows", data, "all chunks whole, the last 20 rows missing", "unreadable", None
    packed = zlib.compress(png_rows(rgb), 9)
    data = png_header(width, height, 8, 2) + chunk(b"IDAT", packed, crc=0) + chunk(b"IEND", b"")
    yield "wrong_crc", data, "wrong CRC of the pixels' chunk", "unreadable", None
    yield "zero_width", png_header(0, 16, 8, 2) + plain[33:], "width 0 in the header", "unreadable", None
    yield "trailing_bytes", plain + b"trailing bytes" * 9, "bytes behind IEND", "decodes", photo
    data = png(rgb, 2, before=chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(TEXT_BOMB), 9)))
    yield "text_bomb", data, "a comment that unpacks to 32 MiB", "decodes", photo

    rows = zlib.compress(bytes(16000 * 2001), 9)
    data = png_header(16000, 16000, 1, 0) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    yield "bomb", data, "16000 x 16000 of one colour in 32 kB", "too_large", None
    rows = zlib.compress(bytes(100 * 2501), 9)
    data = png_header(20000, 100, 1, 0) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    yield "too_wide", data, "20000 x 100: few pixels, one side too long", "too_large", None


def cell_means(rgb):
    """The mean RGB of each cell of the grid, rows from the top. Cell i begins at pixel i * length // GRID."""
    rows, columns = ([index * length // GRID for index in range(GRID + 1)] for length in rgb.shape[:2])
    return np.array(
        [
            rgb[top:bottom, left:right].mean(axis=(0, 1))
            for top, bottom in zip(rows, rows[1:])
            for left, right in zip(columns, columns[1:])
        ]
    )


def entry(name, data, what, expected, upright):
    """The file's entry in the index. Raises when Pillow reads other pixels than the file was made from."""
    record = {"file": name, "what": what, "expected": expected}
    if upright is None:
        return record
    rgb = np.asarray(upright.convert("RGB"))
    with Image.open(io.BytesIO(data)) as image:
        read = to_rgb(image)
    difference = np.abs(cell_means(read) - cell_means(rgb)).max() if read.shape == rgb.shape else np.inf
    if difference > TOLERANCE / 2:
        raise AssertionError(f"{name}: Pillow reads {read.shape}, off by {difference}")
    means = np.round(cell_means(rgb), 1).tolist()
    return {**record, "width": rgb.shape[1], "height": rgb.shape[0], "cells": means}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=Path, default=REPOSITORY / "people")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "crates/inference/tests/fixtures/odd")
    arguments = parser.parse_args()

    selfie = Image.fromarray(decode(arguments.people / "images" / f"{SELFIE}.jpg"))
    photo = selfie.resize((256, 320), Image.Resampling.BOX)
    small = selfie.resize((128, 160), Image.Resampling.BOX)
    arguments.out.mkdir(parents=True, exist_ok=True)
    index = []
    for kind, files in (("jpg", jpeg_files(photo)), ("png", png_files(small))):
        for name, data, what, expected, upright in files:
            name = f"{name}.{kind}"
            (arguments.out / name).write_bytes(data)
            index.append(entry(name, data, what, expected, upright))
    lines = ",\n".join(" " + json.dumps(record) for record in index)
    head = f'"source": "people/images/{SELFIE}.jpg", "grid": {GRID}, "tolerance": {TOLERANCE}'
    (arguments.out / "index.json").write_text(f'{{{head}, "files": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
