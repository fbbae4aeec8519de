"""Prints the ranges of a manifest's layers of 8 bits (`[openvino]`, `int8`), measured on photos.

    pip install numpy onnx onnxruntime opencv-python-headless
    python tools/evaluation/int8_ranges.py MODEL.onnx YUNET.onnx LAYER[,LAYER...] FOLDER...

MODEL.onnx is the published embedder. Of each folder, 40 photos are taken at random. Their faces are detected by OpenCV and
aligned by five landmarks. A range has 99.998 % of the values of a layer's input: a thousandth of a percent is left out at
each end. A `Gemm` gets a range around 0 with all values: signed integers take less time there.
"""

import random
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime

PHOTOS = 40
LEFT_OUT = 1e-5
FRAME = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The similarity transform that brings the source's points closest to the target's."""
    a, b = source - source.mean(0), target - target.mean(0)
    size = (a**2).sum()
    cosine, sine = (a * b).sum() / size, (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / size
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return np.hstack([turn, (target.mean(0) - turn @ source.mean(0))[:, None]])


def crop(path: Path, detector: cv2.FaceDetectorYN) -> np.ndarray | None:
    """The aligned face of a photo, red first; `None` without a face."""
    photo = cv2.imread(str(path))
    height, width = photo.shape[:2]
    scale = 320 / max(height, width)
    small = cv2.resize(photo, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    detector.setInputSize((small.shape[1], small.shape[0]))
    _, faces = detector.detect(small)
    if faces is None:
        return None
    face = max(faces, key=lambda face: face[2] * face[3]) / scale
    transform = similarity(face[4:14].reshape(5, 2).astype(np.float64), FRAME)
    reduction = 1 / np.hypot(*transform[:, 0])
    if reduction > 1.25:
        photo = cv2.GaussianBlur(photo, (0, 0), max(0.1, 0.45 * (reduction - 0.5)))
    aligned = cv2.warpAffine(photo, transform, (112, 112), flags=cv2.INTER_LINEAR)
    return aligned[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32)


def crops(detector: cv2.FaceDetectorYN, folders: list[str]) -> list[np.ndarray]:
    """The aligned faces of some photos of each folder."""
    photos = []
    for folder in folders:
        found = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in (".jpg", ".png"))
        photos += random.Random(1).sample(found, PHOTOS)
    return [face for face in (crop(path, detector) for path in photos) if face is not None]


def main() -> None:
    """Runs the model on the faces, with the inputs of the layers as further outputs."""
    model = onnx.load(sys.argv[1])
    detector = cv2.FaceDetectorYN.create(sys.argv[2], "", (320, 320), 0.6, 0.3, 50)
    layers = sys.argv[3].split(",")
    inputs = {node.name: node.input[0] for node in model.graph.node if node.name in layers}
    gemms = {node.name for node in model.graph.node if node.op_type == "Gemm"}
    for value in inputs.values():
        model.graph.output.append(onnx.helper.make_tensor_value_info(value, onnx.TensorProto.FLOAT, None))
    # Published files list their weights as inputs too, which ONNX Runtime warns of.
    onnxruntime.set_default_logger_severity(3)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    name = model.graph.input[0].name
    seen: dict[str, list[np.ndarray]] = {layer: [] for layer in layers}
    for face in crops(detector, sys.argv[4:]):
        values = session.run([inputs[layer] for layer in layers], {name: face})
        for layer, value in zip(layers, values, strict=True):
            seen[layer].append(value.ravel())
    for layer in layers:
        values = np.concatenate(seen[layer])
        low, high = np.quantile(values, [LEFT_OUT, 1 - LEFT_OUT])
        if layer in gemms:
            high = np.abs(values).max()
            low = -high
        print(f'    {{ layer = "{layer}", from = {low:.3g}, to = {high:.3g} }},')


if __name__ == "__main__":
    main()
