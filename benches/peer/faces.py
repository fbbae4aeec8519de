"""Computes the embedding of the face in a photo with OpenCV and ONNX Runtime, in the variants `careful`, `prepared` and
`usual` that README.md describes."""

import math
import struct
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

# The positions of the five landmarks in a crop of 112 x 112.
FRAME = np.array([38.2946 + 51.6963j, 73.5318 + 51.5014j, 56.0252 + 71.7366j, 41.5493 + 92.3655j, 70.7299 + 92.2041j])
CROP = (112, 112)

MIN_SCORE = 0.6
MAX_OVERLAP = 0.3
# A second face may have at most this share of the subject's area.
MAX_SECOND_SHARE = 0.4
MAX_PIXELS = 40_000_000

DETECTOR_SIDE = 320
# A photo is decoded at a half, a quarter or an eighth of its size if its longer side keeps at least this many pixels.
MIN_DECODED_SIDE = 640
REDUCED = ((8, cv2.IMREAD_REDUCED_COLOR_8), (4, cv2.IMREAD_REDUCED_COLOR_4), (2, cv2.IMREAD_REDUCED_COLOR_2))

# SFace as published, and with its PRelu operators in the form that ONNX Runtime computes faster.
SFACE = {"careful": "sface.original.onnx", "prepared": "sface.onnx", "usual": "sface.original.onnx"}


class Unusable(Exception):
    """A photo that cannot be compared, with the reason and the reason code of the answer."""


def declared_size(photo):
    """Width and height in the header of a JPEG or PNG."""
    if photo.startswith(b"\x89PNG"):
        return struct.unpack_from(">II", photo, 16)
    at = 2
    while at + 9 <= len(photo):
        marker = photo[at + 1]
        if photo[at] != 0xFF:
            break
        # Start of frame, of any coding.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", photo, at + 5)
            return width, height
        # A fill byte, a marker without a length, or a segment to skip.
        at += 1 if marker == 0xFF else 2 if 0xD0 <= marker <= 0xD8 else 2 + (photo[at + 2] << 8 | photo[at + 3])
    raise unreadable()


def unreadable():
    return Unusable("face_image cannot be decoded", "IMAGE_UNREADABLE")


def decode(photo, reduced):
    """The photo's upright pixels; with `reduced`, at a smaller size if enough pixels are left."""
    try:
        width, height = declared_size(photo)
    except struct.error:
        raise unreadable() from None
    if width * height > MAX_PIXELS:
        raise Unusable("face_image is too large", "IMAGE_TOO_LARGE")
    how = cv2.IMREAD_COLOR
    if reduced and photo.startswith(b"\xff\xd8"):
        longer = max(width, height)
        how = next((flag for part, flag in REDUCED if longer >= part * MIN_DECODED_SIDE), how)
    pixels = cv2.imdecode(np.frombuffer(photo, np.uint8), how)
    if pixels is None:
        raise unreadable()
    return pixels


def fitted(pixels, side):
    """The photo with its longer side scaled to `side`, and the factors that scale coordinates back."""
    height, width = pixels.shape[:2]
    factor = side / max(width, height)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR), np.array([width / size[0], height / size[1]])


def session(path, threads):
    """A model on the processor. With `threads` None, ONNX Runtime's own thread settings are used."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class SmallDetector:
    """YuNet in ONNX Runtime, which takes half the time of OpenCV's own network code, on an image of at most 320 pixels.

    The file is the OpenCV Zoo's second export of the same weights, whose input has no fixed size."""

    def __init__(self, folder):
        self.session = session(folder / "yunet.onnx", 1)
        kinds = ("cls", "obj", "bbox", "kps")
        self.outputs = [f"{kind}_{stride}" for stride in (8, 16, 32) for kind in kinds]

    def faces(self, pixels):
        """Boxes [n, 4], landmarks [n, 5] as complex numbers, both in the photo's pixels."""
        small, back = fitted(pixels, DETECTOR_SIDE)
        height, width = small.shape[:2]
        below, beside = -height % 32, -width % 32
        if below or beside:
            small = cv2.copyMakeBorder(small, 0, below, 0, beside, cv2.BORDER_CONSTANT)
        outputs = self.session.run(self.outputs, {"input": cv2.dnn.blobFromImage(small)})
        columns = small.shape[1]
        scores, boxes, landmarks = [], [], []
        for level, stride in enumerate((8, 16, 32)):
            classes, objects, offsets, points = (output[0] for output in outputs[4 * level : 4 * level + 4])
            product = (classes * objects)[:, 0]
            found = np.flatnonzero(product >= MIN_SCORE**2)
            if found.size == 0:
                continue
            cells = np.stack([found % (columns // stride), found // (columns // stride)], axis=1)
            size = np.exp(offsets[found, 2:]) * stride
            corner = (cells + offsets[found, :2]) * stride - size / 2
            scores.append(np.sqrt(product[found]))
            boxes.append(np.hstack([corner, size]))
            landmarks.append((points[found].reshape(-1, 5, 2) + cells[:, None]) * stride)
        if not scores:
            return np.empty((0, 4)), np.empty((0, 5), complex)
        scores, boxes, landmarks = np.concatenate(scores), np.concatenate(boxes), np.concatenate(landmarks)
        kept = cv2.dnn.NMSBoxes(boxes, scores, MIN_SCORE, MAX_OVERLAP)
        boxes, landmarks = boxes[kept] * np.tile(back, 2), (landmarks[kept] + 0.5) * back - 0.5
        return boxes, landmarks @ np.array([1, 1j])


class UsualDetector:
    """YuNet in OpenCV's own FaceDetectorYN, on an image of at most 640 pixels."""

    def __init__(self, folder):
        self.detector = cv2.FaceDetectorYN.create(
            str(folder / "yunet.original.onnx"), "", (640, 640), MIN_SCORE, MAX_OVERLAP
        )

    def faces(self, pixels):
        """As `SmallDetector.faces`."""
        small, back = fitted(pixels, 640)
        self.detector.setInputSize((small.shape[1], small.shape[0]))
        rows = self.detector.detect(small)[1]
        if rows is None:
            return np.empty((0, 4)), np.empty((0, 5), complex)
        landmarks = (rows[:, 4:14].reshape(-1, 5, 2) + 0.5) * back - 0.5
        return rows[:, :4] * np.tile(back, 2), landmarks @ np.array([1, 1j])


def subject(boxes, landmarks):
    """The landmarks of the subject's face."""
    if len(boxes) == 0:
        raise Unusable("No face detected in face_image", "NO_FACE")
    areas = boxes[:, 2] * boxes[:, 3]
    order = np.argsort(-areas)
    if len(order) > 1 and areas[order[1]] > MAX_SECOND_SHARE * areas[order[0]]:
        raise Unusable("More than one face detected in face_image", "SEVERAL_FACES")
    return landmarks[order[0]]


def align(pixels, landmarks):
    """The crop that brings the landmarks closest to those of the frame, by a complex linear regression."""
    centre, target = landmarks.mean(), FRAME.mean()
    away = landmarks - centre
    turn = np.vdot(away, FRAME - target) / np.vdot(away, away)
    shift = target - turn * centre
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    return cv2.warpAffine(pixels, matrix, CROP, flags=cv2.INTER_LINEAR)


class Faces:
    """All steps of the pipeline, in the variant `careful`, `prepared` or `usual`."""

    def __init__(self, variant, folder):
        folder = Path(folder)
        self.usual = variant == "usual"
        if not self.usual:
            cv2.setNumThreads(1)
        self.detector = UsualDetector(folder) if self.usual else SmallDetector(folder)
        self.session = session(folder / SFACE[variant], None if self.usual else 1)

    def run(self, crop):
        """The embedding of a crop, not normalised. SFace takes the colours in the order red, green, blue."""
        return self.session.run(None, {"data": cv2.dnn.blobFromImage(crop, swapRB=True)})[0][0]

    def embed(self, crop):
        """The embedding of a crop, normalised to length 1."""
        embedding = self.run(crop)
        if self.usual:
            embedding = embedding + self.run(cv2.flip(crop, 1))
        return embedding / math.sqrt(np.dot(embedding, embedding))

    def examine(self, photo):
        """The embedding of the face in an encoded photo. Raises `Unusable`."""
        pixels = decode(photo, reduced=not self.usual)
        return self.embed(align(pixels, subject(*self.detector.faces(pixels))))
