"""Presentation attacks: a second service has a liveness set that takes every face for an attack, and a gate that refuses
them. Whatever gets through has got around the gate."""

import base64
import concurrent.futures
import gzip
import json

import attacked_site as site

# Where attacks.sh starts the second service.
PORT = 18481
# The most failed faces of a client for a person in a quarter of an hour: verification.failed_faces.
FAILED_FACES = 10
RIZAL = {"nik": "1171012802980000", "name": "Moh. Rizal Pratama", "date_of_birth": "28-02-1998"}
CUT = {"nik": "7371024805830000", "name": "Cut Meutia", "date_of_birth": "08-05-1983"}
SUPARMAN = {"nik": "6472052110750000", "name": "Suparman", "date_of_birth": "21-10-1975"}


def photo(name):
    return (site.ROOT / "people/images" / name).read_bytes()


def turned(jpeg, orientation):
    """The photo with an EXIF orientation, which the decoder applies."""
    tiff = b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00" + bytes([orientation]) + b"\x00" * 6
    segment = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg[2:]


def send(body, **how):
    return site.send(body, port=PORT, **how)


def as_json(person, selfie):
    return json.dumps({**person, "face_image": base64.b64encode(selfie).decode()}).encode()


def chunked(body, auth):
    head = f"POST {site.FACE} HTTP/1.1\r\nHost: padan\r\n{auth}Transfer-Encoding: chunked\r\n"
    head += "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    half = len(body) // 2
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:], b""))
    with site.connect(port=PORT) as connection:
        connection.sendall(head.encode() + chunks)
        return site.read_answer(connection)


def around_the_gate():
    """The same selfie of a person in every form, encoding, orientation and company that is accepted."""
    own, other = site.credentials(), site.credentials(*site.OTHER_CLIENT)
    selfies = {
        "another selfie": photo("133_s2.jpg"),
        "the portrait itself": photo("133_id.jpg"),
        "an orientation": turned(photo("133_s1.jpg"), 1),
        "a mirrored one": turned(photo("133_s1.jpg"), 2),
        "bytes after the end": photo("133_s1.jpg") + bytes(1000),
    }
    answers = {what: send(site.form({**RIZAL, "face_image": selfie}), auth=own) for what, selfie in selfies.items()}
    selfie = photo("133_s1.jpg")
    form = site.form({**RIZAL, "face_image": selfie})
    answers |= {
        "a form": send(form, auth=other),
        "JSON": send(as_json(RIZAL, selfie), auth=other),
        "JSON in gzip": send(gzip.compress(as_json(RIZAL, selfie)), auth=other, extra="Content-Encoding: gzip\r\n", is_json=True),
        "a wrong name": send(site.form({**RIZAL, "name": "Siti Aminah", "face_image": selfie}), auth=other),
        "fields of other endpoints": send(site.form({**RIZAL, "image": selfie, "face_image": selfie}), auth=other),
        "chunks": chunked(form, other),
        "a doubled slash": send(form, path="/" + site.FACE, auth=other),
    }
    through = [f"{what}: {answer}" for what, answer in answers.items() if answer.code != "SPOOF_SUSPECTED"]
    told = [what for what, answer in answers.items() if b"percentage" in answer.body or b"result" in answer.body]
    rows = site.sql(
        site.STORE_URL,
        "SELECT count(*), count(person_key), count(spoof) FROM store.audit_event WHERE reason = 'SPOOF_SUSPECTED'",
    )[0]
    held = not through and not told and rows == "|".join([str(len(answers))] * 3)
    seen = f"of {len(answers)} ways, those around it: {', '.join(through) or 'none'}; telling more: {', '.join(told) or 'none'}"
    return held, f"{seen}; rows, with a person, with a score: {rows}"


def until_it_passes():
    """Photos of a person sent one after the other, and at once, until one is accepted."""
    judged = []
    for person, callers in ((CUT, 1), (SUPARMAN, 12)):
        form = site.form({**person, "face_image": site.OTHER_FACE})
        with concurrent.futures.ThreadPoolExecutor(callers) as pool:
            answers = list(pool.map(lambda _: send(form), range(30)))
        judged.append(sum(answer.code == "SPOOF_SUSPECTED" for answer in answers))
        if {answer.code for answer in answers} != {"SPOOF_SUSPECTED", "TOO_MANY_FAILED_FACES"}:
            return False, f"answers: {', '.join(sorted({str(answer) for answer in answers}))}"
        # The other service of the site knows of them.
        elsewhere = site.send(form)
        if elsewhere.code != "TOO_MANY_FAILED_FACES":
            return False, f"the service beside it: {elsewhere}"
    return max(judged) <= FAILED_FACES, f"of 30 photos, those that were judged: {judged[0]}, at once: {judged[1]}"


ATTACKS = [
    ("liveness: ways around the gate", around_the_gate),
    ("liveness: a photo changed until it passes", until_it_passes),
]
