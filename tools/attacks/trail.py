"""The audit trail: an insider with a role in the database hides what was asked."""

import pathlib
import tempfile

import attacked_site as site


def ask(times):
    for _ in range(times):
        site.send(site.form({**site.BUDI, "name": "Budi Santosa"}), path=site.BASIC)


def head_of(row):
    """A file with the head of a chain, as it was kept outside the database."""
    writer, sequence, mac = row[:3]
    file = pathlib.Path(tempfile.mkdtemp(), "heads")
    file.write_text(f"audit head writer={writer} sequence={sequence} mac={mac[2:]}\n")
    return file


def last_line(done):
    return (done.stderr.strip().splitlines() or [""])[-1][:60]


def verified(*words):
    done = site.padan("audit", "verify", *words)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return done.returncode == 0, (lines[0] if lines else "")[:90]


def anchored_by_a_copied_row():
    """The service's role copies a row of today into 2020. The operator prunes; then the rows before it are deleted."""
    ask(5)
    writer, sequence, mac, key_id = site.sql(
        site.STORE_URL,
        "SELECT writer, sequence, mac, key_id FROM store.audit_event WHERE kind = 'request' ORDER BY at DESC OFFSET 1 LIMIT 1",
    )[0].split("|")
    kept = head_of((writer, sequence, mac))
    try:
        site.sql(
            site.STORE_URL,
            "SELECT store.ensure_audit_month('2020-02-03T00:00:00Z');"
            "INSERT INTO store.audit_event (at, writer, sequence, kind, client, endpoint, reason, fields, milliseconds, "
            f"key_id, mac) VALUES ('2020-02-03T00:00:00Z', '{writer}', {sequence}, 'request', 'load', 'verification', "
            f"'VERIFIED', '{{}}', 1, '{key_id}', "
            f"'\\{mac[1:]}');",
            role="padan_service",
        )
    except RuntimeError as error:
        return True, f"the database refused: {error}"[:110]
    pruned = site.padan("audit", "prune", "--older-than", "24months", "--yes")
    gone = site.sql(
        site.STORE_URL,
        f"WITH gone AS (DELETE FROM store.audit_event WHERE writer = '{writer}' AND sequence <= {sequence} RETURNING 1) "
        "SELECT count(*) FROM gone",
    )[0]
    fine, said = verified("--heads", str(kept))
    return not fine, f"prune exits with {pruned.returncode} {last_line(pruned)}; {gone} rows deleted; verify: {said}"


def row_about(nik, name):
    """Asks about somebody of whom no other attack asks, and returns the condition of its row and the person's key."""
    # Guesses may have used up the trials of the first client.
    auth = site.credentials(*site.OTHER_CLIENT)
    answer = site.send(site.form({"nik": nik, "name": name}), path=site.BASIC, auth=auth)
    if answer.status != 200:
        raise RuntimeError(f"{answer} for a right name")
    newest = "SELECT writer, sequence, person_key FROM store.audit_event WHERE person_key IS NOT NULL ORDER BY at DESC LIMIT 1"
    writer, sequence, key = site.sql(site.STORE_URL, newest)[0].split("|")
    return f"writer = '{writer}' AND sequence = {sequence}", key[1:]


def forgotten_for_another():
    """The operator's role gives a victim's row the key of somebody who is then forgotten."""
    forgotten, victim = ("7371024805830000", "Cut Meutia"), ("6472052110750000", "Suparman")
    _, key_of_forgotten = row_about(*forgotten)
    row, key_of_victim = row_about(*victim)
    if key_of_forgotten == key_of_victim:
        raise RuntimeError("two persons have the same key")
    change = f"UPDATE store.audit_event SET person_key = '\\{{}}' WHERE {row}"
    try:
        site.sql(site.STORE_URL, change.format(key_of_forgotten), role="padan_operator")
    except RuntimeError as error:
        return True, f"the database refused: {error}"[:110]
    done = site.padan("person", "forget", "--nik", "-", "--yes", stdin=f"{forgotten[0]}\n")
    fine, said = verified()
    if done.returncode:
        site.sql(site.STORE_URL, change.format(key_of_victim))
    return not fine, f"forget exits with {done.returncode} {last_line(done)}; verify: {said}"


def an_older_backup():
    """The owner of the table puts back the trail as it was before a request."""
    # What was kept is the whole trail, with the tables that say where its chains end.
    tables = [name for name in site.sql(
        site.STORE_URL,
        "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'store'::regnamespace AND c.relname LIKE 'audit%' "
        "AND c.relkind IN ('r', 'p') AND NOT c.relispartition",
    )]
    site.sql(site.STORE_URL, "".join(f"CREATE TABLE public.kept_{name} AS SELECT * FROM store.{name};" for name in tables))
    row, _ = row_about("7371024805830000", "Cut Meutia")
    kept = head_of(site.sql(site.STORE_URL, f"SELECT writer, sequence, mac FROM store.audit_event WHERE {row}")[0].split("|"))
    back = "".join(
        f"CREATE TABLE public.newer_{name} AS SELECT * FROM store.{name}; DELETE FROM store.{name};"
        f"INSERT INTO store.{name} SELECT * FROM public.kept_{name};" for name in tables
    )
    forth = "".join(
        f"DELETE FROM store.{name}; INSERT INTO store.{name} SELECT * FROM public.newer_{name};"
        f"DROP TABLE public.newer_{name}, public.kept_{name};" for name in tables
    )
    site.sql(site.STORE_URL, f"BEGIN; SET session_replication_role = replica; {back} COMMIT;")
    fine, said = verified("--heads", str(kept))
    site.sql(site.STORE_URL, f"BEGIN; SET session_replication_role = replica; {forth} COMMIT;")
    return not fine, f"{len(tables)} tables restored; verify with a head that was kept: {said}"


def an_auditor_stops_others():
    """The auditor's role, without a key, makes months that nobody needs, and rows that would use up a person's trials."""
    nik, name = "7371024805830000", "Cut Meutia"
    row, _ = row_about(nik, name)
    refused = []
    for statement in (
        "DO $$ BEGIN FOR i IN 0..200 LOOP PERFORM store.ensure_audit_month('2100-01-15'::timestamptz + make_interval(months => i)); "
        "END LOOP; END $$",
        "INSERT INTO store.audit_event (at, writer, sequence, kind, client, person_key, person_salt, person_seal, person_key_id, "
        "endpoint, reason, fields, percentage, contract_id, milliseconds, key_id, mac) SELECT at, writer, sequence + n, kind, client, "
        "person_key, person_salt, person_seal, person_key_id, endpoint, reason, fields, 1, repeat('0', 64), milliseconds, key_id, mac "
        f"FROM store.audit_event, generate_series(1000, 1050) AS n WHERE {row}",
    ):
        try:
            site.sql(site.STORE_URL, statement, role="padan_auditor")
        except RuntimeError as error:
            refused.append(str(error).removeprefix("ERROR:").strip()[:50])
    answer = site.send(site.form({"nik": nik, "name": name}), path=site.BASIC, auth=site.credentials(*site.OTHER_CLIENT))
    return len(refused) == 2 and answer.status == 200, f"refused: {'; '.join(refused) or 'nothing'}; then: {answer}"


ATTACKS = [
    ("trail: an older backup hides a request", an_older_backup),
    ("trail: an auditor's role stops others", an_auditor_stops_others),
    ("trail: forgetting somebody hides another's row", forgotten_for_another),
    ("trail: prune anchors a row copied into 2020", anchored_by_a_copied_row),
]
