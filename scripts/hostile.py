"""Measures what expensive photos take: see hostile.sh. With --write FOLDER it only writes those of the accepted ones that
take the longest.

Every photo is made here. The program is measured with a small photo without a face first, and what it takes then is
subtracted.
"""

import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import time
import tomllib
import zlib

SELFIE = "people/images/101_s1.jpg"
# Seconds of processor time for one photo. A reading takes part of it, the search for a face the rest.
MAX_SECONDS = 2.5


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def repeated(piece, times, level=9):
    packer = zlib.compressobj(level)
    return b"".join([packer.compress(piece) for _ in range(times)] + [packer.flush()])


def png(width, height, depth, colours, others=()):
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colours]
    row = bytes(1 + width * channels * depth // 8)
    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    pixels = chunk(b"IDAT", repeated(row, height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(others) + pixels + chunk(b"IEND", b"")


def inflating(kind, head, gigabytes):
    mebibyte = bytes(1 << 20)
    return chunk(kind, head + repeated(mebibyte, gigabytes << 10))


def segment(marker, content):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def tables(codes):
    """A Huffman table of up to 8 symbols, with codes of 3 bits."""
    return bytes([0, 0, len(codes)]) + bytes(13) + bytes(codes)


def frame(marker, width, height, sampling):
    components = b"".join(
        bytes([number + 1, sides, 0]) for number, sides in enumerate(sampling)
    )
    content = struct.pack(">BHHB", 8, height, width, len(sampling)) + components
    return segment(0xDB, bytes([0]) + bytes([1] * 64)) + segment(marker, content)


def bytes_of(bits):
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")


def baseline(width, height, megabytes):
    """Blocks of noise, as many bits as fill a file of this size."""
    # Symbols of the tables: sizes of differences; runs and sizes of coefficients.
    dc = tables([0, 3, 4])
    ac = tables([0x00, 0x01, 0x02, 0x11, 0xF0])
    groups = -(-width // 16) * -(-height // 16)
    bits_a_block = megabytes * 8e6 / (groups * 6)
    source = random.Random(18)

    def block(difference):
        bits = "001" + (f"{difference:03b}" if difference > 0 else f"{7 + difference:03b}")
        coefficients = 0
        while len(bits) + 3 < bits_a_block and coefficients < 62:
            bits += "010" + f"{source.choice([0, 1, 2, 3]):02b}"
            coefficients += 1
        return bits + "000"

    # Differences that cancel out, and other blocks from group to group.
    made = ["".join(block(sign * (4 + number % 4)) for sign in (1, -1) * 3) for number in range(64)]
    scan = bytes([3, 1, 0, 2, 0, 3, 0, 0, 63, 0])
    rows = [made[source.randrange(64)] for _ in range(-(-width // 16))]
    line = "".join(rows)
    data = bytes_of(line * 8)
    assert len(line) * 8 % 8 == 0
    count, rest = divmod(-(-height // 16), 8)
    entropy = data * count + (bytes_of(line * rest) if rest else b"")
    return (
        b"\xff\xd8" + frame(0xC0, width, height, [0x22, 0x11, 0x11])
        + segment(0xC4, bytes([0x00]) + dc) + segment(0xC4, bytes([0x10]) + ac)
        + segment(0xDA, scan) + entropy + b"\xff\xd9"
    )


def progressive(width, height, scans):
    """A first scan, and scans of coefficients that are all zero: each says so for 32,767 blocks at a time."""
    blocks = -(-width // 8) * -(-height // 8)
    out = b"\xff\xd8" + frame(0xC2, width, height, [0x11])
    out += segment(0xC4, bytes([0x00]) + tables([0])) + segment(0xC4, bytes([0x10]) + tables([0xE0]))
    out += segment(0xDA, bytes([1, 1, 0, 0, 0, 0])) + bytes_of("000" * blocks)
    runs = -(-blocks // 32767)
    bits = "".join("000" + f"{min(32767, blocks - run * 32767) - 16384:014b}" for run in range(runs - 1))
    left = blocks - (runs - 1) * 32767
    # The last run is shorter: it takes single blocks where it is below 16,384.
    if left >= 16384:
        bits += "000" + f"{left - 16384:014b}"
        table = b""
    else:
        size = left.bit_length() - 1
        table = segment(0xC4, bytes([0x10]) + tables([0xE0, size << 4]))
        bits += "001" + (f"{left - (1 << size):0{size}b}" if size else "")
    data = bytes_of(bits)
    out += table
    # Every coefficient, first without its lowest bit and then with it.
    bands = (scans - 1) // 2
    edges = [1 + 63 * band // bands for band in range(bands + 1)]
    for bits_so_far in (0x01, 0x10):
        for first, end in zip(edges, edges[1:]):
            out += segment(0xDA, bytes([1, 1, 0, first, end - 1, bits_so_far])) + data
    return out + b"\xff\xd9"


def measure(padan, photo):
    began = time.monotonic()
    process = subprocess.Popen(
        [padan, "compare", SELFIE, str(photo), "--no-gates"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said = process.stdout.read().decode(errors="replace").strip().splitlines()
    _, _, usage = os.wait4(process.pid, 0)
    seconds = usage.ru_utime + usage.ru_stime
    return usage.ru_maxrss * 1024, seconds, time.monotonic() - began, said[0] if said else ""


def write(folder, photos):
    for name, make in photos.items():
        if "16 bits" in name or "progressive" in name:
            (folder / name.replace(",", "").replace(" ", "-")).write_bytes(make())


def main():
    with open("config/default.toml", "rb") as file:
        limits = tomllib.load(file)["inference"]["limits"]
    budget = limits["max_photo_bytes"]
    profile = b"profile\0\0"
    texts = {
        "PNG, iCCP of 1 GB": [inflating(b"iCCP", profile, 1)],
        "PNG, zTXt of 1 GB": [inflating(b"zTXt", b"Comment\0\0", 1)],
        "PNG, iTXt of 1 GB": [inflating(b"iTXt", b"Comment\0\1\0\0\0", 1)],
        "PNG, iCCP of 4 GB": [inflating(b"iCCP", profile, 4)],
    }
    side = int((limits["max_coded_megasamples"] * 1e6 / 8) ** 0.5) - 8
    accepted = {
        f"PNG, 16 bits with alpha, {side} x {side}": lambda: png(side, side, 16, 6),
        "JPEG, progressive, 8000 x 5000, 15 scans": lambda: progressive(8000, 5000, 15),
        "JPEG, baseline, 12000 x 9000": lambda: baseline(12000, 9000, 15),
    }
    if sys.argv[1] == "--write":
        write(pathlib.Path(sys.argv[2]), accepted)
        return
    padan = sys.argv[1]
    photos = {
        **{name: (lambda others=others: png(64, 64, 8, 2, others)) for name, others in texts.items()},
        **accepted,
        "PNG, 16 bits with alpha, 12000 x 9000": lambda: png(12000, 9000, 16, 6),
        "JPEG, progressive, 8000 x 5000, 17 scans": lambda: progressive(8000, 5000, 17),
        "JPEG, progressive, 8000 x 5000, 101 scans": lambda: progressive(8000, 5000, 101),
        "JPEG, baseline, 8160 x 6144": lambda: baseline(8160, 6144, 12),
    }
    with tempfile.TemporaryDirectory() as folder:
        # The detector makes all its passes over a photo without a face, and needs memory of its own for them.
        small_side = 1600
        small = pathlib.Path(folder) / "small"
        small.write_bytes(png(small_side, small_side, 8, 2))
        idle, base, _, _ = measure(padan, small)
        idle -= small_side * small_side * 3
    print(f"budget of a photo: {budget / 1e6:.0f} MB; the program itself: {idle / 1e6:.0f} MB, {base:.2f} s\n")
    print(f"{'photo':<44}{'file':>9}{'memory':>9}{'CPU':>8}  answer")
    exceeded = []
    with tempfile.TemporaryDirectory() as folder:
        for name, make in photos.items():
            file = pathlib.Path(folder) / "photo"
            file.write_bytes(make())
            peak, seconds, _, said = measure(padan, file)
            more, took = max(peak - idle, 0), max(seconds - base, 0)
            answer = said.rpartition(": ")[2]
            print(f"{name:<44}{file.stat().st_size / 1e6:>6.2f} MB{more / 1e6:>6.0f} MB{took:>6.2f} s  {answer}")
            if more > budget or took > MAX_SECONDS:
                exceeded.append(name)
    if exceeded:
        sys.exit("more than the settings allow: " + "; ".join(exceeded))


if __name__ == "__main__":
    main()
