"""Connections that are held, without credentials where possible, to keep others out."""

import socket
import time

import attacked_site as site

# What the settings of the site allow: attacks.sh sets them.
HEAD_SECONDS = 5
CONNECTIONS = 400
# How much later a connection may be closed: the deadline is looked at in steps.
LATENESS = 5
HEAD = b"GET /of-nobody HTTP/1.1\r\nHost: padan\r\n"


def closed_after(connection, most):
    """Seconds until the other side closes, or None if it does not within `most` seconds."""
    began = time.monotonic()
    connection.settimeout(most)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return None
    except OSError:
        pass
    return time.monotonic() - began


def ends(connection, most=HEAD_SECONDS + LATENESS):
    after = closed_after(connection, most)
    connection.close()
    return after is not None, "still open" if after is None else f"closed after {after:.1f} s"


def after_one_answer():
    connection = site.connect()
    connection.sendall(HEAD + b"\r\n")
    site.read_answer(connection)
    return connection


def first_byte():
    connection = site.connect()
    connection.sendall(b"G")
    return ends(connection)


def second_head():
    connection = after_one_answer()
    connection.sendall(b"G")
    return ends(connection)


def third_head():
    connection = after_one_answer()
    connection.sendall(HEAD + b"\r\n")
    site.read_answer(connection)
    connection.sendall(HEAD)
    return ends(connection)


def dripping_head():
    """One byte a second, for ever."""
    connection = after_one_answer()
    began = time.monotonic()
    try:
        for byte in HEAD * 100:
            connection.sendall(bytes([byte]))
            time.sleep(0.5)
            if time.monotonic() - began > 4 * HEAD_SECONDS:
                return False, "still open"
    except OSError:
        pass
    return True, f"closed after {time.monotonic() - began:.1f} s"


def half_closed():
    connection = after_one_answer()
    connection.shutdown(socket.SHUT_WR)
    return ends(connection)


def half_closed_in_a_head():
    connection = after_one_answer()
    connection.sendall(b"GET /")
    connection.shutdown(socket.SHUT_WR)
    return ends(connection)


def pipelined_and_never_read():
    """Many requests on one connection, of which no answer is read."""
    connection = site.connect()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    began = time.monotonic()
    connection.settimeout(1)
    while time.monotonic() - began < 60:
        try:
            connection.sendall((HEAD + b"\r\n") * 100)
        except TimeoutError:
            continue
        except OSError:
            return True, f"closed after {time.monotonic() - began:.1f} s"
    return False, "still open after 60 s"


def all_connections_of_one_address():
    """Each connection that one address can get, with one byte of its second head. Then another address calls."""
    held = []
    for _ in range(2 * CONNECTIONS):
        try:
            connection = site.connect(timeout=1)
            held.append(connection)
            connection.sendall(HEAD + b"\r\n")
        except OSError:
            break
    answered = 0
    for connection in held:
        answer = site.read_answer(connection)
        if not answer.status:
            break
        answered += 1
        connection.sendall(b"G")
    began = time.monotonic()
    try:
        other = socket.create_connection(("127.0.0.1", site.PORT), timeout=2, source_address=("127.0.0.2", 0))
        other.sendall(HEAD + b"\r\n")
        answer = site.read_answer(other)
        other.close()
    except OSError:
        answer = site.Answer(b"")
    waited = time.monotonic() - began
    for connection in held:
        connection.close()
    return answer.status == 404, f"{answered} connections held; another address: {answer} after {waited:.1f} s"


def operators_head():
    """One byte of a second head to the operators' listener."""
    connection = site.connect(port=site.ADMIN_PORT)
    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: padan\r\n\r\n")
    site.read_answer(connection)
    connection.sendall(b"G")
    return ends(connection)


def all_connections_to_the_operators():
    """One address takes connections of the operators' listener, which asks for no credentials before."""
    held = [socket.create_connection(("127.0.0.1", site.ADMIN_PORT), timeout=5, source_address=("127.0.0.9", 0)) for _ in range(400)]
    time.sleep(0.5)
    still_open = 0
    for connection in held:
        connection.setblocking(False)
        try:
            still_open += connection.recv(1) != b""
        except BlockingIOError:
            still_open += 1
        except OSError:
            pass
    with site.connect(port=site.ADMIN_PORT, timeout=5) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: padan\r\n\r\n")
        other = site.read_answer(connection)
    for connection in held:
        connection.close()
    return still_open <= 128 and other.status == 200, f"{still_open} of 400 stay open; another address: {other}"


ATTACKS = [
    ("connections: one byte of the first head", first_byte),
    ("connections: one byte of the second head", second_head),
    ("connections: most of the third head", third_head),
    ("connections: a head, one byte every half second", dripping_head),
    ("connections: half closed after an answer", half_closed),
    ("connections: half closed within a head", half_closed_in_a_head),
    ("connections: answers are never read", pipelined_and_never_read),
    ("connections: all that one address can get", all_connections_of_one_address),
    ("connections: one byte to the operators' listener", operators_head),
    ("connections: all of the operators' listener", all_connections_to_the_operators),
]
