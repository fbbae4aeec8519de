"""Prints the signatures of the audit trail that the tests of crates/store expect, from the description of the format.

    python3 tools/oracle/audit_signatures.py

A signature is an HMAC-SHA-256 over a purpose and fields. Each has a byte 1 and its length in 8 bytes before it; an
absent one is a byte 0 and the length 0. Numbers have 8 bytes, the most significant first. Times are microseconds since
1970. A list is its JSON text.
"""

import hashlib
import hmac
import json
import struct
from datetime import datetime, timedelta, timezone
from uuid import UUID

KEY = bytes.fromhex("0123456789abcdef" * 4)
WRITER = UUID("01999999-9999-7999-8999-999999999999").bytes
MAC = bytes(range(32))


def number(value: int) -> bytes:
    return value.to_bytes(8, "big", signed=True)


def framed(field: bytes | None) -> bytes:
    return b"\x00" + number(0) if field is None else b"\x01" + number(len(field)) + field


def sign(*fields: bytes | None) -> str:
    return hmac.new(KEY, b"".join(map(framed, fields)), hashlib.sha256).hexdigest()


def micros_of(moment: datetime) -> bytes:
    return number((moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1))


def listed(*words: str) -> bytes:
    return json.dumps(words, separators=(",", ":")).encode()


def client(purpose: bytes = b"padan client row 1") -> str:
    """The row of a client. The secrets are two hashes, and a former password."""
    secrets = hashlib.sha256(b"\x0a" * 32 + b"\x0b" * 32 + b"\x01" + b"\x0c" * 32 + b"\x00").digest()
    utc = timezone.utc
    return sign(
        purpose, b"bank", b"bank-user", secrets, micros_of(datetime(2026, 5, 1, tzinfo=utc)), None,
        b"\x00", listed("10.0.0.0/8", "2001:db8::/32"), listed(), None, listed("default", "no_kk"),
        struct.pack(">d", 2.5), number(7), number(1000), None, micros_of(datetime(2026, 3, 4, 5, 6, 7, 1, tzinfo=utc)),
        micros_of(datetime(2026, 4, 4, 5, 6, 7, 1, tzinfo=utc)),
    )


def sandbox_row() -> str:
    """The row of a request of a sandbox client, which names no person."""
    return sign(
        b"padan audit row 4", MAC, WRITER, number(7), micros_of(datetime(2026, 3, 4, 5, 6, 7, 1, tzinfo=timezone.utc)),
        b"request", b"req-1", b"bank", b"face-verification", b"VERIFIED", None, None, None, b'{"name":true}',
        struct.pack(">d", 82.04), None, None, struct.pack(">d", 27.449), b'{"name":["titles"]}',
    )


def judged_row() -> str:
    """The row of a request whose selfie was judged for liveness. It has no person and no rules of names."""
    return sign(
        b"padan audit row 6", MAC, WRITER, number(7), micros_of(datetime(2026, 3, 4, 5, 6, 7, 1, tzinfo=timezone.utc)),
        b"request", b"req-1", b"bank", b"face-verification", b"VERIFIED", None, None, None, b'{"name":true}',
        struct.pack(">d", 82.04), None, None, struct.pack(">d", 27.449), None, b"\x00", struct.pack(">d", 0.02611),
    )


def operator(version: bytes = b"padan operator row 1", *credentials: bytes | None) -> str:
    """The row of an operator. The token is a hash."""
    utc = timezone.utc
    return sign(
        version, b"rina", b"auditor", b"\x0a" * 32, micros_of(datetime(2026, 5, 1, tzinfo=utc)),
        b"\x00", micros_of(datetime(2026, 3, 4, 5, 6, 7, 1, tzinfo=utc)),
        micros_of(datetime(2026, 4, 4, 5, 6, 7, 1, tzinfo=utc)), *credentials,
    )


PASSWORD_HASH, CODE_SECRET = b"$argon2id$", b"\x0c" * 48
CREDENTIALS_CHANGED_AT = micros_of(datetime(2026, 4, 4, 5, 6, 7, 2, tzinfo=timezone.utc))


def operator_secrets_digest() -> bytes:
    """The digest of a password's hash and of an encrypted secret for one-time codes."""
    secrets = (PASSWORD_HASH, CODE_SECRET)
    return hashlib.sha256(b"".join(b"\x01" + hashlib.sha256(secret).digest() for secret in secrets)).digest()


def operator_who_signs_in() -> str:
    """The same row with a password, and a secret for one-time codes."""
    return operator(b"padan operator row 3", operator_secrets_digest(), b"01234567", CREDENTIALS_CHANGED_AT)


def operator_who_signs_in_before_0032() -> str:
    """The same row as releases before migration 0032 signed it."""
    return operator(b"padan operator row 2", PASSWORD_HASH, CODE_SECRET, b"01234567", CREDENTIALS_CHANGED_AT)


def operator_session() -> str:
    """The session of an operator."""
    began, expires = (micros_of(datetime(2026, 3, 4, hour, tzinfo=timezone.utc)) for hour in (5, 17))
    return sign(b"padan operator session 1", b"\x0b" * 32, b"rina", began, expires)


def operator_session_through_provider() -> str:
    """The session of somebody whom a provider knows."""
    began, expires = (micros_of(datetime(2026, 3, 4, hour, tzinfo=timezone.utc)) for hour in (5, 17))
    said = (b"https://id.bank.example", b"f47ac10b", b"Rina", b"auditor")
    return sign(b"padan operator session 2", b"\x0b" * 32, b"oidc:f47ac10b", began, expires, *said)


def main() -> None:
    head = (WRITER, number(7), MAC)
    pruned_at = datetime(2026, 3, 4, 5, 6, 7, 1, tzinfo=timezone.utc)
    print("anchor of older releases:", sign(b"padan audit anchor 1", *head))
    print("anchor:", sign(b"padan audit anchor 2", *head, b"2024-01", micros_of(pruned_at)))
    print("end:", sign(b"padan audit end 1", *head))
    print("client:", client())
    print("client of the sandbox:", client(b"padan client row 2"))
    print("row of a sandbox client:", sandbox_row())
    print("row with a score:", judged_row())
    print("operator:", operator())
    print("secrets of an operator who signs in:", operator_secrets_digest().hex())
    print("operator who signs in:", operator_who_signs_in())
    print("operator who signs in, before migration 0032:", operator_who_signs_in_before_0032())
    print("session of an operator:", operator_session())
    print("session through a provider:", operator_session_through_provider())


if __name__ == "__main__":
    main()
