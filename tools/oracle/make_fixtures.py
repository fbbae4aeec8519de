"""Creates the fixtures with which Padan's detection, alignment and embedding are compared.

    python tools/oracle/make_fixtures.py [--people people] [--out crates/inference/tests/fixtures]

Every picture is made from the rendered people, who do not exist. Writes detection/, alignment/ and
embedding.json below the output folder. README.md beside this file describes them.
"""

import argparse
import json
import re
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

import pipeline
from pipeline import TEMPLATE, Detector, Embedder, crop, decode, find_model, similarity_transform

REPOSITORY = Path(__file__).resolve().parents[2]


def resized(rgb, width, height):
    return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)


def canvas(width, height):
    """A smooth grey background without a face."""
    y, x = np.mgrid[0:height, 0:width]
    level = 96 + 60 * x / width + 40 * np.sin(y / 37.0)
    return np.repeat(level.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def paste(background, rgb, left, top):
    background[top : top + rgb.shape[0], left : left + rgb.shape[1]] = rgb
    return background


def detection_pictures(people):
    """Name, picture and description of each detection fixture. The picture is the tensor: it is not resized."""

    def person(name):
        return decode(people / "images" / f"{name}.jpg")

    def close_up(name, side):
        """The face, cropped so that it fills the frame."""
        photo = person(name)
        return cv2.resize(photo[150:350, 128:328], (side, side), interpolation=cv2.INTER_CUBIC)

    crowd = canvas(480, 192)
    for index, name in enumerate(("101_s1", "126_s2", "142_id")):
        paste(crowd, resized(person(name), 152, 190), 4 + 158 * index, 1)
    far = paste(canvas(352, 256), resized(person("116_s2"), 192, 240), 8, 8)
    far = paste(far, resized(person("145_s1"), 56, 70), 250, 60)
    rotated = cv2.warpAffine(
        resized(person("119_s1"), 216, 270), cv2.getRotationMatrix2D((108, 135), -25, 0.9), (216, 270)
    )
    return [
        ("id_256x320", resized(person("110_id"), 256, 320), "an ID photo; both sides are multiples of 32"),
        ("selfie_216x270", resized(person("114_s1"), 216, 270), "a selfie; neither side is a multiple of 32"),
        ("selfie_432x540", person("133_s3"), "a selfie in its own size"),
        ("rotated_216x270", rotated, "a selfie turned by 25 degrees, black corners"),
        ("three_480x192", crowd, "three people side by side"),
        ("near_and_far_352x256", far, "a near face and a small one"),
        ("filling_448x448", close_up("118_s1", 448), "a face that fills the frame"),
        ("none_320x240", canvas(320, 240), "no face"),
    ]


def write_json(path, content):
    """Writes indented JSON with each list of numbers on one line."""
    text = json.dumps(content, indent=1)
    text = re.sub(r"\[[-+0-9.e,\s]+\]", lambda numbers: " ".join(numbers[0].split()), text)
    path.write_text(text.replace("[ ", "[").replace(" ]", "]") + "\n")


def numbers(array, digits):
    return np.round(np.asarray(array, np.float64), digits).tolist()


def make_detection(people, out, detector):
    """Writes detection/*.png and detection/faces.json. Returns the faces by picture."""
    found, record = {}, []
    out.mkdir(parents=True, exist_ok=True)
    for name, rgb, what in detection_pictures(people):
        Image.fromarray(rgb).save(out / f"{name}.png", optimize=True)
        found[name] = (rgb, detector.on_pixels(rgb))
        faces = [
            {"box": numbers(f["box"], 4), "landmarks": numbers(f["landmarks"], 4), "score": round(f["score"], 6)}
            for f in found[name][1]
        ]
        size = {"width": rgb.shape[1], "height": rgb.shape[0]}
        record.append({"file": f"{name}.png", "what": what, **size, "faces": faces})
    head = {
        "score_threshold": pipeline.SCORE_THRESHOLD,
        "nms_iou": pipeline.NMS_THRESHOLD,
        "opencv": cv2.__version__,
        "padding": "black at the right and the bottom, up to a multiple of 32",
        "box": "left, top, width, height",
    }
    write_json(out / "faces.json", {**head, "pictures": record})
    return found


def alignment_cases(found, people, detector):
    """Name, source file, pixels, landmarks and samples per side of each crop."""
    detected = {name: faces[0]["landmarks"] for name, (_, faces) in found.items() if faces}

    def fixture(name, landmarks=None, samples=1):
        return (f"detection/{name}.png", found[name][0], detected[name] if landmarks is None else landmarks, samples)

    def whole_photo(name):
        rgb = decode(people / "images" / f"{name}.jpg")
        return (f"people/images/{name}.jpg", rgb, detector.on_pixels(rgb)[0]["landmarks"], 8)

    # Landmarks moved towards the upper left corner, so that part of the crop lies outside the photo.
    outside = detected["selfie_216x270"] - np.array([75.0, 95.0])
    return [
        ("selfie", *fixture("selfie_216x270")),
        ("rotated", *fixture("rotated_216x270")),
        ("small", *fixture("near_and_far_352x256", found["near_and_far_352x256"][1][-1]["landmarks"])),
        ("outside", *fixture("selfie_216x270", outside)),
        ("id_photo", *whole_photo("110_id")),
        ("own_size", *fixture("selfie_432x540", samples=8)),
        ("filling", *fixture("filling_448x448", samples=8)),
    ]


def make_alignment(out, cases):
    """Writes alignment/*.png and alignment/crops.json. Returns the crops as written, by name."""
    out.mkdir(parents=True, exist_ok=True)
    crops, record = {}, []
    for name, source, rgb, landmarks, samples in cases:
        landmarks = np.round(landmarks, 4)
        matrix = similarity_transform(landmarks, TEMPLATE)
        crops[name] = np.floor(crop(rgb, matrix, samples) + 0.5).astype(np.uint8)
        Image.fromarray(crops[name]).save(out / f"{name}.png", optimize=True)
        record.append(
            {
                "file": f"{name}.png",
                "source": source,
                "landmarks": landmarks.tolist(),
                "matrix": numbers(matrix, 9),
                "scale": round(float(np.hypot(matrix[0, 0], matrix[1, 0])), 6),
                "samples_a_side": samples,
            }
        )
    head = {
        "template": TEMPLATE.tolist(),
        "coordinates": "pixel centres are integers; matrix takes the photo's coordinates to the crop's",
        "method": "samples_a_side 1: bilinear; 8: each pixel the mean of 8x8 bilinear samples over its area; "
        "black outside the photo",
    }
    write_json(out / "crops.json", {**head, "crops": record})
    return crops


def make_embeddings(path, crops, folders):
    """Writes embedding.json: the unit embeddings of the crops as written, by both embedders."""
    content = {"input": "alignment/*.png", "embeddings": {}}
    for name, digests in pipeline.EMBEDDER_SHA256.items():
        model = find_model(digests, folders)
        embedder = Embedder(name, model)
        content["embeddings"][name] = {
            "model_sha256": pipeline.sha256_of(model),
            "crops": {crop_name: numbers(embedder.embed(pixels), 7) for crop_name, pixels in crops.items()},
        }
    write_json(path, content)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=Path, default=REPOSITORY / "people")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "crates/inference/tests/fixtures")
    parser.add_argument("--models", type=Path, action="append", help="folder of original model files; repeatable")
    arguments = parser.parse_args()

    folders = arguments.models or pipeline.model_folders()
    detector = Detector(find_model(pipeline.DETECTOR_SHA256, folders))
    found = make_detection(arguments.people, arguments.out / "detection", detector)
    cases = alignment_cases(found, arguments.people, detector)
    crops = make_alignment(arguments.out / "alignment", cases)
    make_embeddings(arguments.out / "embedding.json", crops, folders)


if __name__ == "__main__":
    main()
