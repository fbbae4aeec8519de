"""What remains of a request: in the log, in the trail, in the memory of the process."""

import pathlib
import re
import time

import attacked_site as site

NIK_IN_AN_ID = "3174-0114-0387-0000"


def nik_in_request_ids():
    ids = [
        site.BUDI["nik"], NIK_IN_AN_ID, "3174 0114 0387 0000", "3174.0114.0387.0000", "31_74_01_14_03_87_00_00",
        "order-3174011403870000-7", "3174%2D0114%2D0387%2D0000", "a3b1c7d4e0f1a1b4c0d3e8f7a0b0c0d0",
        "NIK3174x0114x0387x0000", "MzE3NDAxMTQwMzg3MDAwMA", "b46bf1e3d9f30", "0000783041104713", "v93cpjbghc",
        "EIXFXfDns", "C0a_Hj2fMA", "33313734303131343033383730303030", "dbheabbeadihaaaa",
        "000b46bf1e3d9f300000000000000000", "000b46bf-1e3d-89f3-8000-000000000000",
    ]
    for sent in ids:
        site.send(site.face_form(), extra=f"x-request-id: {sent}\r\n")
    recorded = site.sql(site.STORE_URL, "SELECT request_id FROM store.audit_event WHERE request_id IS NOT NULL")
    rows = [sent for sent in ids if sent in recorded]
    logged = [sent for sent in ids if sent in site.LOG.read_text()]
    return not rows and not logged, f"of {len(ids)} ids with the NIK, {len(rows)} in the trail, {len(logged)} in the log"


def personal_data_in_the_log():
    site.send(site.face_form(name="Qwertz Uiopas"))
    site.send(site.form({**site.BUDI, "name": "Qwertz Uiopas"}), path=site.BASIC)
    text = site.LOG.read_text()
    found = [word for word in (site.BUDI["nik"], "Qwertz", "Uiopas", "1987-03-14", "14-03-1987") if word in text]
    return not found, f"found in the log: {', '.join(found) or 'nothing'}"


def memory_of(process):
    """The readable memory of a process, as its user's administrator can read it."""
    with open(f"/proc/{process}/maps", encoding="ascii") as maps, open(f"/proc/{process}/mem", "rb", 0) as memory:
        for line in maps:
            span, access, _, _, inode = line.split()[:5]
            if not access.startswith("rw") or inode != "0":
                continue
            begin, end = (int(side, 16) for side in span.split("-"))
            try:
                memory.seek(begin)
                yield memory.read(end - begin)
            except (OSError, OverflowError):
                continue


def keys_of_the_site():
    """The keys, as the settings have them and as bytes."""
    settings = pathlib.Path(site.CONFIG).read_text(encoding="utf-8")
    keys = [re.search(rf'{name} = "(\w+)"', settings)[1] for name in ("person_key", "template_keys", "audit_keys")]
    return [key.encode() for key in keys] + [bytes.fromhex(key) for key in keys]


def found_in_memory(wanted):
    found = dict.fromkeys(wanted, 0)
    for block in memory_of(site.PROCESS):
        for what, pieces in wanted.items():
            found[what] += sum(block.count(piece) for piece in pieces)
    return found


def dump():
    """Searches the memory after a request, and again after those of another person."""
    name = "Qwertz Memorius"
    eighths = range(1, 8)
    photo = [site.SELFIE[len(site.SELFIE) * part // 8 :][:48] for part in eighths]
    wanted = {
        "NIK": [site.BUDI["nik"].encode()], "name": [name.encode(), b"Memorius"],
        "photo (7 pieces)": photo, "password": [site.PASSWORD.encode()], "API key": [site.API_KEY.encode()],
        "3 keys": keys_of_the_site(),
    }
    site.send(site.face_form(name=name))
    time.sleep(0.5)
    after_one = found_in_memory(wanted)
    other = {"nik": "3273064211940000", "name": "Another Person"}
    for _ in range(200):
        site.send(site.face_form(photo=site.OTHER_FACE, **other))
    time.sleep(0.5)
    after_more = found_in_memory(wanted)
    seen = ", ".join(f"{what} {after_one[what]} ({after_more[what]})" for what in wanted)
    # Stated, whatever it is: freed memory keeps what it had until it is used again.
    return True, f"as root reads it, times found after a request (and 200 of another person): {seen}"


def core_file():
    """A crash must not write the memory to a file."""
    with open(f"/proc/{site.PROCESS}/limits", encoding="ascii") as limits:
        cores = next(line.split()[4:6] for line in limits if line.startswith("Max core file size"))
    return cores == ["0", "0"], f"core files may have {' and '.join(cores)} bytes (soft and hard limit)"


ATTACKS = [
    ("remains: a NIK in x-request-id", nik_in_request_ids),
    ("remains: personal data in the log", personal_data_in_the_log),
    ("remains: a core file of the service", core_file),
    ("remains: a dump of the memory after a request", dump),
]
