"""The people of scripts/simulated-site.sh: who they are, and what their clients send.

    simulated_site.py people FACES WORK    prints SQL for the registry, and writes lists into WORK
    simulated_site.py planted WORK         compares the pairs that were told apart with those of one person
    simulated_site.py labels WORK SCALE    compares rates of the scale's people with those by labels
    simulated_site.py send WORK PORT       sends a selfie of each person who has one

People are those of LFW who have two photos, one as portrait and one as selfie, and UTKFace's, with one photo. Six people of LFW
are registered under another NIK too, with their other photo.
"""

import base64
import concurrent.futures
import csv
import json
import os
import pathlib
import sys
import time
import tomllib
import urllib.request

HERE = pathlib.Path(__file__).parent
PLANTED = 6
NAME, BORN = "Orang Contoh", "1987-03-14"


def rows(file):
    with open(file, newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


def write(file, head, lines):
    with open(file, "w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(lines)


def people(faces, work):
    wrong = {row["name"] for row in rows(HERE / "lfw_errata.csv")} | {"Sepp_Blatter", "Wang_Nan"}
    of_lfw = []
    for folder in sorted((faces / "lfw-dev/images").iterdir()):
        photos = [photo for photo in sorted(folder.iterdir()) if photo.stem not in wrong and folder.name not in wrong]
        if len(photos) >= 2:
            of_lfw.append((folder.name, photos))
    of_utk = [(photo, folder.name) for folder in sorted(faces.glob("utk/*/")) for photo in sorted(folder.iterdir())]
    registered, selfies = [], []
    for number, (name, photos) in enumerate(of_lfw):
        nik = f"3174011403{number:06d}"
        registered.append((nik, photos[0], "LFW", name))
        selfies.append((nik, photos[1]))
        if number < PLANTED:
            registered.append((f"3174021403{number:06d}", photos[1], "LFW", name))
    for number, (photo, group) in enumerate(of_utk):
        registered.append((f"1271011403{number:06d}", photo, group, str(photo.relative_to(faces / "utk"))))
    print("COPY civil_registry.person (nik, name, date_of_birth, status, portrait, portrait_updated_at) FROM STDIN;")
    for nik, photo, _, _ in registered:
        print(f"{nik}\t{NAME}\t{BORN}\tactive\t\\\\x{photo.read_bytes().hex()}\t2026-01-05T03:04:05Z")
    print("\\.")
    relative = lambda photo: os.path.relpath(photo, work)
    write(work / "groups.csv", ["nik", "people"], [(nik, group) for nik, _, group, _ in registered])
    write(work / "selfies.csv", ["nik", "photo"], [(nik, photo.resolve()) for nik, photo in selfies])
    write(work / "identities.csv", ["nik", "person"], [(nik, person) for nik, _, _, person in registered])
    listed = [(relative(photo), person, group) for nik, photo, group, person in registered if not nik.startswith("317402")]
    write(work / "portraits.csv", ["path", "identity", "group"], listed)
    one = [(row[a], row[b]) for file in (faces / "utk/duplicates.csv", HERE / "utk_errata.csv")
           for row in rows(file) for a, b in [("path_a", "path_b")]]
    write(work / "left-out.csv", ["path", "with", "reason"],
          [(relative(faces / "utk" / a), relative(faces / "utk" / b), "one person") for a, b in one])
    write(work / "same.csv", ["a", "b"], one)


def planted(work):
    person = {row["nik"]: row["person"] for row in rows(work / "identities.csv")}
    known = {frozenset((row["a"], row["b"])) for row in rows(work / "same.csv")}
    listed = rows(work / "same-face.csv")
    pairs = [(person[row["nik_a"]], person[row["nik_b"]]) for row in listed]
    of_lfw = sum(a == b for a, b in pairs)
    of_utk = sum(frozenset(pair) in known for pair in pairs)
    print(f"{len(pairs)} pairs were told apart from strangers: {of_lfw} of the {PLANTED} that were planted, {of_utk} that are "
          f"known in UTKFace, {len(pairs) - of_lfw - of_utk} others")


def labels(work, scale):
    evaluation = json.loads((work / "evaluation.json").read_text(encoding="utf-8"))
    mark = next(mark for mark in evaluation["marks"] if mark["percentage"] == 75)
    rate = mark["fmr"]
    print(f"At 75 % of the scale in use, cosine {mark['cosine']:.4f}: {rate['value']:.2e} ({rate['low']:.2e} to {rate['high']:.2e})")
    own = tomllib.loads(pathlib.Path(scale).read_text(encoding="utf-8"))
    for point in own["point"]:
        if point["percentage"] in (50, 75, 90):
            low, high = point.get("fmr_interval", (float("nan"),) * 2)
            print(f"The own scale: {point['percentage']} % at cosine {point['cosine']:.4f}, false match rate {point['fmr']:.2e} "
                  f"({low:.2e} to {high:.2e})")
    measured = {group["name"].removeprefix("people: "): group for group in own["group"]}
    for group in evaluation["groups"]:
        found, by_labels = measured[group["name"]]["fmr_at_pass_mark"], group["fmr_at_pass_mark"]
        print(f"{group['name']}: at the own pass mark {found['value']:.2e} ({found['low']:.2e} to {found['high']:.2e}); by labels "
              f"at the present one {by_labels['value']:.2e}")


def send(work, port):
    key, password = os.environ["PADAN_LOAD_API_KEY"], os.environ["PADAN_LOAD_PASSWORD"]
    account = base64.b64encode(f"load:{password}".encode()).decode()

    def one(row):
        photo = base64.b64encode(pathlib.Path(row["photo"]).read_bytes()).decode()
        body = {"nik": row["nik"], "name": NAME, "date_of_birth": "14-03-1987", "face_image": photo}
        headers = {"Authorization": f"Basic {account}", "x-api-key": key, "Content-Type": "application/json"}
        url = f"http://127.0.0.1:{port}/identity/v1/face-verification"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.headers["Reason-Code"]
        except urllib.error.HTTPError as error:
            return error.headers["Reason-Code"]

    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        codes = list(threads.map(one, rows(work / "selfies.csv")))
    print(", ".join(f"{codes.count(code)} {code}" for code in sorted(set(codes))))
    # Counts are saved every ten seconds.
    time.sleep(15)


if __name__ == "__main__":
    mode, *arguments = sys.argv[1:]
    folders = [pathlib.Path(argument) for argument in arguments]
    {"people": people, "planted": planted, "labels": labels, "send": lambda work, port: send(work, port.name)}[mode](*folders)
