"""Makes SFace smaller without training, and prints how many pairs of one person it misses then, and its time.

    pip install numpy onnx onnxruntime opencv-python-headless
    python tools/evaluation/smaller_sface.py SFACE.onnx YUNET.onnx PAIRS.csv ROOT FOLDER...

SFACE.onnx is the published embedder. Its 1x1 convolutions from `conv_5_conv2d` on are made smaller in two ways, layer by
layer: by two convolutions of a lower rank, or by leaving out channels before them. Both are fitted by least squares to what
the layer computed in the published network, on 80 photos of each FOLDER, with the inputs that the layers before it now give.
Channels are left out one by one: the one whose loss the others can make up for best.

Missed pairs are those of one person below the cosine that one of 10,000 pairs of two persons reaches: all pairs of the
photos that PAIRS.csv names under ROOT, without those of lfw_errata.csv and with the names of lfw_aliases.csv as one. Faces
are detected by OpenCV and aligned by five landmarks. The time is processor time of one thread for a face, first decile of
100, the models in turn.
"""

import csv
import sys
import time
from pathlib import Path

import cv2
import int8_ranges
import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

int8_ranges.PHOTOS = 80
LAYERS = range(5, 15)
# The share of the multiplications of these layers that remains.
RANKS = [0.75, 0.5, 0.35]
# The share of their input channels that remains.
CHANNELS = [0.875, 0.75, 0.6]
# Of the mean variance of a layer's inputs; keeps the least squares solvable.
RIDGE = 1e-4
FALSE_MATCHES = 1e-4


class Network:
    """A graph whose weights can be replaced."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = onnx.ModelProto.FromString(model.SerializeToString())
        self.tensors = {tensor.name: tensor for tensor in self.model.graph.initializer}

    def get(self, name: str) -> np.ndarray:
        return numpy_helper.to_array(self.tensors[name])

    def set(self, name: str, value: np.ndarray) -> None:
        value = np.ascontiguousarray(value, np.float32)
        if name in self.tensors:
            self.tensors[name].CopyFrom(numpy_helper.from_array(value, name))
            return
        self.model.graph.initializer.append(numpy_helper.from_array(value, name))
        self.tensors[name] = self.model.graph.initializer[-1]

    def node(self, name: str) -> onnx.NodeProto:
        return next(node for node in self.model.graph.node if node.name == name)

    def session(self, outputs: list[str] | None = None) -> onnxruntime.InferenceSession:
        model = onnx.ModelProto.FromString(self.model.SerializeToString())
        inputs = [value for value in model.graph.input if value.name not in self.tensors]
        del model.graph.input[:]
        model.graph.input.extend(inputs)
        # The shapes that the file states are those of the published network.
        del model.graph.value_info[:]
        for name in outputs or []:
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def lower_rank(self, layer: str, first: np.ndarray, second: np.ndarray, bias: np.ndarray) -> None:
        """Replaces a 1x1 convolution by two."""
        node = self.node(layer)
        between = f"{layer}/low_rank"
        for name, weights in [(f"{layer}/first", first), (f"{layer}/second", second)]:
            self.set(name, weights[:, :, None, None])
        self.set(f"{layer}/bias", bias)
        at = next(at for at, other in enumerate(self.model.graph.node) if other.name == layer)
        first_input = [node.input[0], f"{layer}/first"]
        project = onnx.helper.make_node("Conv", first_input, [between], f"{layer}/first", kernel_shape=[1, 1])
        self.model.graph.node.insert(at, project)
        del node.input[:]
        node.input.extend([between, f"{layer}/second", f"{layer}/bias"])

    def refit(self, layer: str, weights: np.ndarray, bias: np.ndarray) -> None:
        """Replaces the weights of a 1x1 convolution, which gets a bias."""
        node = self.node(layer)
        self.set(node.input[1], weights[:, :, None, None])
        self.set(f"{layer}/bias", bias)
        del node.input[2:]
        node.input.append(f"{layer}/bias")

    def keep_channels(self, number: int, kept: np.ndarray) -> None:
        """Leaves out the other channels before layer `number`, up to the 1x1 convolution of the layer before."""
        before = f"conv_{number - 1}_conv2d"
        for name in self.node(before).input[1:]:
            self.set(name, self.get(name)[kept])
        self.set(f"conv_{number}_dw_conv2d_weight", self.get(f"conv_{number}_dw_conv2d_weight")[kept])
        for attribute in self.node(f"conv_{number}_dw_conv2d").attribute:
            if attribute.name == "group":
                attribute.i = len(kept)
        for part in [f"conv_{number - 1}", f"conv_{number}_dw"]:
            for name in ["gamma", "beta", "moving_mean", "moving_var"]:
                self.set(f"{part}_batchnorm_{name}", self.get(f"{part}_batchnorm_{name}")[kept])
            self.set(f"{part}_relu_gamma", self.get(f"{part}_relu_gamma")[kept])


class Moments:
    """Of inputs and wanted outputs of a layer, over all places of all faces."""

    def __init__(self, inputs: list[np.ndarray], outputs: list[np.ndarray]) -> None:
        flat = [
            (x[0].reshape(x.shape[1], -1).astype(np.float64), y[0].reshape(y.shape[1], -1).astype(np.float64))
            for x, y in zip(inputs, outputs, strict=True)
        ]
        count = sum(x.shape[1] for x, _ in flat)
        self.x = sum(x.sum(1) for x, _ in flat) / count
        self.y = sum(y.sum(1) for _, y in flat) / count
        self.xx = sum(x @ x.T for x, _ in flat) / count - np.outer(self.x, self.x)
        self.yx = sum(y @ x.T for x, y in flat) / count - np.outer(self.y, self.x)
        self.xx += RIDGE * np.trace(self.xx) / len(self.x) * np.eye(len(self.x))


def ranks(moments: Moments, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two factors and a bias that come closest to the outputs, for this share of the multiplications."""
    weights = np.linalg.solve(moments.xx, moments.yx.T).T
    rank = int(share * weights.size / sum(weights.shape)) // 8 * 8
    _, vectors = np.linalg.eigh(weights @ moments.xx @ weights.T)
    second = vectors[:, -rank:]
    first = second.T @ weights
    return first, second, moments.y - second @ (first @ moments.x)


def channels(moments: Moments, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The channels that remain, their weights, and a bias."""
    weights = np.linalg.solve(moments.xx, moments.yx.T).T
    inverse = np.linalg.inv(moments.xx)
    kept = np.arange(len(moments.x))
    wanted = int(share * len(kept)) // 8 * 8
    while len(kept) > wanted:
        # The error that remains once the others have made up for a channel.
        at = int(np.argmin((weights**2).sum(0) / np.diag(inverse)))
        weights = weights - np.outer(weights[:, at], inverse[at]) / inverse[at, at]
        inverse = inverse - np.outer(inverse[:, at], inverse[at]) / inverse[at, at]
        rest = np.arange(len(kept)) != at
        weights, inverse, kept = weights[:, rest], inverse[np.ix_(rest, rest)], kept[rest]
    return kept, weights, moments.y - weights @ moments.x[kept]


def smaller(model: onnx.ModelProto, faces: list[np.ndarray], wanted: list[list[np.ndarray]], way: str, share: float) -> Network:
    network = Network(model)
    for number, outputs in zip(LAYERS, wanted, strict=True):
        layer = f"conv_{number}_conv2d"
        source = network.node(layer).input[0]
        session = network.session([source])
        moments = Moments([session.run([source], {"data": face})[0] for face in faces], outputs)
        if way == "rank":
            network.lower_rank(layer, *ranks(moments, share))
        else:
            kept, weights, bias = channels(moments, share)
            network.keep_channels(number, kept)
            network.refit(layer, weights, bias)
    return network


def multiplications(network: Network, session: onnxruntime.InferenceSession, face: np.ndarray) -> float:
    """Millions, in convolutions and fully connected layers."""
    convolutions = [node for node in network.model.graph.node if node.op_type == "Conv"]
    shapes = network.session([node.output[0] for node in convolutions])
    values = shapes.run([node.output[0] for node in convolutions], {"data": face})
    total = sum(
        value.shape[2] * value.shape[3] * network.get(node.input[1]).size
        for node, value in zip(convolutions, values, strict=True)
    )
    return (total + network.get("pre_fc1_weight").size) / 1e6


def missed(embeddings: np.ndarray, people: np.ndarray) -> float:
    """The share of pairs of one person below the cosine that FALSE_MATCHES of the other pairs reach."""
    first, second = np.triu_indices(len(people), 1)
    cosines = (embeddings @ embeddings.T)[first, second]
    same = people[first] == people[second]
    mark = np.quantile(cosines[~same], 1 - FALSE_MATCHES)
    return float((cosines[same] < mark).mean())


def rows(file: Path | str) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with open(file) as text:
        return list(csv.DictReader(text))


def main() -> None:
    sface, yunet, pairs, root, *folders = sys.argv[1:]
    detector = cv2.FaceDetectorYN.create(yunet, "", (320, 320), 0.6, 0.3, 50)
    errata = {row["name"] for row in rows(Path(__file__).with_name("lfw_errata.csv"))}
    aliases = {row["other"]: row["name"] for row in rows(Path(__file__).with_name("lfw_aliases.csv"))}
    named = {path for row in rows(pairs) for path in (row["path_a"], row["path_b"])}
    paths = sorted(path for path in named if Path(path).stem not in errata)
    found = [(path, int8_ranges.crop(Path(root, path), detector)) for path in paths]
    found = [(path, face) for path, face in found if face is not None]
    names = [Path(path).parent.name for path, _ in found]
    people = np.unique([aliases.get(name, name) for name in names], return_inverse=True)[1]
    faces = int8_ranges.crops(detector, folders)
    print(f"{len(found)} of {len(paths)} photos have a face; fitted on {len(faces)} others", flush=True)

    model = onnx.load(sface)
    published = Network(model)
    layers = [f"conv_{number}_conv2d" for number in LAYERS]
    session = published.session(layers)
    wanted = [list(outputs) for outputs in zip(*(session.run(layers, {"data": face}) for face in faces), strict=True)]

    networks = {"published": published}
    for way, shares in [("rank", RANKS), ("channels", CHANNELS)]:
        for share in shares:
            networks[f"{way} {share}"] = smaller(model, faces, wanted, way, share)
            print(f"fitted {way} {share}", file=sys.stderr, flush=True)
    sessions = {name: network.session() for name, network in networks.items()}
    seconds: dict[str, list[float]] = {name: [] for name in sessions}
    for _, face in found[:100]:
        for name, session in sessions.items():
            began = time.process_time()
            session.run(None, {"data": face})
            seconds[name].append(time.process_time() - began)
    reference = None
    print("variant | multiplications, millions | ms | missed, % | mean cosine to the published")
    for name, session in sessions.items():
        embeddings = np.concatenate([session.run(None, {"data": face})[0] for _, face in found])
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        reference = embeddings if reference is None else reference
        cosine = (embeddings * reference).sum(1).mean()
        count = multiplications(networks[name], session, found[0][1])
        ms = 1000 * np.quantile(seconds[name], 0.1)
        print(f"{name} | {count:.0f} | {ms:.2f} | {100 * missed(embeddings, people):.2f} | {cosine:.4f}", flush=True)


if __name__ == "__main__":
    main()
