"""Computes the cosines of labelled pairs of photos with the plain pipeline of pipeline.py.

    python tools/oracle/reference_pipeline.py PAIRS.csv [--spread 100] [--size 640] [--area] > cosines.json

PAIRS.csv has the columns path_a, path_b (relative to its folder) and same (1 or 0).
"""

import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np

from pipeline import EMBEDDER_SHA256, Pipeline


def read_pairs(path, spread=None):
    """Reads the pairs of a list. `spread` limits their number: half of each kind, evenly spread over the list."""
    with open(path, newline="") as file:
        pairs = [(row["path_a"], row["path_b"], row["same"] == "1") for row in csv.DictReader(file)]
    if spread is None:
        return pairs
    chosen = []
    for kind in (True, False):
        of_kind = [pair for pair in pairs if pair[2] == kind]
        count = min(spread // 2, len(of_kind))
        chosen += [of_kind[index * len(of_kind) // count] for index in range(count)]
    return chosen


def cosines(pipeline, pairs, folder):
    """The cosine of each pair, None where a photo has no face. Each photo is embedded once."""
    embeddings = {path: None for a, b, _ in pairs for path in (a, b)}
    for path in embeddings:
        embeddings[path] = pipeline.embedding(folder / path)

    def cosine(a, b):
        return None if embeddings[a] is None or embeddings[b] is None else float(embeddings[a] @ embeddings[b])

    return [cosine(a, b) for a, b, _ in pairs]


def add_pipeline_arguments(parser):
    """Adds the options of the plain pipeline, which compare_with_padan.py has as well."""
    parser.add_argument("--embedder", choices=EMBEDDER_SHA256, default="sface")
    parser.add_argument("--size", type=int, default=640, help="long side of the photo for the detection")
    parser.add_argument("--area", action="store_true", help="average over the area of each pixel of the crop")
    parser.add_argument("--models", type=Path, action="append", help="folder of original model files; repeatable")


def pipeline_of(arguments):
    return Pipeline(arguments.embedder, arguments.size, arguments.area, arguments.models)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--spread", type=int, help="number of pairs, half of each kind, evenly spread")
    add_pipeline_arguments(parser)
    arguments = parser.parse_args()

    pairs = read_pairs(arguments.pairs, arguments.spread)
    values = cosines(pipeline_of(arguments), pairs, arguments.pairs.parent)
    result = {"embedder": arguments.embedder, "size": arguments.size, "area": arguments.area, "summary": {}}
    for name, kind in (("same", True), ("different", False)):
        of_kind = [value for value, pair in zip(values, pairs) if pair[2] == kind and value is not None]
        if of_kind:
            figures = {"mean": np.mean(of_kind), "least": min(of_kind), "most": max(of_kind)}
            rounded = {key: round(float(figure), 4) for key, figure in figures.items()}
            result["summary"][name] = {"pairs": len(of_kind), **rounded}
    result["pairs"] = [
        {"path_a": a, "path_b": b, "same": same, "cosine": None if value is None else round(value, 5)}
        for (a, b, same), value in zip(pairs, values)
    ]
    json.dump(result, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
