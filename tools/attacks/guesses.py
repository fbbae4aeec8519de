"""Guessing: what the answers tell a client with valid credentials, or a caller without."""

import itertools
import math
import random
import statistics
import time

import attacked_site as site

# The most wrong fields of a client for one person, and with unknown NIKs for all persons, in a quarter of an hour:
# verification.failed_fields.person and client.
FAILURES_OF_PERSON, FAILURES_OF_CLIENT = 100, 450


def a_field():
    """Guesses of a mother's maiden name, of which the last is right."""
    answers = []
    for guess in [f"Ibu {number}" for number in range(60)] + ["Siti Ma'rufah"]:
        fields = {"nik": site.BUDI["nik"], "name": site.BUDI["name"], "mother_maiden_name": guess}
        answers.append(site.send(site.form(fields), path=site.BASIC))
    told = [answer for answer in answers if answer.status == 200]
    found = answers[-1].status == 200 and b'"mother_maiden_name":true' in answers[-1].body.replace(b" ", b"")
    return not found, f"{len(told)} of {len(answers)} guesses were judged, the last one: {answers[-1]}"


def a_granted_field():
    """The same with the name, which every client may ask about."""
    guesses = [f"Budi {number}" for number in range(225)]
    answers = [
        site.send(site.form({"nik": site.BUDI["nik"], "name": guess}), path=site.BASIC) for guess in guesses
    ]
    judged = sum(answer.status == 200 for answer in answers)
    held = judged <= FAILURES_OF_PERSON and answers[-1].status == 429
    return held, f"{judged} of {len(guesses)} guesses were judged, the last one: {answers[-1]}"


def many_niks():
    """Guesses of somebody's NIK by name and date of birth."""
    guesses = [f"317401140387{number:04}" for number in range(7000, 7600)]
    with site.connect() as connection:
        answers = []
        for nik in guesses:
            connection.sendall(site.request(site.form({**site.BUDI, "nik": nik}), path=site.BASIC))
            answers.append(site.read_answer(connection))
            if not answers[-1].status:
                break
    judged = sum(answer.status not in (0, 429) for answer in answers)
    held = judged <= FAILURES_OF_CLIENT and answers[-1].status == 429
    return held, f"{judged} of {len(guesses)} NIKs were judged, the last one: {answers[-1]}"


def scores():
    """Trials of other faces for one person, at a rate that each client may have."""
    answers = [site.send(site.face_form(site.OTHER_FACE)) for _ in range(30)]
    judged = sum(answer.status == 200 for answer in answers)
    return judged <= 10, f"{judged} of 30 trials were judged, the last one: {answers[-1]}"


def timings_of(wrong, right, rounds=1500):
    """The times of two requests in random order, and the t statistic of their means (Welch)."""
    samples = {0: [], 1: []}
    order = [0, 1] * rounds
    random.Random(19).shuffle(order)
    with site.connect() as connection:
        for which in order:
            sent = (wrong, right)[which]
            began = time.perf_counter()
            connection.sendall(sent)
            site.read_answer(connection)
            samples[which].append(time.perf_counter() - began)
    # The slowest twentieth is the noise of the machine.
    kept = [sorted(sample)[: len(sample) * 95 // 100] for sample in samples.values()]
    means = [statistics.fmean(sample) for sample in kept]
    error = math.sqrt(sum(statistics.variance(sample) / len(sample) for sample in kept))
    return (means[0] - means[1]) / error, [mean * 1e6 for mean in means]


def credentials_by_time():
    """Whether a wrong user, password or key can be told from each other by the time of the refusal."""
    cases = {
        "user": site.credentials(user="nobody"),
        "password": site.credentials(password="0" * 32),
        "key": site.credentials(key="0" * 32),
    }
    seen, held = [], True
    for (one, first), (other, second) in itertools.combinations(cases.items(), 2):
        statistic, means = timings_of(site.request(b"", auth=first), site.request(b"", auth=second))
        # A difference of less than 2 microseconds cannot be seen over a network.
        difference = abs(means[0] - means[1])
        held &= abs(statistic) < 4.5 or difference < 2
        seen.append(f"{one} against {other}: t = {statistic:+.1f}, {difference:.2f} us")
    return held, "; ".join(seen)


ATTACKS = [
    ("guesses: scores of other faces", scores),
    ("guesses: a field that is not granted", a_field),
    ("guesses: the name of a person", a_granted_field),
    ("guesses: the NIK of a person", many_niks),
    ("guesses: which credential is wrong, by time", credentials_by_time),
]
