"""Compares two evaluations of the same pairs, before and after a change of the program.

    python3 tools/evaluation/compare_evaluations.py BEFORE.json[,BEFORE2.json] AFTER.json[,AFTER2.json]

The files were written by `padan evaluate --json`. Several files of a side count as one evaluation. Prints the median
and the largest change of a percentage, the accuracy and the misses before and after, and each pair whose decision
changed. Exits with 1 when the median exceeds 0.5 points, or when accuracy or misses are worse by more than 0.2 points.
"""

import json
import statistics
import sys

PASS_MARK = 75.0
MAX_MEDIAN = 0.5
MAX_LOSS = 0.2


def read(files):
    parts = [json.load(open(file, encoding="utf-8")) for file in files.split(",")]
    scores = {(s["path_a"], s["path_b"]): s for part in parts for s in part["scores"]}
    return parts, scores


def percentage(score):
    return 0.0 if score["percentage"] is None else score["percentage"]


def accuracy(scores):
    """The share of listed pairs that the pass mark decides correctly."""
    right = [(percentage(s) >= PASS_MARK) == s["same"] for s in scores.values()]
    return 100.0 * sum(right) / len(right)


def misses(parts, rate):
    """The share of genuine pairs among all photos that are missed, at each part's threshold for this false match
    rate."""
    missed = sum(part["fnmr_at_fmr"][rate]["all_genuine"]["value"] * part["counts"]["all_genuine"] for part in parts)
    return 100.0 * missed / sum(part["counts"]["all_genuine"] for part in parts)


def main(before_files, after_files):
    (before_parts, before), (after_parts, after) = read(before_files), read(after_files)
    if before.keys() != after.keys():
        sys.exit("the two evaluations are not of the same pairs")
    changes = {pair: percentage(after[pair]) - percentage(before[pair]) for pair in before}
    sizes = sorted(abs(change) for change in changes.values())
    median = statistics.median(sizes)
    print(f"pairs                 {len(sizes)}")
    print(f"change of percentage  median {median:.3f}, 99 % below {sizes[int(0.99 * len(sizes))]:.2f}, largest {sizes[-1]:.2f}")
    worse = median > MAX_MEDIAN
    figures = [("correct at the pass mark, %", accuracy(before), accuracy(after), 1)]
    for rate in ("1e-2", "1e-3", "1e-4"):
        figures.append((f"missed at FMR {rate}, %", misses(before_parts, rate), misses(after_parts, rate), -1))
    for name, old, new, direction in figures:
        print(f"{name:26} {old:.3f} before, {new:.3f} after")
        worse |= (old - new) * direction > MAX_LOSS
    crossed = [p for p in before if (percentage(before[p]) >= PASS_MARK) != (percentage(after[p]) >= PASS_MARK)]
    print(f"changed decisions     {len(crossed)}")
    for pair in sorted(crossed):
        whose = "one person" if before[pair]["same"] else "two persons"
        print(f"  {percentage(before[pair]):6.2f} -> {percentage(after[pair]):6.2f}  {whose:11}  {pair[0]}  {pair[1]}")
    sys.exit(int(worse))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
