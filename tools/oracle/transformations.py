"""Computes with NumPy what a centre and scores with a cohort change, from the embeddings that `make test-shared` wrote.

    python3 tools/oracle/transformations.py FOLDER

Reads transformations.labels (part, person, group and whether there is a face), transformations.f32 (the faces) and
transformations.csv (the program's figures), and fails where a figure differs by more than one pair or 1e-9. Then it prints
what each score changes in the percentages of all pairs of DevTest, if the scale is made again from these pairs.
"""

import csv
import pathlib
import sys

import numpy as np

SAME_PERSON = 0.509
MIN_DEVIATION = 0.01


def read(folder):
    labels = [line.split() for line in (folder / "transformations.labels").read_text(encoding="utf-8").splitlines()]
    faces = iter(np.fromfile(folder / "transformations.f32", dtype="<f4").reshape(-1, 128).astype(np.float64))
    parts = {}
    for part, person, group, has_face in labels:
        face = next(faces) if has_face == "1" else np.full(128, np.nan)
        parts.setdefault(part, []).append((int(person), group, face))
    return {
        part: (np.array([person for person, _, _ in rows]), np.array([group for _, group, _ in rows]),
               np.array([face for _, _, face in rows]))
        for part, rows in parts.items()
    }


def one_of_each(persons, faces):
    usable = ~np.isnan(faces[:, 0])
    _, first = np.unique(np.where(usable, persons, -1 - np.arange(len(persons))), return_index=True)
    return faces[np.sort([at for at in first if usable[at]])]


def neighbours(faces, cohort, top):
    with_cohort = faces @ cohort.T
    with_cohort[with_cohort >= SAME_PERSON] = -np.inf
    highest = -np.sort(-with_cohort, axis=1)[:, :top]
    return highest.mean(axis=1), np.maximum(highest.std(axis=1), MIN_DEVIATION)


def scores(name, faces, cohorts):
    """The score of each two faces; NaN where one of them is none."""
    kind, *numbers, of = name.split() if name != "plain" else ("plain", "")
    if kind == "plain":
        return faces @ faces.T
    cohort = cohorts[of]
    if kind == "centre":
        centred = faces - cohort.mean(axis=0)
        centred /= np.linalg.norm(centred, axis=1, keepdims=True)
        return centred @ centred.T
    cohort, top = cohort[:2000], int(numbers[0])
    mean, deviation = neighbours(faces, cohort, top)
    level, spread = (round(value.mean(), 7) for value in neighbours(cohort, cohort, top))
    cosines = faces @ faces.T
    if kind == "top-mean":
        return cosines - (mean[:, None] + mean[None, :]) / 2 + level
    standard = lambda axis: (cosines - np.expand_dims(mean, axis)) / np.expand_dims(deviation, axis)
    return np.clip(level + spread * (standard(0) + standard(1)) / 2, -1, 1)


def percentages(score, same):
    """By the rules of the scale: linear in the logarithm of the false match rate between its points."""
    impostors = np.sort(score[~same])[::-1]
    decades = np.arange(2, 5.01, 0.25)
    cosines = [(impostors[int(len(impostors) * 10**-d) - 1] + impostors[int(len(impostors) * 10**-d)]) / 2 for d in decades]
    points = [50 + 12.5 * (d - 2) if d <= 4 else 75 + 7.5 * (d - 4) for d in decades]
    return np.interp(score, [impostors.mean(), *cosines], [0, *points])


def print_changes(computed):
    score, same, _ = computed["plain", "test"]
    known = ~np.isnan(score)
    before, same = percentages(score[known], same[known]), same[known]
    print(f"Percentages of {len(before)} pairs of DevTest, beside those without a transformation:")
    for (name, part), (score, _, _) in computed.items():
        if part != "test" or name == "plain":
            continue
        after = percentages(score[known], same)
        change, high = np.abs(after - before), (after >= 50) | (before >= 50)
        passes, passed = after >= 75, before >= 75
        changed = [int(np.sum(of & now & ~then)) for of in (same, ~same) for now, then in ((passes, passed), (passed, passes))]
        print(
            f"{name}: mean change {change.mean():.2f}; from 50 % on {change[high].mean():.2f}, 95th percentile "
            f"{np.quantile(change[high], 0.95):.2f}; genuine pairs that pass instead {changed[0]}, no longer {changed[1]}; "
            f"impostors {changed[2]}, {changed[3]}"
        )


def main(folder):
    parts = read(folder)
    cohorts = {"train": one_of_each(*parts["train"][::2]), "utk": one_of_each(*parts["made_of"][::2])}
    cohorts["mixed"] = np.concatenate([cohorts["train"][:1000], cohorts["utk"]])
    with open(folder / "transformations.csv", encoding="utf-8") as file:
        figures = list(csv.reader(file))
    wrong, thresholds, computed = [], {}, {}
    for name, what, where, found in figures:
        part = "test" if what == "fnmr" else "told_of"
        if (name, part) not in computed:
            persons, groups, faces = parts[part]
            upper = np.triu_indices(len(persons), 1)
            computed[name, part] = (scores(name, faces, cohorts)[upper], (persons[:, None] == persons)[upper],
                                    np.where(groups[:, None] == groups, groups[:, None], "")[upper])
        score, same, group = computed[name, part]
        if what == "fnmr":
            impostors = np.sort(score[~same & ~np.isnan(score)])[::-1]
            allowed = int(float(where) * len(impostors) + 1e-9)
            threshold = (impostors[allowed - 1] + impostors[allowed]) / 2
            thresholds[name, float(where)] = threshold
            genuine = score[same]
            expected, pairs = np.mean(~(genuine >= threshold)), len(genuine)
        else:
            of_group = score[(group == where) & ~np.isnan(score)]
            expected, pairs = np.mean(of_group >= thresholds[name, 1e-4]), len(of_group)
        if abs(expected - float(found)) > 1.01 / pairs:
            wrong.append(f"{name}, {what} {where}: {found}, by NumPy {expected}")
    print(f"{len(figures)} figures of transformations: {len(wrong)} differ from NumPy")
    print_changes(computed)
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
