"""The attacked site: a running service, its databases and its program. attacks.sh starts it."""

import base64
import os
import pathlib
import socket
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUDI = {"nik": "3174011403870000", "name": "Budi Santoso", "date_of_birth": "14-03-1987"}
SELFIE = (ROOT / "people/images/101_s1.jpg").read_bytes()
OTHER_FACE = (ROOT / "people/images/110_s1.jpg").read_bytes()
FACE = "/identity/v1/face-verification"
MATCH = "/face/v1/match"
LIVENESS = "/face/v1/passive-liveness"
BASIC = "/identity/v1/verification"

PADAN = os.environ["PADAN"]
CONFIG = os.environ["PADAN_ATTACKED_CONFIG"]
PORT = int(os.environ["PADAN_ATTACKED_PORT"])
ADMIN_PORT = 18490
PROCESS = int(os.environ["PADAN_ATTACKED_PROCESS"])
LOG = pathlib.Path(os.environ["PADAN_ATTACKED_LOG"])
REGISTRY_URL = os.environ["PADAN_ATTACKED_REGISTRY"]
STORE_URL = os.environ["PADAN_ATTACKED_STORE"]
PASSWORD = os.environ["PADAN_LOAD_PASSWORD"]
API_KEY = os.environ["PADAN_LOAD_API_KEY"]
OTHER_CLIENT = ("other", os.environ["PADAN_OTHER_PASSWORD"], os.environ["PADAN_OTHER_API_KEY"])


class Answer:
    """An HTTP answer. The status is 0 if the connection was closed without one."""

    def __init__(self, received):
        head, _, self.body = received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1]) if received else 0
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        self.code = headers.get("reason-code", "").upper()
        self.length = int(headers.get("content-length", 0))

    def __str__(self):
        return f"{self.status} {self.code}".strip() if self.status else "closed"


def credentials(user="load", password=PASSWORD, key=API_KEY):
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    return f"Authorization: Basic {basic}\r\nx-api-key: {key}\r\n"


def form(fields):
    """A multipart form with the boundary `b`. Bytes are files."""
    parts = []
    for name, value in fields.items():
        is_file = isinstance(value, bytes)
        extra = b'; filename="a.jpg"\r\nContent-Type: image/jpeg' if is_file else b""
        data = value if is_file else value.encode()
        parts += [b"--b", b'Content-Disposition: form-data; name="%s"%s' % (name.encode(), extra), b"", data]
    return b"\r\n".join([*parts, b"--b--", b""])


def face_form(photo=SELFIE, **changed):
    return form({**BUDI, **changed, "face_image": photo})


def request(body, path=FACE, auth=None, extra="", is_json=None):
    """The bytes of a request. A body that looks like JSON is announced as such."""
    is_json = body.startswith((b"{", b"[")) if is_json is None else is_json
    media_type = "application/json" if is_json else "multipart/form-data; boundary=b"
    head = f"POST {path} HTTP/1.1\r\nHost: padan\r\n{credentials() if auth is None else auth}{extra}"
    head += f"Content-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def connect(timeout=60, port=PORT):
    return socket.create_connection(("127.0.0.1", port), timeout=timeout)


def read_answer(connection):
    """Reads one answer of a connection that stays open."""
    received = b""
    try:
        while b"\r\n\r\n" not in received:
            chunk = connection.recv(65536)
            if not chunk:
                return Answer(received)
            received += chunk
        answer = Answer(received)
        while len(answer.body) < answer.length:
            chunk = connection.recv(65536)
            if not chunk:
                break
            answer.body += chunk
    except OSError:
        return Answer(b"")
    return answer


def send(body, port=PORT, **how):
    with connect(port=port) as connection:
        connection.sendall(request(body, **how))
        return read_answer(connection)


def sql(url, statements, role=None):
    """Runs statements as the owner of the database or in a role, and returns the lines of the result."""
    preamble = f"SET ROLE {role};\n" if role else ""
    done = subprocess.run(
        ["psql", "--quiet", "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1", url],
        input=preamble + statements, text=True, capture_output=True, check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[0])
    return done.stdout.splitlines()


def padan(*words, config=True, stdin=None, cwd=None, env=None):
    """Runs a command of the program."""
    settings = ["--config", CONFIG] if config else []
    return subprocess.run(
        [PADAN, *words, *settings], input=stdin, text=True, capture_output=True, check=False, timeout=120,
        cwd=cwd, env=env,
    )
