"""Administration: an insider with a role in the database changes clients, or what operators decide, without a trace."""

import hashlib
import json
import time

import attacked_site as site

WAIT_S = 15


def add(name, *rules):
    """Adds a client and returns its credentials."""
    done = site.padan("client", "add", name, "--json", *rules)
    secrets = json.loads(done.stdout)
    return site.credentials(secrets["username"], secrets["password"], secrets["api_key"])


def reason(auth):
    return site.send(site.form({**site.BUDI}), path=site.BASIC, auth=auth).code


def settled(auth, wanted):
    """The reason code once it is the wanted one, or the last one."""
    until = time.monotonic() + WAIT_S
    while (seen := reason(auth)) != wanted and time.monotonic() < until:
        time.sleep(0.3)
    return seen


def refused(statements, role):
    try:
        site.sql(site.STORE_URL, statements, role=role)
    except RuntimeError:
        return True
    return False


def faults():
    done = site.padan("audit", "verify")
    return done.returncode, done.stdout


def sha256(secret):
    return f"'\\x{hashlib.sha256(secret.encode()).hexdigest()}'"


def a_client_changed_by_sql():
    """Each role gives an existing client secrets that the intruder knows, and lifts its rules."""
    own = add("changed", "--network", "192.0.2.0/24")
    settled(own, "FORBIDDEN")
    known = site.credentials("changed", "known", "to-all")
    change = (
        f"UPDATE store.client SET password_sha256 = {sha256('known')}, api_key_sha256 = {sha256('to-all')}, "
        "allowed_networks = '{}' WHERE name = 'changed'"
    )
    by_role = {role: refused(change, role) for role in ("padan_service", "padan_auditor", "padan_operator")}
    time.sleep(6)
    seen = reason(known)
    status, said = faults()
    again = site.padan("client", "set", "changed", "--no-rate")
    site.padan("client", "remove", "changed", "--yes")
    held = by_role["padan_service"] and by_role["padan_auditor"] and seen == "UNAUTHORIZED"
    held = held and status == 1 and "client changed" in said and again.returncode != 0
    return held, f"the database refuses the service and the auditor; changed by the operator: {seen}, verify: {said[:60].strip()}"


def a_client_added_by_sql():
    """The operator's role adds a client, with the signature of another one."""
    add("signed")
    site.sql(
        site.STORE_URL,
        "INSERT INTO store.client (name, username, password_sha256, api_key_sha256, key_id, mac) "
        f"SELECT 'added', 'added', {sha256('known')}, {sha256('to-all')}, key_id, mac FROM store.client "
        "WHERE name = 'signed'",
        role="padan_operator",
    )
    time.sleep(6)
    seen = reason(site.credentials("added", "known", "to-all"))
    status, said = faults()
    for name in ("added", "signed"):
        site.padan("client", "remove", name, "--yes")
    return seen == "UNAUTHORIZED" and status == 1, f"{seen}, verify: {said[:70].strip()}"


def an_older_row_restored():
    """The operator's role puts back the row of a client that was disabled since."""
    own = add("disabled")
    settled(own, "VERIFIED")
    columns = "disabled, changed_at, key_id, mac"
    row = site.sql(
        site.STORE_URL,
        f"SELECT string_agg(format('%s = %L', key, value), ', ') FROM store.client, "
        f"LATERAL jsonb_each_text(to_jsonb(client)) WHERE name = 'disabled' AND key = ANY('{{{columns}}}')",
    )[0]
    site.padan("client", "disable", "disabled", "--yes")
    settled(own, "FORBIDDEN")
    site.sql(site.STORE_URL, f"UPDATE store.client SET {row} WHERE name = 'disabled'", role="padan_operator")
    seen = settled(own, "UNAUTHORIZED")
    status, said = faults()
    site.padan("client", "remove", "disabled", "--yes")
    return seen == "UNAUTHORIZED" and status == 1, f"{seen}, verify: {said[:90].strip()}"


def a_change_without_its_row():
    """Commands run while the database refuses their rows."""
    add("untouched")
    state = "SELECT client::text FROM store.client UNION ALL SELECT active_model::text FROM store.active_model"
    before = site.sql(site.STORE_URL, state)
    site.sql(
        site.STORE_URL,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.kind = 'admin' THEN RAISE 'refused'; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON store.audit_event FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    commands = [
        ["client", "add", "more"], ["client", "disable", "untouched", "--yes"], ["client", "rotate", "untouched", "--yes"],
        ["client", "set", "untouched", "--no-rate"], ["client", "remove", "untouched", "--yes"], ["client", "sign", "untouched"],
        ["models", "activate", "sface", "--force", "--yes"], ["templates", "prune", "--yes"], ["keys", "rotate"], ["audit", "export"],
        ["audit", "prune", "--older-than", "24months", "--yes"], ["person", "forget", "--nik", site.BUDI["nik"], "--yes"],
    ]
    outcomes = [site.padan(*command) for command in commands]
    site.sql(site.STORE_URL, "DROP FUNCTION refuse CASCADE")
    after = site.sql(site.STORE_URL, state)
    done = [" ".join(command) for command, outcome in zip(commands, outcomes) if outcome.returncode == 0 or outcome.stdout]
    site.padan("client", "remove", "untouched", "--yes")
    return not done and before == after, f"of {len(commands)} commands, {len(done)} did something: {', '.join(done) or 'none'}"


def a_row_of_an_act_removed():
    """The operator deletes or changes the row of an act of their own."""
    add("traced")
    row = "kind = 'admin' AND client = 'traced'"
    statements = [
        f"DELETE FROM store.audit_event WHERE {row}",
        f"UPDATE store.audit_event SET fields = '{{}}' WHERE {row}",
        f"UPDATE store.audit_event SET kind = 'request' WHERE {row}",
    ]
    done = [statement for statement in statements if not refused(statement, "padan_operator")]
    # The owner of the tables can do it, and it shows.
    site.sql(site.STORE_URL, "CREATE TABLE public.kept AS SELECT * FROM store.audit_event WHERE " + row)
    site.sql(site.STORE_URL, statements[0])
    status, said = faults()
    site.sql(site.STORE_URL, "INSERT INTO store.audit_event SELECT * FROM public.kept; DROP TABLE public.kept")
    site.padan("client", "remove", "traced", "--yes")
    return not done and status == 1, f"refused to the operator; deleted by the owner, verify: {said[:60].strip()}"


ATTACKS = [
    ("administration: a client's row is changed by SQL", a_client_changed_by_sql),
    ("administration: a client is added by SQL", a_client_added_by_sql),
    ("administration: an older row of a client is restored", an_older_row_restored),
    ("administration: a change without its row", a_change_without_its_row),
    ("administration: the row of an act is removed", a_row_of_an_act_removed),
]
