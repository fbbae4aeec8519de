"""Clients of the sandbox: what their credentials are worth to somebody else."""

import attacked_site as site
from administration import add, faults, refused, settled

REAL = ("3273064211940000", "Maria Goretti Wulandari", "02-11-1994")
UNKNOWN_NIK = "3273064211940009"
TEST_PERSON = {"nik": "0000000000000001", "name": "Siti Contoh", "date_of_birth": "17-08-1990"}


def told(fields, path, auth):
    """Status, reason code and body of an answer without its times and identifiers."""
    answer = site.send(site.form(fields), path=path, auth=auth)
    return answer.status, answer.code, answer.body.replace(fields["nik"].encode(), b"NIK")


def real_people_through_the_sandbox():
    """A sandbox client asks about somebody in the registry and about nobody, on both endpoints."""
    auth = add("sandboxed", "--sandbox")
    settled(auth, "NIK_NOT_FOUND")
    nik, name, born = REAL
    differing, faces = [], {"face_image": site.SELFIE}
    for path, photo in ((site.BASIC, {}), (site.FACE, faces)):
        asked = {"name": name, "date_of_birth": born, **photo}
        seen = {told({"nik": number, **asked}, path, auth) for number in (nik, UNKNOWN_NIK)}
        if len(seen) != 1 or {code for _, code, _ in seen} != {"NIK_NOT_FOUND"}:
            differing.append(path)
    rows = site.sql(
        site.STORE_URL,
        "SELECT count(*), count(person_key) FROM store.audit_event WHERE client = 'sandboxed' AND kind = 'request'",
    )[0]
    traced = site.padan("audit", "export", "--nik", "-", stdin=nik + "\n")
    named = traced.stdout.count("sandboxed")
    site.padan("client", "remove", "sandboxed", "--yes")
    count, with_person = map(int, rows.split("|"))
    held = not differing and count >= 4 and with_person == 0 and traced.returncode == 0 and named == 0
    return held, f"told apart on: {', '.join(differing) or 'none'}; of {count} rows, with a person: {with_person}, found by the NIK: {named}"


def test_people_for_a_real_client():
    """A real client asks for the test people, who are always verified in the sandbox."""
    auth = site.credentials(*site.OTHER_CLIENT)
    codes = {told(TEST_PERSON, site.BASIC, auth)[1], told({**TEST_PERSON, "face_image": site.SELFIE}, site.FACE, auth)[1]}
    return codes == {"NIK_NOT_FOUND"}, f"answers: {', '.join(sorted(codes))}"


def a_sandbox_client_made_real():
    """The operator's role, and then the owner of the table, take the flag off a client."""
    auth = add("promoted", "--sandbox")
    settled(auth, "NIK_NOT_FOUND")
    flip = "UPDATE store.client SET sandbox = false WHERE name = 'promoted'"
    by_role = {role: refused(flip, role) for role in ("padan_service", "padan_auditor", "padan_operator")}
    # A trigger refuses it to the owner too, who can go around triggers.
    site.sql(site.STORE_URL, f"SET session_replication_role = replica; {flip}")
    seen = settled(auth, "UNAUTHORIZED")
    status, said = faults()
    site.padan("client", "remove", "promoted", "--yes")
    held = all(by_role.values()) and seen == "UNAUTHORIZED" and status == 1 and "client promoted" in said
    allowed = [role for role, was in by_role.items() if not was]
    return held, f"roles that may: {', '.join(allowed) or 'none'}; changed by the owner: {seen}, verify: {said[:60].strip()}"


ATTACKS = [
    ("sandbox: real people through a sandbox client", real_people_through_the_sandbox),
    ("sandbox: test people for a real client", test_people_for_a_real_client),
    ("sandbox: a sandbox client becomes a real one", a_sandbox_client_made_real),
]
