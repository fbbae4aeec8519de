"""Clients that call the service while it suffers."""

import asyncio
import base64
import itertools
import os
import pathlib
import re
import time
import zlib

from site_under_test import BUDI, PORT

ROOT = pathlib.Path(__file__).resolve().parents[2]
FACE, BASIC = "/identity/v1/face-verification", "/identity/v1/verification"
# Each request has an id of its own.
NUMBERS = itertools.count(1)


def form(nik=BUDI, name="Budi Santoso", photo=None):
    """A multipart form with the boundary `b`."""
    fields = {"nik": nik.encode(), "name": name.encode(), "date_of_birth": b"14-03-1987"}
    parts = [b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s' % (k.encode(), v) for k, v in fields.items()]
    if photo:
        parts.append(b'--b\r\nContent-Disposition: form-data; name="face_image"; filename="a"\r\n\r\n' + photo)
    return b"\r\n".join([*parts, b"--b--", b""])


def large_photo(side, padding):
    """A grey PNG of so many pixels a side, without a face, in a file with so many further bytes."""
    chunk = lambda kind, data: len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)
    header = side.to_bytes(4) * 2 + bytes([8, 2, 0, 0, 0])
    rows = zlib.compress((b"\0" + b"\x80" * (3 * side)) * side, 1)
    further = chunk(b"paDn", os.urandom(padding))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + further + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


async def post(path, body, user="load", name=None):
    """The status of the answer and its Reason-Code; 0 if there is none."""
    basic = base64.b64encode(f"{user}:{os.environ['PADAN_LOAD_PASSWORD']}".encode()).decode()
    key = os.environ["PADAN_LOAD_API_KEY"] + ("" if user == "load" else f"-{user}")
    own_id = f"x-request-id: {name}\r\n" if name else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: padan\r\nConnection: close\r\nAuthorization: Basic {basic}\r\n"
        f"x-api-key: {key}\r\n{own_id}"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    try:
        async with asyncio.timeout(30):
            reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
            writer.write(head.encode() + body)
            received = await reader.read()
            writer.close()
            headers, _, content = received.partition(b"\r\n\r\n")
            # An answer that was cut off is none.
            if len(content) != int(re.search(rb"(?i)content-length: (\d+)", headers)[1]):
                return 0, ""
            return int(headers.split(b" ")[1]), re.search(rb"(?i)reason-code: (\w+)", headers)[1].decode()
    except (OSError, TimeoutError, TypeError, IndexError):
        return 0, ""


class Load:
    """Clients that call one after the other, each on a connection of its own."""

    def __init__(self):
        self.face = form(photo=(ROOT / "people/images/101_s1.jpg").read_bytes())
        self.basic = form()
        # Time, id and status of each request.
        self.results = []
        self.stopped = False

    async def call(self):
        while not self.stopped:
            number = next(NUMBERS)
            name = f"fault-{number}"
            path, body = (FACE, self.face) if number % 2 == 0 else (BASIC, self.basic)
            status, _ = await post(path, body, name=name)
            self.results.append((time.monotonic(), name, status))
            if not status:
                await asyncio.sleep(0.05)
