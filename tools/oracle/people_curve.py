"""Computes with NumPy the false match curve that crates/evaluation/src/people_pairs.rs computes from the same templates.

    python3 tools/oracle/people_curve.py

The templates are 900 vectors of 32 components. A component is the sum of three numbers of a linear congruential generator,
and for every third person half of a common vector is added.
"""

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


if __name__ == "__main__":
    main()
