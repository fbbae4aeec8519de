"""Operators: somebody with a role in the database, another web site or a guesser gets what an operator has."""

import concurrent.futures
import hashlib
import http.client
import json
import socket
import time

import attacked_site as site

PASSWORD = "a password that nobody guesses"
SESSION = "__Host-padan-session"


class Answer:
    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text

    def json(self):
        return json.loads(self.text or "{}")

    def cookie(self):
        """The value of the cookie of a session."""
        lines = [value for name, value in self.headers if name.lower() == "set-cookie"]
        return next(line.split(";")[0].split("=", 1)[1] for line in lines if line.startswith(SESSION + "="))


def ask(method, path, body=None, headers=None, source="127.0.0.1"):
    """Calls the management interface from an address of this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", site.ADMIN_PORT, timeout=60, source_address=(source, 0))
    text = None if body is None else json.dumps(body)
    kind = {} if body is None else {"Content-Type": "application/json"}
    connection.request(method, "/admin/v1" + path, text, {**kind, **(headers or {})})
    answer = connection.getresponse()
    return Answer(answer.status, answer.getheaders(), answer.read().decode())


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def add(name, role):
    """Adds an account with a password, and returns its token."""
    token = json.loads(site.padan("operator", "add", name, "--role", role, "--json").stdout)["token"]
    done = site.padan("operator", "password", name, stdin=PASSWORD + "\n")
    assert done.returncode == 0, done.stderr
    return token


def sign_in(name, password=PASSWORD, source="127.0.0.1"):
    return ask("POST", "/session", {"name": name, "password": password}, source=source)


def remove(*names):
    for name in names:
        site.padan("operator", "remove", name, "--yes")


def by_sql(statements):
    site.sql(site.STORE_URL, statements, role="padan_operator")


def an_account_by_sql():
    """The operator's database role raises an account, and adds one with the signature of another."""
    token = add("raised", "support")
    columns = site.sql(
        site.STORE_URL,
        "SELECT string_agg(attname, ', ') FROM pg_attribute WHERE attrelid = 'store.operator'::regclass AND attnum > 0 "
        "AND NOT attisdropped AND attgenerated = '' AND attname NOT IN ('name', 'token_sha256')",
    )[0]
    known = hashlib.sha256(b"known").hexdigest()
    before = ask("GET", "/clients", headers=bearer(token)).status
    by_sql(
        "UPDATE store.operator SET role = 'operator' WHERE name = 'raised';"
        f"INSERT INTO store.operator (name, token_sha256, {columns}) "
        f"SELECT 'planted', '\\x{known}', {columns} FROM store.operator WHERE name = 'raised'"
    )
    seen = [ask("GET", "/clients", headers=bearer(secret)).status for secret in (token, "known")]
    verified = site.padan("audit", "verify")
    by_sql("DELETE FROM store.operator WHERE name IN ('raised', 'planted')")
    held = before == 403 and seen == [401, 401] and verified.returncode == 1
    return held, f"as support {before}; raised, and planted: {seen}; verify exits with {verified.returncode}"


def a_session_by_sql():
    """The operator's database role gives the row of somebody's session the digest of another token, and prolongs it."""
    add("absent", "operator")
    cookie = sign_in("absent").cookie()
    with_cookie = lambda value: ask("GET", "/session", headers={"Cookie": f"{SESSION}={value}"}).status
    before = with_cookie(cookie)
    # Of the same form, with a token of the attacker's: the HMAC at the end is of the other one.
    own = "".join("0" if digit != "0" else "1" for digit in cookie)
    mixed = own[:64] + cookie[64:]
    seen = []
    for value in (own, mixed):
        digest = hashlib.sha256(value[:64].encode()).hexdigest()
        whole = hashlib.sha256(value.encode()).hexdigest()
        for planted in (digest, whole):
            by_sql(
                "INSERT INTO store.operator_session SELECT (jsonb_populate_record(session, jsonb_build_object("
                f"'token_sha256', '\\x{planted}'))).* FROM store.operator_session AS session WHERE operator = 'absent' LIMIT 1 "
                "ON CONFLICT DO NOTHING"
            )
            seen.append(with_cookie(value))
    by_sql("UPDATE store.operator_session SET expires_at = now() + interval '10 years' WHERE operator = 'absent'")
    prolonged = with_cookie(cookie)
    remove("absent")
    held = before == 200 and set(seen) == {401} and prolonged == 401
    return held, f"with its own cookie {before}; planted: {sorted(set(seen))}; prolonged: {prolonged}"


def calls_of_another_site():
    """A page of another site lets the operator's browser send what it can."""
    add("browsing", "operator")
    signed_in = sign_in("browsing")
    cookie, right = f"{SESSION}={signed_in.cookie()}", signed_in.json()["csrf_token"]
    add_client = lambda headers: ask("POST", "/clients", {"name": "planted"}, {"Cookie": cookie, **headers}).status
    foreign = [
        {}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "0" * len(right)}, {"Origin": "https://attacker.example"},
        {"X-CSRF-Token": right, "Origin": "https://attacker.example"}, {"X-CSRF-Token": right, "Origin": "null"},
        {"X-CSRF-Token": right, "Sec-Fetch-Site": "cross-site"}, {"X-CSRF-Token": right, "Sec-Fetch-Site": "same-site"},
        {"X-CSRF-Token": right, "Host": "attacker.example", "Origin": f"http://127.0.0.1:{site.ADMIN_PORT}"},
    ]
    seen = [add_client(headers) for headers in foreign]
    read = ask("GET", "/clients", headers={"Cookie": cookie, "Sec-Fetch-Site": "cross-site"}).status
    # A form of another site signs the browser in as somebody else, so that the operator works under that name.
    connection = http.client.HTTPConnection("127.0.0.1", site.ADMIN_PORT, timeout=60)
    body = json.dumps({"name": "browsing", "password": PASSWORD})
    connection.request("POST", "/admin/v1/session", body, {"Content-Type": "text/plain"})
    form = connection.getresponse().status
    planted = site.sql(site.STORE_URL, "SELECT count(*) FROM store.client WHERE name = 'planted'")
    own = add_client({"X-CSRF-Token": right, "Sec-Fetch-Site": "same-origin"})
    site.padan("client", "remove", "planted", "--yes")
    remove("browsing")
    held = set(seen) == {403} and read == 403 and form == 400 and planted == ["0"] and own == 201
    return held, f"of {len(foreign)} calls, answered: {sorted(set(seen))}; reading {read}; a form {form}; from the console itself {own}"


def guesses_of_a_password():
    """Guesses at an account from two addresses, and who is locked out by them."""
    token = add("guessed", "operator")
    known = sign_in("guessed").status
    guess = lambda number: sign_in("guessed", f"guess {number}", f"127.0.0.{2 + number % 2}").status
    statuses = [guess(number) for number in range(60)]
    judged = statuses.count(401)
    again = sign_in("guessed").status
    add("beside", "support")
    beside = sign_in("beside").status
    by_token = ask("GET", "/clients", headers=bearer(token)).status
    rows = site.sql(
        site.STORE_URL,
        "SELECT count(*) FROM store.audit_event WHERE reason = 'OPERATOR_SIGN_IN_FAILED' AND fields LIKE '%guessed%'",
    )
    remove("guessed", "beside")
    admitted = [known, again, beside, by_token]
    held = judged <= 25 and statuses[-1] == 429 and admitted == [200] * 4 and int(rows[0]) >= judged
    return held, f"{judged} of 60 guesses were judged, with {rows[0]} rows; who signs in where it did before, and others: {admitted}"


def what_their_calls_leave():
    """What an operator sends and gets is searched for in log, trail and database."""
    site.send(site.face_form())
    token = add("searching", "auditor")
    session = sign_in("searching")
    started = ask("POST", "/audit/export-jobs", {"kind": "request", "nik": site.BUDI["nik"]}, bearer(token))
    path = f"/audit/export-jobs/{started.json().get('id')}/file"
    until = time.monotonic() + 30
    while (file := ask("GET", path, headers=bearer(token))).status != 200 and time.monotonic() < until:
        time.sleep(0.2)
    found = ask("POST", "/people/search", {"nik": site.BUDI["nik"]}, bearer(token))
    secrets = {
        "NIK": site.BUDI["nik"], "token": token, "password": PASSWORD, "cookie": session.cookie(),
        "CSRF token": session.json()["csrf_token"],
    }
    tables = ["operator", "operator_session", "audit_event", "job", "export_part"]
    rows = " UNION ALL ".join(f"SELECT row_to_json({table})::text FROM store.{table}" for table in tables)
    stored = "\n".join(site.sql(site.STORE_URL, rows))
    places = {"log": site.LOG.read_text(encoding="utf-8"), "store": stored}
    leaks = [f"{what} in the {where}" for where, text in places.items() for what, secret in secrets.items() if secret in text]
    plain = "VERIFIED" in "\n".join(site.sql(site.STORE_URL, "SELECT encode(sealed, 'escape') FROM store.export_part"))
    remove("searching")
    answers = [session.status, started.status, file.status, found.status]
    held = not leaks and not plain and answers == [200, 202, 200, 200] and "VERIFIED" in file.text and bool(found.json()["rows"])
    return held, f"found: {', '.join(leaks) or 'nothing'}; rows of an export in plain text: {plain}; answers {answers}"


def guesses_that_arrive_together():
    """Wrong passwords of an account from many addresses at the same moment, again and again."""
    add("besieged", "support")
    guesses, judged = 0, 0
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for volley in range(6):
            sources = [f"127.0.2.{16 * volley + number}" for number in range(1, 17)]
            answers = list(pool.map(lambda source: sign_in("besieged", "a guess", source).status, sources))
            guesses += len(answers)
            judged += answers.count(401)
    slow = [socket.create_connection(("127.0.0.1", site.ADMIN_PORT), timeout=10, source_address=("127.0.3.1", 0)) for _ in range(100)]
    for connection in slow:
        connection.sendall(
            b"POST /admin/v1/session HTTP/1.1\r\nHost: padan\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n{"
        )
    add("at-work", "support")
    meanwhile = sign_in("at-work", source="127.0.3.2").status
    for connection in slow:
        connection.close()
    remove("besieged", "at-work")
    held = judged <= 24 and meanwhile == 200
    return held, f"{judged} of {guesses} guesses were judged; a sign-in beside 100 slow ones: {meanwhile}"


ATTACKS = [
    ("operators: an account is added or raised by SQL", an_account_by_sql),
    ("operators: a session is planted by SQL", a_session_by_sql),
    ("operators: calls that another site makes", calls_of_another_site),
    ("operators: guesses of a password", guesses_of_a_password),
    ("operators: guesses that arrive together", guesses_that_arrive_together),
    ("operators: secrets in log, trail and exports", what_their_calls_leave),
]
