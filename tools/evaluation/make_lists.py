"""Lists the photo collections in ../shared/faces for `padan evaluate` and `padan calibrate`.

Writes into a folder: lfw-train.csv, lfw-test.csv, london.csv, usgov.csv and utk.csv (path, identity, group), left-out.csv with the
photos and pairs whose labels are known to be wrong, and selfies.csv with the selfies of the rendered people. Paths are
relative to that folder.

    python3 tools/evaluation/make_lists.py ../shared/faces .deps/evaluation
"""

import csv
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).parent


def write(file, head, rows):
    with open(file, "w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)
    print(f"{file}: {len(rows)} rows", file=sys.stderr)


def read(file):
    with open(file, newline="") as rows:
        return list(csv.DictReader(rows))


def main(faces, target):
    target.mkdir(parents=True, exist_ok=True)
    relative = lambda file: os.path.relpath(file, target)
    left_out = []

    rows = []
    for part in ("Train", "Test"):
        pairs = read(faces / f"lfw-dev/pairsDev{part}.csv")
        photos = sorted({row[column] for row in pairs for column in ("path_a", "path_b")})
        of_part = [(relative(faces / "lfw-dev" / photo), pathlib.Path(photo).parent.name, "") for photo in photos]
        write(target / f"lfw-{part.lower()}.csv", ["path", "identity", "group"], of_part)
        rows += of_part
    wrong = {row["name"]: row["reason"] for row in read(HERE / "lfw_errata.csv")}
    for path, _, _ in rows:
        if (name := pathlib.Path(path).stem) in wrong:
            left_out.append((path, "", f"errata of LFW: {wrong[name]}"))
    for row in read(HERE / "lfw_aliases.csv"):
        one, other = ([path for path, name, _ in rows if name == row[column]] for column in ("name", "other"))
        left_out.extend((a, b, f"LFW: {row['reason']}") for a in one for b in other)

    rows = []
    for kind in ("neutral", "smiling"):
        for photo in sorted((faces / "london" / kind).glob("*.jpg")):
            rows.append((relative(photo), photo.stem.split("_")[0], ""))
    write(target / "london.csv", ["path", "identity", "group"], rows)

    rows = [(relative(photo), photo.stem.split("_", 1)[1], "") for photo in sorted((faces / "usgov").glob("*.jpg"))]
    write(target / "usgov.csv", ["path", "identity", "group"], rows)

    rows = [
        (relative(photo), photo.stem, folder.name)
        for folder in sorted(path for path in (faces / "utk").iterdir() if path.is_dir())
        for photo in sorted(folder.iterdir())
    ]
    write(target / "utk.csv", ["path", "identity", "group"], rows)
    for row in read(faces / "utk/duplicates.csv"):
        a, b = (relative(faces / "utk" / row[column]) for column in ("path_a", "path_b"))
        left_out.append((a, b, "one person, or looks like one, in UTKFace"))
    for row in read(HERE / "utk_errata.csv"):
        a, b = (relative(faces / "utk" / row[column]) for column in ("path_a", "path_b"))
        left_out.append((a, b, "one person in UTKFace, seen among the highest cosines"))
    people = faces.parent / "people"
    rows = [(relative(people / row["file"]), row["nik"], "") for row in read(people / "selfies.csv")]
    write(target / "selfies.csv", ["path", "identity", "group"], rows)
    write(target / "left-out.csv", ["path", "with", "reason"], left_out)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
