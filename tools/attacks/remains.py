"""What remains of a request: in the log, in the trail, in the memory of the process."""

import re

import attacked_site as site

NIK_IN_AN_ID = "3174-0114-0387-0000"


def nik_in_request_ids():
    ids = [
        site.BUDI["nik"], NIK_IN_AN_ID, "3174 0114 0387 0000", "3174.0114.0387.0000", "31_74_01_14_03_87_00_00",
        "order-3174011403870000-7", "3174%2D0114%2D0387%2D0000", "a3b1c7d4e0f1a1b4c0d3e8f7a0b0c0d0",
        "NIK3174x0114x0387x0000",
    ]
    for sent in ids:
        site.send(site.face_form(), extra=f"x-request-id: {sent}\r\n")
    digits = lambda text: re.sub("[^0-9]", "", text)
    recorded = site.sql(site.STORE_URL, "SELECT request_id FROM store.audit_event WHERE request_id IS NOT NULL")
    rows = [text for text in recorded if site.BUDI["nik"] in digits(text)]
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


def dump():
    """Searches the memory after a request. Keys must be in it; they are what the process works with."""
    name = "Qwertz Memorius"
    site.send(site.face_form(name=name))
    photo = site.SELFIE[len(site.SELFIE) // 2 :][:64]
    wanted = {"NIK": site.BUDI["nik"].encode(), "name": name.encode(), "photo": photo, "password": site.PASSWORD.encode()}
    found = dict.fromkeys(wanted, 0)
    for block in memory_of(site.PROCESS):
        for what, piece in wanted.items():
            found[what] += block.count(piece)
    seen = ", ".join(f"{what} {count} times" for what, count in found.items())
    # Stated, whatever it is: freed memory keeps what it had until it is used again.
    return True, f"for the machine's administrator: {seen}"


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
