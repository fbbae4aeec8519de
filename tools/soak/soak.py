"""Compares answers under load with those to the same requests alone.

    soak.py VERIFICATIONS [--callers N] [--seconds-between-faults N]

Each kind of request (person, photo, spelling of the name, client, endpoint, form or JSON) is sent alone first. Then all
kinds are sent in random order by many callers at once, while every few seconds all connections of a database are cut.
An answer must be that of the same request alone, byte for byte, or 503 or 429. Prints the numbers, and the
service's memory at the beginning and at the end. soak.sh starts the site and sets the environment (see the variables
below).
"""

import argparse
import asyncio
import base64
import collections
import csv
import json
import os
import pathlib
import random
import re
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PORT = int(os.environ["PADAN_SOAK_PORT"])
PROCESS = int(os.environ["PADAN_SOAK_PROCESS"])
DATABASES = [os.environ["PADAN_SOAK_STORE"], os.environ["PADAN_SOAK_REGISTRY"]]
# Name, password and key of each client.
CLIENTS = [line.split(":") for line in os.environ["PADAN_SOAK_CLIENTS"].split()]
SEED = 50_000
# The share of the verifications after which the memory must no longer grow, and by how much it may differ.
WARM_UP, GROWTH = 0.3, 0.1


def form(fields):
    parts = []
    for name, value in fields.items():
        is_file = isinstance(value, bytes)
        file = b'; filename="a.jpg"\r\nContent-Type: image/jpeg' if is_file else b""
        head = b'Content-Disposition: form-data; name="%s"%s' % (name.encode(), file)
        parts += [b"--b", head, b"", value if is_file else value.encode()]
    return b"\r\n".join([*parts, b"--b--", b""])


def json_body(fields):
    encoded = {key: base64.b64encode(value).decode() if isinstance(value, bytes) else value for key, value in fields.items()}
    return json.dumps(encoded).encode()


def request(client, path, body):
    user, password, key = client
    media_type = "application/json" if body.startswith(b"{") else "multipart/form-data; boundary=b"
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: padan\r\nAuthorization: Basic {basic}\r\nx-api-key: {key}\r\n"
        f"Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def kinds():
    """Every kind of request: a name and its bytes."""
    with open(ROOT / "people/people.csv", encoding="utf-8") as file:
        people = list(csv.DictReader(file))
    photos = sorted((ROOT / "people/images").glob("*_s?.jpg"))
    selfie = photos[0].read_bytes()
    damaged = {"cut": selfie[: len(selfie) // 2], "none": b"no photo", "gray": b"\x89PNG\r\n\x1a\n"}
    found = {}
    for number, person in enumerate(people):
        client = CLIENTS[number % len(CLIENTS)]
        year, month, day = person["date_of_birth"].split("-")
        fields = {"nik": person["nik"], "name": person["name"], "date_of_birth": f"{day}-{month}-{year}"}
        shown = {photo.name: photo.read_bytes() for photo in photos if random.random() < 0.4}
        for name, photo in [*shown.items(), *damaged.items()]:
            for spelling in (person["name"], person["name"].upper(), "Somebody Else"):
                write = json_body if random.random() < 0.25 else form
                body = write({**fields, "name": spelling, "face_image": photo})
                path = "/identity/v1/face-verification"
                found[f"{person['nik']} {name} {spelling}"] = request(client, path, body)
        for spelling in (person["name"], "Somebody Else"):
            body = form({**fields, "name": spelling})
            found[f"{person['nik']} basic {spelling}"] = request(client, "/identity/v1/verification", body)
        portrait = (ROOT / "people" / person["portrait"]).read_bytes()
        for name, photo in [*list(shown.items())[:2], ("none", damaged["none"])]:
            write = random.choice((form, json_body))
            body = write({"captured_image": photo, "stored_image": portrait})
            found[f"{person['nik']} match {name}"] = request(client, "/face/v1/match", body)
    unknown = {"nik": "3174011403879999", "name": "X", "date_of_birth": "14-03-1987", "face_image": selfie}
    found["unknown"] = request(CLIENTS[0], "/identity/v1/face-verification", form(unknown))
    return found


class Connection:
    """A connection that is opened again after it was closed."""

    def __init__(self):
        self.reader = self.writer = None

    async def ask(self, sent):
        """The status, the reason code and the body of the answer."""
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", PORT)
        self.writer.write(sent)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(re.search(r"content-length: (\d+)", head)[1])
        body = await self.reader.readexactly(length)
        code = re.search(r"reason-code: (\S+)", head)
        if "connection: close" in head:
            self.writer.close()
            self.writer = None
        return int(head.split(" ")[1]), code and code[1], body


def resident_bytes():
    status = pathlib.Path(f"/proc/{PROCESS}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


async def cut_connections(seconds, counts):
    """Ends all connections of a database in turn, for ever."""
    cut = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    number = 0
    while True:
        await asyncio.sleep(seconds)
        database = DATABASES[number % len(DATABASES)]
        psql = await asyncio.create_subprocess_exec(
            "psql", "--quiet", "--no-align", "--tuples-only", database, "--command", cut, stdout=asyncio.subprocess.PIPE
        )
        ended, _ = await psql.communicate()
        counts["connections"] += int(ended or 0)
        number += 1
        counts["times"] = number


async def run(verifications, callers, seconds_between_faults):
    random.seed(SEED)
    requests = kinds()
    alone, connection = {}, Connection()
    for name, sent in requests.items():
        alone[name] = await connection.ask(sent)
    print(f"{len(alone)} kinds of requests, alone: {dict(collections.Counter(status for status, _, _ in alone.values()))}")

    names = random.choices(list(requests), k=verifications)
    counts, wrong, memory = collections.Counter(), [], []
    began = time.monotonic()

    async def call():
        connection = Connection()
        while names:
            name = names.pop()
            answer = await connection.ask(requests[name])
            if answer[0] in (429, 503):
                counts[f"refused {answer[0]}"] += 1
            elif answer == alone[name]:
                counts["as alone"] += 1
            else:
                wrong.append((name, alone[name], answer))
            if sum(counts.values()) % (verifications // 50 or 1) == 0:
                memory.append((1 - len(names) / verifications, resident_bytes()))

    cuts = collections.Counter()
    faults = asyncio.create_task(cut_connections(seconds_between_faults, cuts))
    await asyncio.gather(*(call() for _ in range(callers)))
    faults.cancel()
    took = time.monotonic() - began
    print(f"{verifications} verifications by {callers} callers in {took:.0f} s: {dict(counts)}, wrong: {len(wrong)}")
    print(f"connections to the databases were cut {cuts['times']} times, {cuts['connections']} in all")
    for name, expected, found in wrong[:10]:
        print(f"  {name}: alone {expected}, now {found}")
    warm = [size for share, size in memory if share >= WARM_UP]
    third = max(len(warm) // 3, 1)
    first, last = (sum(sizes) / len(sizes) for sizes in (warm[:third], warm[-third:]))
    print(f"memory after the first {WARM_UP:.0%}: {first / 1e6:.0f} MB, at the end: {last / 1e6:.0f} MB")
    refused = verifications - counts["as alone"] - len(wrong)
    if wrong or last > first * (1 + GROWTH) or refused > verifications / 10:
        print("the answers or the memory are not as they should be", file=sys.stderr)
        return 1
    return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("verifications", type=int)
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--seconds-between-faults", type=float, default=20)
    arguments = parser.parse_args()
    return asyncio.run(run(arguments.verifications, arguments.callers, arguments.seconds_between_faults))


if __name__ == "__main__":
    sys.exit(main())
