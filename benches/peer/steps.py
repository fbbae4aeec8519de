"""steps.py VARIANT MODEL_FOLDER : prints the CPU time of each step on a selfie of 1080 x 1440 as JSON, in milliseconds
(medians)."""

import json
import statistics
import sys
import time
from pathlib import Path

from faces import Faces, align, decode, subject
from photos import enlarged

ROUNDS = 100


def main():
    variant, folder = sys.argv[1:]
    people = Path(__file__).resolve().parents[2] / "people" / "images"
    photo = enlarged((people / "101_s1.jpg").read_bytes())
    faces = Faces(variant, folder)
    steps = {"decode": [], "detect": [], "align": [], "embed": []}

    def timed(step, work):
        # The time of the process and not of this thread: the variant `usual` uses several threads.
        began = time.process_time()
        result = work()
        steps[step].append((time.process_time() - began) * 1000)
        return result

    for _ in range(ROUNDS):
        pixels = timed("decode", lambda: decode(photo, reduced=not faces.usual))
        found = timed("detect", lambda: faces.detector.faces(pixels))
        crop = timed("align", lambda: align(pixels, subject(*found)))
        timed("embed", lambda: faces.embed(crop))
    print(json.dumps({step: round(statistics.median(times), 2) for step, times in steps.items()}))


main()
