"""A plain face pipeline, written independently of Padan's, to compare the two.

Decode (Pillow), detect (OpenCV's FaceDetectorYN), choose the subject, align (NumPy least squares and
bilinear sampling), embed (plain ONNX Runtime on the CPU, the original model files). The code prefers clarity to
speed.

Coordinates: a pixel's centre has integer coordinates, x to the right and y down, as in OpenCV.
Landmarks: the eye at the image's left, the other eye, the nose, the mouth corner at the image's left, the other.
"""

import hashlib
import os
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from PIL import Image, ImageOps

cv2.setNumThreads(1)

CROP_SIZE = 112

# The positions of the five landmarks in the aligned crop of both embedders.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)

SCORE_THRESHOLD = 0.6
NMS_THRESHOLD = 0.3

# SHA-256 of the original files, as published. Several exports have the same weights, and each of them can be used.
DETECTOR_SHA256 = ("8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",)
EMBEDDER_SHA256 = {
    "sface": ("0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",),
    "mobilefacenet": (
        "b7120c095d60094f28a4a54ba6a8bf51b297a6273fb40ef6350dfec1f63d9507",
        "e72a5710cce378dc46472b6b845cb90647634f2738d8c3e581735cf195b9866f",
    ),
}

# The mean and the deviation by which each embedder's input is normalised, RGB, for pixels of 0..255.
NORMALISATION = {
    "sface": (np.zeros(3), np.ones(3)),
    "mobilefacenet": (255 * np.array([0.485, 0.456, 0.406]), 255 * np.array([0.229, 0.224, 0.225])),
}


class ModelMissing(Exception):
    """None of the searched folders has a file with one of the wanted digests."""


def sha256_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def find_model(digests, folders):
    """The path of the first .onnx file in the folders that has one of these SHA-256."""
    for folder in folders:
        for path in sorted(Path(folder).glob("*.onnx")):
            if sha256_of(path) in digests:
                return path
    wanted, searched = " or ".join(digests), ", ".join(map(str, folders))
    raise ModelMissing(f"no model file with SHA-256 {wanted} in {searched}: run `make deps`")


def model_folders():
    """The folders that are searched for model files: $PADAN_MODELS, then .deps/models of this checkout."""
    folders = [Path(__file__).resolve().parents[2] / ".deps" / "models"]
    if os.environ.get("PADAN_MODELS"):
        folders.insert(0, Path(os.environ["PADAN_MODELS"]))
    return folders


def decode(path):
    """A photo as RGB uint8 [height, width, 3], upright by its EXIF, transparency over white."""
    with Image.open(path) as image:
        return to_rgb(image)


def to_rgb(image):
    """A Pillow image as RGB uint8, upright by its EXIF, transparency over white."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        # 16-bit grey: Pillow would clip it at 255 instead of scaling.
        image = Image.fromarray((np.asarray(image) / 257.0 + 0.5).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"))


def scaled(rgb, long_side):
    """The photo with its longer side scaled to `long_side`, and the factors in x and y."""
    height, width = rgb.shape[:2]
    factor = long_side / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return cv2.resize(rgb, size, interpolation=method), np.array([size[0] / width, size[1] / height])


class Detector:
    """YuNet as OpenCV decodes it."""

    def __init__(self, path):
        self.net = cv2.FaceDetectorYN.create(str(path), "", (320, 320), SCORE_THRESHOLD, NMS_THRESHOLD, 5000)

    def on_pixels(self, rgb):
        """The faces in an image that is not resized: a list of dicts with box, landmarks and score, best first."""
        self.net.setInputSize((rgb.shape[1], rgb.shape[0]))
        _, rows = self.net.detect(np.ascontiguousarray(rgb[:, :, ::-1]))
        rows = [] if rows is None else rows.astype(np.float64)
        faces = [{"box": row[:4], "landmarks": row[4:14].reshape(5, 2), "score": row[14]} for row in rows]
        return sorted(faces, key=lambda face: -face["score"])

    def in_photo(self, rgb, long_side):
        """The faces in a photo that is scaled to `long_side` for the detection, in coordinates of the photo."""
        small, factor = scaled(rgb, long_side)
        faces = self.on_pixels(small)
        for face in faces:
            face["box"] = face["box"] / np.tile(factor, 2)
            # Resizing keeps the corners of the image in place, so pixel centres move by half a pixel.
            face["landmarks"] = (face["landmarks"] + 0.5) / factor - 0.5
        return faces


def subject(faces, shape):
    """The largest, most central face: the one with the highest area / (1 + 4 * d * d), where d is the distance of its
    centre from the photo's, in half diagonals."""
    height, width = shape[:2]
    half_diagonal = np.hypot(width, height) / 2

    def weight(face):
        x, y, w, h = face["box"]
        distance = np.hypot(x + w / 2 - width / 2, y + h / 2 - height / 2) / half_diagonal
        return w * h / (1 + 4 * distance**2)

    return max(faces, key=weight, default=None)


def similarity_transform(source, target):
    """The 2x3 matrix of the rotation, uniform scale and shift that maps the `source` points to `target` with the
    smallest sum of squared distances (Umeyama; in a plane this is one complex regression)."""
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    p = (source - source.mean(axis=0)) @ np.array([1, 1j])
    q = (target - target.mean(axis=0)) @ np.array([1, 1j])
    factor = np.vdot(p, q) / np.vdot(p, p)
    linear = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([linear, target.mean(axis=0) - linear @ source.mean(axis=0)])


def bilinear(pixels, x, y):
    """Samples the pixels at the points. A neighbour outside the photo is black."""
    height, width = pixels.shape[:2]
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    result = np.zeros(x.shape + (pixels.shape[2],))
    for column, across in ((left, left + 1 - x), (left + 1, x - left)):
        for row, down in ((top, top + 1 - y), (top + 1, y - top)):
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            weight = np.where(inside, across * down, 0.0)
            result += weight[..., None] * pixels[row.clip(0, height - 1), column.clip(0, width - 1)]
    return result


def crop(rgb, matrix, samples=1):
    """The aligned crop, float64 [112, 112, 3] of 0..255: each pixel the mean of `samples` x `samples` bilinear
    samples spread evenly over its area. With 1 it is plain bilinear sampling."""
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    offsets = (np.arange(samples) + 0.5) / samples - 0.5
    grid = np.arange(CROP_SIZE)
    total = np.zeros((CROP_SIZE, CROP_SIZE, 3))
    for dy in offsets:
        for dx in offsets:
            u, v = np.meshgrid(grid + dx, grid + dy)
            x = inverse[0, 0] * u + inverse[0, 1] * v + inverse[0, 2]
            y = inverse[1, 0] * u + inverse[1, 1] * v + inverse[1, 2]
            total += bilinear(rgb, x, y)
    return total / samples**2


def samples_for(matrix):
    """The samples per side for the area of a crop's pixel: two per photo pixel if the photo is reduced, else one."""
    shrink = 1 / np.hypot(matrix[0, 0], matrix[1, 0])
    return 1 if shrink <= 1 else int(np.ceil(2 * shrink))


class Embedder:
    """One of the two embedders, by name."""

    def __init__(self, name, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.mean, self.deviation = NORMALISATION[name]
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def embed(self, crop_rgb):
        """The embedding of an aligned crop (RGB, 0..255), scaled to unit length, float64."""
        normal = (np.asarray(crop_rgb, np.float64) - self.mean) / self.deviation
        tensor = np.ascontiguousarray(normal.transpose(2, 0, 1)[None].astype(np.float32))
        raw = self.session.run(None, {self.input: tensor})[0][0].astype(np.float64)
        return raw / np.linalg.norm(raw)


class Pipeline:
    """All steps from a photo to its embedding. `area` averages over the area of each pixel of the crop."""

    def __init__(self, embedder="sface", size=640, area=False, folders=None):
        folders = folders or model_folders()
        self.detector = Detector(find_model(DETECTOR_SHA256, folders))
        self.embedder = Embedder(embedder, find_model(EMBEDDER_SHA256[embedder], folders))
        self.size, self.area = size, area

    def embed_at(self, rgb, landmarks, area):
        """The embedding of the face with these landmarks."""
        matrix = similarity_transform(landmarks, TEMPLATE)
        return self.embedder.embed(crop(rgb, matrix, samples_for(matrix) if area else 1))

    def embedding(self, path):
        """The embedding of the subject of a photo file, or None when no face is found in it."""
        rgb = decode(path)
        face = subject(self.detector.in_photo(rgb, self.size), rgb.shape)
        return None if face is None else self.embed_at(rgb, face["landmarks"], self.area)
