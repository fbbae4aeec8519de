"""Computes with NumPy the false match curve that crates/evaluation computes from the same templates.

    python3 tools/oracle/people_curve.py
    python3 tools/oracle/people_curve.py FOLDER

With a folder, it counts the pairs of the embeddings that `make test-shared` wrote there (people.f32), at the thresholds at
which the program counted them (people.curve), and fails where a count differs by more than rounding. Without one, it prints
the curve that the test of people_pairs.rs expects.

The templates are 900 vectors of 32 components. A component is the sum of three numbers of a linear congruential generator,
and for every third person half of a common vector is added.
"""

import pathlib
import sys

import numpy as np

PEOPLE, LENGTH = 900, 32


def numbers():
    state = 7
    while True:
        state = (state * 1_664_525 + 1_013_904_223) % 2**32
        yield (state >> 8) / 2**24 - 0.5


def main():
    random = numbers()
    vector = lambda: [next(random) + next(random) + next(random) for _ in range(LENGTH)]
    common = np.array(vector())
    templates = np.array([vector() for _ in range(PEOPLE)])
    templates[::3] += 0.5 * common
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    cosines = (templates @ templates.T)[np.triu_indices(PEOPLE, 1)]
    print(f"pairs {len(cosines)}, mean {cosines.mean():.9f}")
    for threshold in (0.0, 0.2, 0.4, 0.5, 0.6):
        print(f"{threshold}: {(cosines >= threshold).sum()}")
    print(f"1e-3 is reached at {np.sort(cosines)[::-1][int(len(cosines) * 1e-3)]:.6f}")


def compare(folder):
    """A cosine in single precision may lie on the other side of a threshold, if it is as near as its rounding."""
    lines = [line.split() for line in (folder / "people.curve").read_text(encoding="ascii").splitlines()]
    templates = np.fromfile(folder / "people.f32", dtype="<f4").reshape(-1, 128).astype(np.float64)
    cosines = np.sort((templates @ templates.T)[np.triu_indices(len(templates), 1)])
    reaching = lambda threshold: len(cosines) - np.searchsorted(cosines, threshold)
    wrong = [
        f"{threshold}: {count} pairs, {reaching(threshold)} by NumPy"
        for threshold, count in ((float(threshold), int(count)) for threshold, count in lines)
        if not reaching(threshold + 2e-7) <= count <= reaching(threshold - 2e-7)
    ]
    print(f"{len(templates)} templates, {len(cosines)} pairs, {len(lines)} thresholds: {len(wrong)} differ from NumPy")
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        compare(pathlib.Path(sys.argv[1]))
    main()
