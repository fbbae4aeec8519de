"""Sends the cases of a folder to a running service, and prints a table of them.

    send_cases.py FOLDER --people            the people that the service's registry must have, as CSV
    send_cases.py FOLDER --port PORT         the table; the exit status is 1 if a case is wrong

The README.md of the folder has three tables: photos, HTTP, names. What is right for a case is read from it.
`titles.txt` has one title a line. Credentials come from PADAN_LOAD_PASSWORD and PADAN_LOAD_API_KEY.
"""

import argparse
import base64
import csv
import gzip
import json
import os
import pathlib
import quopri
import re
import socket
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUDI = {"nik": "3174011403870000", "name": "Budi Santoso", "date_of_birth": "14-03-1987"}
SELFIE = ROOT / "people/images/101_s1.jpg"
FACE = "/identity/v1/face-verification"
BASIC = "/identity/v1/verification"
# From here on a percentage means that an inverted or half face passed as if it were the whole.
HIGH_PERCENTAGE = 85


def tables(readme):
    """The rows of each table, by its heading."""
    found, heading = {}, None
    for line in readme.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line[3:].strip(" /")
        elif line.startswith("|") and heading:
            found.setdefault(heading, []).append([cell.strip() for cell in line.strip("|").split("|")])
    # The first two rows are the head and the rule below it.
    return {heading: rows[2:] for heading, rows in found.items()}


def plain(cell):
    return cell.replace("`", "")


class Answer:
    def __init__(self, received):
        head, _, self.body = received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1]) if received else 0
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        self.code = headers.get("reason-code", "").upper()
        try:
            self.json = json.loads(self.body)
        except ValueError:
            self.json = None

    @property
    def percentage(self):
        return ((self.json or {}).get("result") or {}).get("face_image_percentage")

    def __str__(self):
        if not self.status:
            return "no answer"
        shown = f"{self.status} {self.code or '(no reason code)'}"
        if self.percentage:
            return f"{shown} {self.percentage}"
        return f"{shown} {self.json['reason']}" if self.json and self.status >= 400 else shown


class Service:
    def __init__(self, port):
        self.port = port
        user = base64.b64encode(f"load:{os.environ['PADAN_LOAD_PASSWORD']}".encode()).decode()
        self.credentials = f"Authorization: Basic {user}\r\nx-api-key: {os.environ['PADAN_LOAD_API_KEY']}\r\n"

    def send(self, body, headers="Content-Type: multipart/form-data; boundary=b\r\n", path=FACE, half=False, seconds=0):
        """Sends a request and returns the answer. With `seconds`, the body takes so long."""
        head = f"POST {path} HTTP/1.1\r\nHost: padan\r\nConnection: close\r\n{self.credentials}{headers}"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        received = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=120) as connection:
            try:
                connection.sendall(head.encode())
                pieces = 10 * seconds or 1
                size = -(-len(body) // pieces) or 1
                for at in range(0, len(body), size):
                    connection.sendall(body[at : at + size])
                    time.sleep(seconds / pieces)
                if half:
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # The answer may be there already.
            try:
                while chunk := connection.recv(65536):
                    received += chunk
            except OSError:
                pass
        return Answer(received)


def form(parts, line_end=b"\r\n", disposition=b'Content-Disposition: form-data; name="%s"'):
    """A form of (name, data, further headers)."""
    lines = []
    for name, data, *further in parts:
        lines += [b"--b", disposition.replace(b"%s", name.encode()), *further, b"", data]
    return line_end.join([*lines, b"--b--", b""])


def fields(**changed):
    """Budi's parts, with some of them replaced by (data, header...)."""
    parts = {name: (value.encode(),) for name, value in BUDI.items()}
    parts["face_image"] = (SELFIE.read_bytes(), b"Content-Type: image/jpeg")
    return [(name, *part) for name, part in (parts | changed).items()]


def http_case(service, sent):
    """The answer to what a row of the table of HTTP describes; None if this program has no such case."""
    whole, selfie = form(fields()), SELFIE.read_bytes()
    form_type = "Content-Type: multipart/form-data; boundary=b\r\n"
    if "folded" in sent:
        return [service.send(form(fields(), disposition=b'Content-Disposition: form-data;\r\n name="%s"'))]
    if "LF alone" in sent:
        return [service.send(form(fields(), line_end=b"\n"))]
    if "base64" in sent:
        encoded = base64.encodebytes(selfie), b"Content-Transfer-Encoding: base64"
        return [service.send(form(fields(face_image=encoded)))]
    if "quoted-printable" in sent:
        texts = {name: (quopri.encodestring(value.encode(), quotetabs=True),
                        b"Content-Transfer-Encoding: quoted-printable") for name, value in BUDI.items()}
        return [service.send(form(fields(**texts)))]
    if "UTF-16" in sent:
        name = b"\xfe\xff" + BUDI["name"].encode("utf-16-be"), b"Content-Type: text/plain; charset=utf-16"
        return [service.send(form(fields(name=name)))]
    if "gzip" in sent:
        return [service.send(gzip.compress(whole), form_type + "Content-Encoding: gzip\r\n")]
    if "boundary" in sent:
        types = ["multipart/form-data, boundary=b", "multipart/form-data"]
        return [service.send(whole, f"Content-Type: {kind}\r\n") for kind in types]
    if "110 headers" in sent:
        return [service.send(whole, form_type + "".join(f"x-mesh-{n}: 1\r\n" for n in range(110)))]
    if "sending side" in sent:
        return [service.send(whole, half=True)]
    if "over 40 s" in sent:
        filler = "filler", b"x" * 3_000_000
        return [service.send(form([filler, *fields()]), seconds=40)]
    return None


def is_right(answer, right):
    """Whether an answer is what a row calls right."""
    if "inverted" in right:
        return answer.status in (200, 400, 415) and answer.code != "FACE_MISMATCH"
    if "high percentage" in right:
        return answer.code != "VERIFIED" or answer.percentage < HIGH_PERCENTAGE
    if "told" in right:
        return answer.code == "FACE_COVERED"
    if right.startswith("4xx"):
        words = (answer.json or {}).get("reason", "")
        return 400 <= answer.status < 500 and re.search("boundary|comma|semicolon", words) is not None
    if "or JSON" in right and answer.status >= 400 and answer.json is not None:
        return True
    if "415" in right and answer.status == 415:
        return "gzip" in answer.json["reason"]
    allowed = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)*\b", right.split(";")[0]))
    if "whole image" in right:
        allowed.add("VERIFIED")
    return answer.code in allowed


def people():
    with open(ROOT / "people/people.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def photo_answer(service, photo):
    """The answer for Budi, or for the person who is most similar."""
    part = photo, b"Content-Type: image/jpeg"
    best = service.send(form(fields(face_image=part)))
    if best.code != "FACE_MISMATCH":
        return best
    for person in people():
        year, month, day = person["date_of_birth"].split("-")
        texts = {"nik": person["nik"], "name": person["name"], "date_of_birth": f"{day}-{month}-{year}"}
        texts = {name: (value.encode(),) for name, value in texts.items()}
        answer = service.send(form(fields(face_image=part, **texts)))
        if (answer.percentage or 0) > (best.percentage or 0):
            best = answer
    return best


def name_cases(rows):
    """Each (claimed, registry, right)."""
    for claimed, registry, right in rows:
        for name in plain(claimed).split("; "):
            yield name, plain(registry), right


def niks(rows):
    """The NIK of each name of the registry's in these rows."""
    names = dict.fromkeys(registry for _, registry, _ in name_cases(rows))
    return {name: f"9901010101{number:06}" for number, name in enumerate(names, 1)}


def name_answer(service, nik, name):
    return service.send(form([("nik", nik.encode()), ("name", name.encode())]), path=BASIC)


class Table:
    def __init__(self):
        self.wrong = 0
        self.count = 0

    def add(self, case, expected, got, right):
        self.count += 1
        self.wrong += not right
        print(f"| {case} | {expected} | {got} | {'right' if right else 'WRONG'} |", flush=True)


def send_titles(service, table, titles):
    shapes = {
        "one title": lambda name, title: f"{name}, {title}",
        "without blanks before": lambda name, title: f"{name},{title}",
        "blanks after the dots": lambda name, title: f"{name}, {re.sub(r'[.](?=[^ ])', '. ', title)}",
        "behind another": lambda name, title: f"{name}, {titles[0]}, {title}",
    }
    for shape, write in shapes.items():
        missed = [title for title in titles
                  if name_answer(service, BUDI["nik"], write(BUDI["name"], title)).code != "VERIFIED"]
        got = f"{len(titles) - len(missed)} of {len(titles)}"
        if missed:
            got += ", not: " + "; ".join(missed[:10])
        table.add(f"titles.txt, {shape}", "match", got, not missed)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--people", action="store_true")
    parser.add_argument("--port", type=int)
    arguments = parser.parse_args()
    found = tables(arguments.folder / "README.md")
    by_name = niks(found["Names"])
    if arguments.people:
        rows = csv.writer(sys.stdout)
        rows.writerows([nik, name, "1987-03-14", "active"] for name, nik in by_name.items())
        return 0

    service, table = Service(arguments.port), Table()
    print("| case | expected | got | |\n|---|---|---|---|")
    for file, _, _, right in found["photos"]:
        answer = photo_answer(service, (arguments.folder / "photos" / file).read_bytes())
        table.add(file, right, answer, is_right(answer, right))
    for sent, _, right in found["HTTP"]:
        answers = http_case(service, plain(sent))
        if answers is None:
            table.add(sent, right, "send_cases.py has no such case", False)
        for answer in answers or []:
            table.add(sent, right, answer, is_right(answer, right))
    for name, registry, right in name_cases(found["Names"]):
        answer = name_answer(service, by_name[registry], name)
        # A rule that a site turns on decides.
        expected = {"VERIFIED", "NAME_MISMATCH"} if "where" in right else {"NAME_MISMATCH"}
        if right.startswith("match") and "where" not in right:
            expected = {"VERIFIED"}
        table.add(f"`{name}` for `{registry}`", right, answer, answer.code in expected)
    titles = arguments.folder / "titles.txt"
    if titles.is_file():
        send_titles(service, table, titles.read_text(encoding="utf-8").split("\n")[:-1])
    print(f"\n{table.wrong} of {table.count} cases are wrong")
    return 1 if table.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
