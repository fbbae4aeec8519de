"""Prints the true false match rates of the made-up people in crates/evaluation/src/calibrate_people/tests.rs.

A person is the vector (b, sqrt(1 - b^2) u), with u uniform on the unit sphere in 47 dimensions and b from a list. The
cosine of two people is b b' + sqrt(1 - b^2) sqrt(1 - b'^2) c, where c is the cosine of two uniform vectors, so that
(c + 1) / 2 has the beta distribution with both parameters (47 - 1) / 2.

    python3 tools/oracle/people_rates.py
"""

from scipy.stats import beta

DIMENSIONS = 47
SHARES = {0.1: 0.5, 0.3: 0.3, 0.5: 0.2}


def reached(cosine):
    half = (DIMENSIONS - 1) / 2
    return beta.sf((cosine + 1) / 2, half, half)


def rate(threshold, shares):
    pairs = ((a, b, p * q) for a, p in shares.items() for b, q in shares.items())
    return sum(
        weight * reached((threshold - a * b) / ((1 - a * a) * (1 - b * b)) ** 0.5)
        for a, b, weight in pairs
    )


if __name__ == "__main__":
    for threshold in (0.40, 0.50, 0.57):
        print(f"all people, {threshold:.2f}: {rate(threshold, SHARES):.9e}")
    print(f"people of 0.5, 0.60: {rate(0.60, {0.5: 1.0}):.9e}")
