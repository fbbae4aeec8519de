"""Compares Padan's cosines with those of the plain pipeline, on labelled pairs of photos.

    python tools/oracle/compare_with_padan.py ../shared/faces/lfw-dev/pairsDevTest.csv [--spread 100]

Runs `padan compare A B --json --no-gates` on the plain kernels for each pair and compares twice. "whole pipeline": each
side detects its own landmarks. The scales of the two detections differ, so the cosines agree to a few hundredths. "same
landmarks": the plain pipeline aligns by the landmarks that Padan prints and averages over the area of each pixel of the
crop. Only decoding, the filter of the crop and the embedder can then differ. Exits with 1 when a median or largest
difference exceeds its tolerance, when more than --refused pairs have a cosine from one side only, or when Padan fails.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from pipeline import decode
from reference_pipeline import add_pipeline_arguments, cosines, pipeline_of, read_pairs

REPOSITORY = Path(__file__).resolve().parents[2]

# Exit codes of `padan compare`: 0 for a match, 1 for no match, 3 for an image that cannot be used.
COMPARED = (0, 1)
UNUSABLE = 3


def run_padan(program, a, b):
    """Returns Padan's result for two files, or None when it refuses one of them."""
    command = [program, "compare", str(a), str(b), "--json", "--no-gates"]
    # The plain pipeline computes in fp32. Other devices and precisions are compared with this one by other means.
    environment = os.environ | {"PADAN__INFERENCE__DEVICE": "cpu", "PADAN__INFERENCE__PRECISION": "fp32"}
    answer = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, env=environment, check=False)
    if answer.returncode == UNUSABLE:
        print(f"refused: {answer.stderr.strip()}")
        return None
    if answer.returncode not in COMPARED:
        sys.exit(f"{' '.join(command)} exited with {answer.returncode}: {answer.stderr.strip()}")
    return json.loads(answer.stdout)


def cosine_at_landmarks(pipeline, answer, files):
    """The plain pipeline's cosine with the landmarks that Padan found; None when Padan had to turn a photo."""
    embeddings = []
    for image, file in zip(("a", "b"), files):
        face = answer[image]["face"]
        if face["turned_degrees"] != 0:
            return None
        points = [[point["x"], point["y"]] for point in face["landmarks"]]
        embeddings.append(pipeline.embed_at(decode(file), points, area=True))
    return float(embeddings[0] @ embeddings[1])


def report(title, rows, tolerances):
    """Prints the differences in rows of (expected, found, pair). Returns whether they are within the tolerances."""
    rows = sorted(((abs(x - y), x, y, pair) for x, y, pair in rows), key=lambda row: row[0], reverse=True)
    if not rows:
        print(f"{title}: no pair was compared by both")
        return False
    median, largest = statistics.median(row[0] for row in rows), rows[0][0]
    shift = statistics.mean(y - x for _, x, y, _ in rows)
    print(f"{title}: {len(rows)} pairs, largest difference {largest:.4f}, median {median:.4f}, mean {shift:+.4f}")
    for difference, x, y, (a, b, _) in rows[:3]:
        print(f"  {difference:.4f}  reference {x:.4f}  padan {y:.4f}  {a} {b}")
    within = median <= tolerances[0] and largest <= tolerances[1]
    if not within:
        print(f"  above the tolerance: median {tolerances[0]}, largest {tolerances[1]}")
    return within


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--spread", type=int, default=100, help="number of pairs, half of each kind")
    parser.add_argument("--padan", default=str(REPOSITORY / "target/release/padan"))
    names = ("MEDIAN", "LARGEST")
    parser.add_argument("--whole", type=float, nargs=2, metavar=names, default=(0.03, 0.12), help="tolerances")
    parser.add_argument("--landmarks", type=float, nargs=2, metavar=names, default=(0.008, 0.03), help="tolerances")
    parser.add_argument("--refused", type=int, default=0, help="number of pairs that only one side may refuse")
    add_pipeline_arguments(parser)
    arguments = parser.parse_args()

    pipeline = pipeline_of(arguments)
    pairs = read_pairs(arguments.pairs, arguments.spread)
    folder = arguments.pairs.resolve().parent
    expected = cosines(pipeline, pairs, folder)
    whole, same_landmarks, refused = [], [], 0
    for pair, cosine in zip(pairs, expected):
        files = [folder / path for path in pair[:2]]
        answer = run_padan(arguments.padan, *files)
        if answer is None or cosine is None:
            refused += (answer is None) != (cosine is None)
            continue
        whole.append((cosine, answer["similarity"], pair))
        at_landmarks = cosine_at_landmarks(pipeline, answer, files)
        if at_landmarks is not None:
            same_landmarks.append((at_landmarks, answer["similarity"], pair))

    within = report("whole pipeline", whole, arguments.whole)
    within &= report("same landmarks", same_landmarks, arguments.landmarks)
    print(f"{refused} pairs refused by one side only, {arguments.refused} allowed")
    sys.exit(0 if within and refused <= arguments.refused else 1)


if __name__ == "__main__":
    main()
