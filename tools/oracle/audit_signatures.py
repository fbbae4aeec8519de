"""Prints the signatures of the audit trail that the tests of crates/store expect, from the description of the format.

    python3 tools/oracle/audit_signatures.py

A signature is an HMAC-SHA-256 over a purpose and fields. Each has a byte 1 and its length in 8 bytes before it. Numbers
have 8 bytes, the most significant first. Times are microseconds since 1970.
"""

import hashlib
import hmac
from datetime import datetime, timedelta, timezone
from uuid import UUID

KEY = bytes.fromhex("0123456789abcdef" * 4)
WRITER = UUID("01999999-9999-7999-8999-999999999999").bytes
MAC = bytes(range(32))


def number(value: int) -> bytes:
    return value.to_bytes(8, "big", signed=True)


def sign(*fields: bytes) -> str:
    framed = b"".join(b"\x01" + number(len(field)) + field for field in fields)
    return hmac.new(KEY, framed, hashlib.sha256).hexdigest()


def main() -> None:
    head = (WRITER, number(7), MAC)
    pruned_at = datetime(2026, 3, 4, 5, 6, 7, 1, tzinfo=timezone.utc)
    micros = (pruned_at - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1)
    print("anchor of older releases:", sign(b"padan audit anchor 1", *head))
    print("anchor:", sign(b"padan audit anchor 2", *head, b"2024-01", number(micros)))
    print("end:", sign(b"padan audit end 1", *head))


if __name__ == "__main__":
    main()
