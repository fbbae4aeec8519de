"""check.py PADAN_PORT PEER_PORT : verifies all sample people with both services, and exits with 1 if they answer
differently.

Percentages may differ as long as they are on the same side of the pass mark, because the services decode and align
photos differently. The largest difference is printed."""

import base64
import csv
import http.client
import json
import os
import sys
from pathlib import Path

from photos import enlarged

PEOPLE = Path(__file__).resolve().parents[2] / "people"
PATH = "/identity/v1/face-verification"
BOUNDARY = "peer-check-5d0c7a3e"


def read_rows(name):
    with open(PEOPLE / name, newline="") as file:
        return list(csv.DictReader(file))


def verify(port, form, photo, password):
    """Sends a form and returns status, reason code and body of the answer."""
    body = b"".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in form.items()
    )
    if photo is not None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="face_image"; filename="selfie"\r\n\r\n'
        body += head.encode() + photo + b"\r\n"
    credentials = base64.b64encode(f"{os.environ['PEER_USER']}:{password}".encode()).decode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", PATH, body + f"--{BOUNDARY}--\r\n".encode(), {
        "authorization": f"Basic {credentials}", "x-api-key": os.environ["PADAN_LOAD_API_KEY"],
        "content-type": f"multipart/form-data; boundary={BOUNDARY}",
    })  # fmt: skip
    answer = connection.getresponse()
    result = answer.status, answer.headers["reason-code"], json.loads(answer.read())
    connection.close()
    return result


def cases():
    """Forms with photos: each selfie as it is and enlarged to the size of a phone's photo, strangers, and invalid
    forms."""
    people = {row["nik"]: row for row in read_rows("people.csv")}

    def form(nik):
        year, month, day = people[nik]["date_of_birth"].split("-")
        return {"nik": nik, "name": people[nik]["name"], "date_of_birth": f"{day}-{month}-{year}"}

    for list_of_photos in ("selfies.csv", "strangers.csv"):
        for row in read_rows(list_of_photos):
            photo = (PEOPLE / row["file"]).read_bytes()
            yield f"{row['file']} for {row['nik']}", form(row["nik"]), photo
            yield f"{row['file']} enlarged for {row['nik']}", form(row["nik"]), enlarged(photo)
    nik = next(iter(people))
    photo = (PEOPLE / "images" / "101_s1.jpg").read_bytes()
    for wrong in (
        {"name": "Orang Lain"}, {"date_of_birth": "01-01-1970"}, {"date_of_birth": "31-02-1970"},
        {"nik": "3174011403879999"}, {"nik": "317401"}, {"name": "Orang Lain", "date_of_birth": "01-01-1970"},
        {"name": "BUDI  SANTOSO"}, {"name": "Dr. Budi Santoso, S.Kom."}, {"date_of_birth": ""},
    ):  # fmt: skip
        yield f"with {wrong}", form(nik) | wrong, photo
    yield "without a photo", form(nik), None
    yield "with half a photo", form(nik), b"\xff\xd8\xff" + bytes(1000)
    yield "with a text for a photo", form(nik), b"no photo"


def percentage_of(body):
    """Removes the percentage from an answer and returns it, if there is one."""
    return (body.get("result") or {}).pop("face_image_percentage", None)


def main():
    ports = [int(port) for port in sys.argv[1:]]
    password = os.environ["PADAN_LOAD_PASSWORD"]
    different, furthest, count, verified = 0, (0.0, "none"), 0, 0
    for name, form, photo in [*cases()]:
        answers = [verify(port, form, photo, password) for port in ports]
        shown = [percentage_of(body) for _, _, body in answers]
        # The text of status 415 may differ.
        same = answers[0] == answers[1] or [answer[0] for answer in answers] == [415, 415]
        if not same or (shown[0] is None) != (shown[1] is None):
            different += 1
            print(f"{name}: {answers[0]} {shown[0]} and {answers[1]} {shown[1]}", file=sys.stderr)
        elif shown[0] is not None:
            furthest = max(furthest, (abs(shown[0] - shown[1]), f"{shown[0]} and {shown[1]}, {name}"))
        count += 1
        verified += answers[0][1] == "VERIFIED"
    refused = [verify(port, {}, None, "wrong")[0] for port in ports]
    if refused != [401, 401]:
        different += 1
        print(f"wrong credentials: {refused}", file=sys.stderr)
    print(f"{count} forms, {verified} of them verified by Padan: {different} answered differently, "
          f"percentages at most {furthest[0]:.2f} apart ({furthest[1]})", file=sys.stderr)  # fmt: skip
    sys.exit(different > 0)


main()
