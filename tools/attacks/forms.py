"""Requests that are not what they seem: framing, parts, JSON, and the endpoints that ask no registry."""

import base64
import gzip
import json
import re
import time

import attacked_site as site

HIDDEN = b"GET /of-nobody HTTP/1.1\r\nHost: padan\r\n\r\n"
# What the settings of the site allow: http.body_limit_bytes.
BODY_LIMIT = 16 * 1024 * 1024


def received(sent, quiet=8):
    """All bytes that come back on one connection, until it is closed or nothing comes for a while."""
    back = b""
    with site.connect(timeout=quiet) as connection:
        try:
            connection.sendall(sent)
            while chunk := connection.recv(65536):
                back += chunk
        except OSError:
            pass
    return back


def statuses_of(sent):
    """The status of each answer to these bytes."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received(sent, quiet=1))]


def framed(headers, body, line=b"POST /identity/v1/verification HTTP/1.1"):
    return line + b"\r\nHost: padan\r\n" + headers + b"\r\n\r\n" + body


def smuggled():
    """Bodies whose length two readers may see differently, with a request inside."""
    chunked_end, length = b"0\r\n\r\n" + HIDDEN, b"Content-Length: %d" % len(b"0\r\n\r\n" + HIDDEN)
    heads = {
        "length and chunks": length + b"\r\nTransfer-Encoding: chunked",
        "chunks and length": b"Transfer-Encoding: chunked\r\n" + length,
        "two lengths": b"Content-Length: 0\r\n" + length,
        "a list of lengths": b"Content-Length: 0, %d" % len(chunked_end),
        "a signed length": b"Content-Length: +0",
        "a length in hexadecimal": b"Content-Length: 0x0",
        "an empty length": b"Content-Length: ",
        "chunks and others": b"Transfer-Encoding: chunked, identity",
        "others and chunks": b"Transfer-Encoding: xchunked",
        "a quoted coding": b'Transfer-Encoding: "chunked"',
        "two codings": b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "a blank before the colon": b"Transfer-Encoding : chunked",
        "a tab before the coding": b"Transfer-Encoding:\tchunked\r\n" + length,
        "a vertical tab": b"Transfer-Encoding: \x0bchunked\r\n" + length,
        "a folded line": b"Transfer-Encoding:\r\n chunked\r\n" + length,
        "a bare line feed": b"X: 1\nTransfer-Encoding: chunked\r\n" + length,
        "a bare carriage return": b"X: 1\rTransfer-Encoding: chunked\r\n" + length,
        "a NUL": b"X: 1\x00\r\n" + length,
    }
    chunks = {
        "a size beyond 64 bits": b"10000000000000000\r\n" + chunked_end,
        "a negative size": b"-1\r\n" + chunked_end,
        "a size with a prefix": b"0x0\r\n\r\n" + HIDDEN,
        "a line feed in an extension": b"0;a=\nb\r\n\r\n" + HIDDEN,
        "a chunk without its end": b"1\r\nab0\r\n\r\n" + HIDDEN,
    }
    sent = {name: framed(head, chunked_end) for name, head in heads.items()}
    sent |= {name: framed(b"Transfer-Encoding: chunked", body) for name, body in chunks.items()}
    sent["HTTP/1.0 with chunks"] = framed(
        b"Connection: keep-alive\r\nTransfer-Encoding: chunked", chunked_end, b"POST /identity/v1/verification HTTP/1.0"
    )
    if statuses_of(framed(b"Content-Length: 3", b"abc" + HIDDEN)) != [401, 404]:
        return False, "a second request on a connection is not answered, so that nothing can be seen"
    # One answer, to all of the bytes, or none.
    led = [name for name, bytes_ in sent.items() if len(statuses_of(bytes_)) > 1]
    return not led, f"of {len(sent)} bodies, those whose inside was answered: {', '.join(led) or 'none'}"


def many_meanings():
    """Forms that two readers may read differently: a field twice, in another part, under another spelling."""
    name, other = site.BUDI["name"].encode(), b"Maria Goretti Wulandari"
    part = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    number = site.BUDI["nik"].encode()
    nik = part % (b"nik", number)
    end = b"--b--\r\n"
    both = {
        "a part twice": nik + part % (b"name", other) + part % (b"name", name) + end,
        "two names of a part": nik + part % (b'x"; name="name', name) + part % (b"name", other) + end,
        "a part in a part": nik + b'--b\r\nContent-Disposition: form-data; name="name"\r\n'
        b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n%s\r\n--c--\r\n" % name + end,
        "a member twice": b'{"nik":"%s","name":"%s","name":"%s"}' % (number, other, name),
        "a member twice, once escaped": b'{"nik":"%s","name":"%s","n\\u0061me":"%s"}' % (number, other, name),
        "a member in an array": b'[{"nik":"%s","name":"%s"}]' % (number, name),
        "two objects": b'{"nik":"%s"}{"name":"%s"}' % (number, name),
    }
    answers = {what: site.send(body, path=site.BASIC).body.replace(b" ", b"") for what, body in both.items()}
    judged = [what for what, body in answers.items() if b'"name":true' in body]
    return not judged, f"of {len(both)} forms, those judged by a value that not all see: {', '.join(judged) or 'none'}"


def resident():
    with open(f"/proc/{site.PROCESS}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1]) / 1024


def is_well():
    answer = site.send(site.form({"nik": site.BUDI["nik"]}), path=site.BASIC, auth=site.credentials(*site.OTHER_CLIENT))
    return answer.status == 200, answer


def json_sent(body, extra):
    """The status of the answer, 0 if there is none, to a body in JSON with further lines of the head."""
    head = f"Connection: close\r\nContent-Type: application/json\r\n{extra}Content-Length: {len(body)}\r\n"
    sent = framed((head + site.credentials()).strip().encode(), body, f"POST {site.FACE} HTTP/1.1".encode())
    return site.Answer(received(sent)).status


def deep_and_large():
    """JSON and gzip that take much more stack, memory or time than their bytes."""
    photo = base64.b64encode(site.SELFIE).decode()
    deep = 1_000_000
    bodies = {
        "arrays": b'{"x":' + b"[" * deep + b"]" * deep + b"}",
        "objects": b'{"x":' + b'{"":' * deep + b"1" + b"}" * (deep + 1),
        "arrays as a field": b'{"nik":' + b"[" * deep,
        "members": b"{" + b",".join(b'"%x":1' % number for number in range(900_000)) + b"}",
        "a long number": b'{"x":' + b"9" * 8_000_000 + b"}",
        "an exponent": b'{"x":1e' + b"9" * 8_000_000 + b"}",
        "escapes": json.dumps({**site.BUDI, "face_image": photo}).replace("/", "\\u002f").encode(),
        "base64 of nothing": b'{"face_image":"' + b"\\n" * 4_000_000 + b'"}',
        "a photo in a text": json.dumps({"nik": photo * 20}).encode(),
    }
    before, slowest, wrong = resident(), 0, []
    for what, body in bodies.items():
        for compressed in (False, True):
            sent, extra = (gzip.compress(body, 1), "Content-Encoding: gzip\r\n") if compressed else (body, "")
            began = time.monotonic()
            status = json_sent(sent, extra)
            slowest = max(slowest, time.monotonic() - began)
            if not 200 <= status < 500:
                wrong.append(what)
    bomb = gzip.compress(gzip.compress(b" " * (256 << 20), 9), 9)
    for extra in ("gzip", "gzip, gzip"):
        if not 400 <= json_sent(bomb, f"Content-Encoding: {extra}\r\n") < 500:
            wrong.append(f"{extra}, which grows")
    well, answer = is_well()
    grown = resident() - before
    held = well and not wrong and slowest < 5 and grown < 300
    seen = f"slowest {slowest:.1f} s; memory +{grown:.0f} MB; another client: {answer}"
    return held, f"wrong: {', '.join(wrong) or 'none'}; {seen}"


def announced_and_not_sent():
    """Large bodies that are announced, and of which no byte is sent, against another client."""
    headers = f"{site.credentials()}Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {BODY_LIMIT}"
    held = []
    for _ in range(40):
        connection = site.connect()
        connection.sendall(framed(headers.encode(), b""))
        held.append(connection)
    time.sleep(0.5)
    wells = [is_well() for _ in range(20)]
    for connection in held:
        connection.close()
    refused = [str(answer) for well, answer in wells if not well]
    seen = f"while 40 bodies of 16 MiB are awaited, another client got {20 - len(refused)} of 20 answers"
    return not refused, seen + (f", else {refused[0]}" if refused else "")


def around_the_limits():
    """Endpoints without a registry, to get around the limits of failed faces or to learn of a person."""
    for _ in range(11):
        site.send(site.face_form(site.OTHER_FACE))
    before = site.sql(site.STORE_URL, "SELECT count(*) FROM store.audit_event WHERE endpoint = 'face-match'")[0]
    pair = {"captured_image": site.OTHER_FACE, "stored_image": site.SELFIE}
    plain = site.send(site.form(pair), path=site.MATCH)
    named = site.send(site.form({**site.BUDI, **pair}), path=site.MATCH)
    limited = site.send(site.face_form(site.OTHER_FACE))
    rows = site.sql(
        site.STORE_URL,
        "SELECT count(*), count(person_key) FROM store.audit_event WHERE endpoint = 'face-match'",
    )[0]
    held = plain.status == named.status == 200 and plain.body == named.body and limited.status == 429
    held &= rows == f"{int(before) + 2}|0"
    return held, f"with a NIK as without: {plain.body == named.body}; rows, and with a person: {rows}; then: {limited}"


def liveness_without_a_set():
    """Whether the path is unknown to everybody, with and without credentials."""
    seen = {
        str(site.send(site.form({"image": site.SELFIE}), path=site.LIVENESS, auth=auth))
        for auth in (site.credentials(), site.credentials(key="0" * 32), "")
    }
    return seen == {"404 NOT_FOUND"}, f"answers: {', '.join(sorted(seen))}"


def forged_log():
    """Bytes of a request that could begin a line of the log or change a terminal."""
    marker = "forged-4711"
    line = f'%0a{{"level":"ERROR","message":"{marker}"}}'
    for sent in (
        framed(b"X: 1", b"", f"GET /{line} HTTP/1.1".encode()),
        framed(f"User-Agent: {marker}\x1b[31m\r\nx-request-id: a\x1b]0;{marker}".encode(), b"", b"GET / HTTP/1.1"),
        framed(f"x-request-id: {marker}\r\ntraceparent: 00-{marker}".encode(), b"", b"GET / HTTP/1.1"),
        framed(b"X: 1", b"", f"{marker} / HTTP/1.1".encode()),
        framed(site.credentials(user=f"{marker}\n{{").strip().encode() + b"\r\nContent-Length: 0", b""),
        framed(b"X-Forwarded-For: " + marker.encode(), b"", b"GET / HTTP/1.1"),
    ):
        received(sent, quiet=1)
    time.sleep(0.3)
    lines = site.LOG.read_text(encoding="utf-8", errors="replace").splitlines()
    odd = [text for text in lines if not text.startswith("{") or "\x1b" in text]
    forged = [text for text in lines if json.loads(text).get("message") == marker] if not odd else odd
    return not forged, f"{len(lines)} lines of the log, of which are no lines of Padan: {len(forged)}"


def cardinality():
    """Names of a caller's choice, each of which could become a series of the metrics."""
    def series():
        with site.socket.create_connection(("127.0.0.1", site.ADMIN_PORT), timeout=10) as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: padan\r\nConnection: close\r\n\r\n")
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        return {line.split(b" ")[0] for line in received.splitlines() if line and not line.startswith(b"#")}

    def round_of(names):
        for name in names:
            received(framed(b"Connection: close", b"", f"GET /{name} HTTP/1.1".encode()))
            received(framed(b"Connection: close", b"", f"M{name} /{name} HTTP/1.1".encode()))
            site.send(b"", auth=site.credentials(user=name))
            site.send(site.form({"nik": site.BUDI["nik"], name: "x"}), path=site.BASIC)
            site.send(b"{}", path=f"{site.MATCH}?{name}", extra=f"Accept-Language: {name}\r\n")

    round_of(["first"])
    before = series()
    round_of([f"n{number}" for number in range(100)])
    new = series() - before
    return not new, f"series after 500 requests: {len(before)} and {len(new)} more"


ATTACKS = [
    ("forms: a request within a body", smuggled),
    ("forms: values that only one reader sees", many_meanings),
    ("forms: deep, long and compressed bodies", deep_and_large),
    ("forms: bodies that are announced and not sent", announced_and_not_sent),
    ("forms: a match instead of a verification", around_the_limits),
    ("forms: liveness where there is none", liveness_without_a_set),
    ("forms: lines in the log", forged_log),
    ("forms: names as series of the metrics", cardinality),
]
