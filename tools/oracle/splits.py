"""Computes with NumPy what a centre and scores with a cohort change in splits of LFW, from the faces that `make test-shared`
wrote.

    python3 tools/oracle/splits.py FOLDER

Reads transformations.labels and transformations.f32 (all faces), splits.members (the rows of each split and of its cohort)
and splits.csv (the program's figures). Fails where a rate differs by more than one pair or 1e-9, or where the end of an
interval differs by more than a third of its length from that of resamples that were drawn here.
"""

import pathlib
import sys

import numpy as np
from transformations import SAME_PERSON, neighbours

RESAMPLES = 1000


def read(folder):
    """The persons and the faces of all rows; a person of another part is another person."""
    labels = [line.split() for line in (folder / "transformations.labels").read_text(encoding="utf-8").splitlines()]
    faces = np.full((len(labels), 128), np.nan)
    found = np.fromfile(folder / "transformations.f32", dtype="<f4").reshape(-1, 128)
    faces[[has_face == "1" for *_, has_face in labels]] = found
    parts = np.array([part for part, *_ in labels])
    _, persons = np.unique([f"{part} {person}" for part, person, *_ in labels], return_inverse=True)
    return parts, persons, faces


def scores(name, faces, own, alone, utk):
    kind, *numbers = name.split()
    if kind == "centre":
        centred = faces - {"own": own, "alone": alone, "utk": utk}[numbers[0]].mean(axis=0)
        centred /= np.linalg.norm(centred, axis=1, keepdims=True)
        return centred @ centred.T
    cosines = faces @ faces.T
    if kind == "plain":
        return cosines
    mean, deviation = neighbours(faces, own, int(numbers[0]))
    level, spread = (value.mean() for value in neighbours(own, own, int(numbers[0])))
    if kind == "top-mean":
        return cosines - (mean[:, None] + mean[None, :]) / 2 + level
    standard = (cosines - mean[:, None]) / deviation[:, None] + (cosines - mean[None, :]) / deviation[None, :]
    return np.clip(level + spread * standard / 2, -1, 1)


class Pairs:
    """The pairs of a split by a score, with the persons of both photos."""

    def __init__(self, score, persons, people):
        a, b = np.triu_indices(len(persons), 1)
        score_of_itself, score, same = score.diagonal(), score[a, b], persons[a] == persons[b]
        self.genuine, self.of = score[same], persons[a][same]
        usable = ~same & ~np.isnan(score)
        self.total, self.faces = usable.sum(), np.bincount(persons[~np.isnan(score_of_itself)], minlength=people)
        # A resample may need more than the highest of 100.
        order = np.argsort(-score[usable], kind="stable")[: self.total // 20]
        self.impostors = score[usable][order]
        self.first, self.second = (persons[at][usable][order] for at in (a, b))

    def missed(self, fmr):
        allowed = int(fmr * self.total + 1e-9)
        threshold = (self.impostors[allowed - 1] + self.impostors[allowed]) / 2
        return np.mean(~(self.genuine >= threshold))

    def resampled(self, fmr, weights):
        counts = self.faces * weights
        allowed = fmr * (counts.sum() ** 2 - (counts**2).sum()) / 2
        reached = np.cumsum(weights[self.first] * weights[self.second])
        threshold = self.impostors[np.searchsorted(reached, allowed, side="right")]
        of_genuine = weights[self.of]
        return of_genuine[~(self.genuine >= threshold)].sum() / of_genuine.sum()


def main(folder):
    parts, persons, faces = read(folder)
    members = [line.split(" ") for line in (folder / "splits.members").read_text(encoding="utf-8").splitlines()]
    rows = [(kind, np.array(at, dtype=int)) for kind, *at in members]
    of_kind = lambda wanted: [at for kind, at in rows if kind == wanted]
    people = persons.max() + 1
    alone, utk = faces[of_kind("alone")[0]], faces[np.char.endswith(parts, "_of")]
    utk = utk[~np.isnan(utk[:, 0])]
    splits = list(zip(of_kind("tested"), of_kind("cohort")))
    for tested, cohort in splits:
        assert not set(persons[tested]) & set(persons[cohort]), "a person is tested with a cohort that contains it"
        assert len(set(persons[tested])) == len(cohort) == 250

    lines = [line.split(",") for line in (folder / "splits.csv").read_text(encoding="utf-8").splitlines()]
    random = np.random.default_rng(7)
    drawn = [np.bincount(random.integers(0, people, people), minlength=people) for _ in range(RESAMPLES)]
    wrong, figures, pairs, resampled = [], 0, {}, {}

    def of(name):
        if name not in pairs:
            pairs[name] = [Pairs(scores(name, faces[tested], faces[cohort], alone, utk), persons[tested], people)
                           for tested, cohort in splits]
        return pairs[name]

    def means(name, fmr):
        if (name, fmr) not in resampled:
            resampled[name, fmr] = np.array([np.mean([split.resampled(fmr, weights) for split in of(name)]) for weights in drawn])
        return resampled[name, fmr]

    def check_interval(what, found, values):
        expected = np.quantile(values, [0.025, 0.975])
        allowed = (expected[1] - expected[0]) / 3 + 1e-9
        if np.abs(expected - [float(end) for end in found]).max() > allowed:
            wrong.append(f"{what}: interval {found}, by NumPy {expected}")

    london = of_kind("london")[0]
    for name, fmr, *found in lines:
        figures += len(found)
        if fmr == "change":
            check_interval(f"{name}, change", found, means(name, 1e-4) - means("plain", 1e-4))
            continue
        fmr = float(fmr)
        if name.startswith("london "):
            of_london = Pairs(scores(name.removeprefix("london "), faces[london], None, alone, utk), persons[london], people)
            expected, compared, found = [of_london.missed(fmr)], [len(of_london.genuine)], [found[0]]
        else:
            mean, low, high, *found = found
            expected, compared = zip(*((split.missed(fmr), len(split.genuine)) for split in of(name)))
            if abs(np.mean([float(value) for value in found]) - float(mean)) > 1e-9:
                wrong.append(f"{name}, {fmr}: mean {mean} of {found}")
            check_interval(f"{name}, {fmr}", (low, high), means(name, fmr))
        for value, by_numpy, count in zip(found, expected, compared):
            if abs(float(value) - by_numpy) > 1.01 / count:
                wrong.append(f"{name}, {fmr}: {value}, by NumPy {by_numpy}")
    print(f"{figures} figures of splits: {len(wrong)} differ from NumPy (same person from {SAME_PERSON} on)")
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
