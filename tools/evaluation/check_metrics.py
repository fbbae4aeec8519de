"""Computes accuracy, AUC, EER and FNMR with NumPy from the scores in an evaluation's JSON, and compares them with its
figures.

    python3 tools/evaluation/check_metrics.py evaluation.json

Exits with 1 when a figure differs by more than 1e-9. It was written from the definitions and not from the program's
code. A pair matches at a threshold when its cosine is at or above the threshold. A pair with a failed photo has the
cosine -1.
"""

import json
import sys

import numpy as np


def best_accuracy(cosine, same):
    """The highest share of pairs that a threshold decides correctly, and the lowest such threshold."""
    thresholds = np.concatenate([np.unique(cosine), [np.inf]])
    genuine = np.sort(cosine[same])
    impostor = np.sort(cosine[~same])
    hits = len(genuine) - np.searchsorted(genuine, thresholds, side="left")
    rejections = np.searchsorted(impostor, thresholds, side="left")
    right = hits + rejections
    return right.max() / len(cosine), thresholds[right.argmax()]


def accuracy(cosine, same, fold):
    if (fold < 0).any() or len(np.unique(fold)) < 2:
        return [best_accuracy(cosine, same)[0]]
    shares = []
    for number in np.unique(fold):
        held_out = fold == number
        threshold = best_accuracy(cosine[~held_out], same[~held_out])[1]
        shares.append(((cosine[held_out] >= threshold) == same[held_out]).mean())
    return shares


def auc(cosine, same):
    """Computed by Mann-Whitney, with mean ranks for ties."""
    _, inverse, counts = np.unique(cosine, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positives = same.sum()
    return (ranks[same].sum() - positives * (positives + 1) / 2) / (positives * (len(same) - positives))


def eer(cosine, same):
    thresholds = np.concatenate([np.unique(cosine), [np.inf]])
    fmr = np.array([(cosine[~same] >= t).mean() for t in thresholds])
    fnmr = np.array([(cosine[same] < t).mean() for t in thresholds])
    after = np.argmax(fnmr >= fmr)
    if after == 0:
        return fnmr[0]
    gap, closed = (fmr - fnmr)[after - 1], (fnmr - fmr)[after]
    share = gap / (gap + closed) if gap + closed > 0 else 0.0
    return fnmr[after - 1] + share * (fnmr[after] - fnmr[after - 1])


def main(file):
    with open(file) as text:
        evaluation = json.load(text)
    scores = evaluation["scores"]
    cosine = np.array([score["cosine"] for score in scores])
    same = np.array([bool(score["same"]) for score in scores])
    fold = np.array([score.get("fold", -1) for score in scores])
    shares = accuracy(cosine, same, fold)
    compared = {
        "accuracy": (evaluation["accuracy"]["mean"], np.mean(shares)),
        "accuracy std": (evaluation["accuracy"]["std"], np.std(shares)),
        "AUC": (evaluation["auc"], auc(cosine, same)),
        "EER": (evaluation["eer"], eer(cosine, same)),
    }
    for rate, point in evaluation["fnmr_at_fmr"].items():
        compared[f"FNMR at FMR {rate}"] = (point["fnmr"], (cosine[same] < point["cosine"]).mean())
    differ = False
    for name, (printed, computed) in compared.items():
        same_figure = abs(printed - computed) <= 1e-9
        differ |= not same_figure
        print(f"{name:<18} {printed:.9f}  {computed:.9f}  {'agrees' if same_figure else 'DIFFERS'}")
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main(sys.argv[1])
