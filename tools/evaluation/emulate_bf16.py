"""Writes a model that computes in fp32 with the precision of bf16, to measure the effect of bf16 without such a
processor.

    pip install onnx==1.23.2
    python tools/evaluation/emulate_bf16.py IN.onnx OUT.onnx

Weights and the result of every layer are rounded to bf16. The sums within a layer are computed in fp32, as the
processor's instructions do. The input and the output stay fp32.
"""

import sys

import onnx
from onnx import TensorProto, helper, numpy_helper, version_converter

FIRST_WITH_BF16_CASTS = 13
ROUNDED = {"Conv", "Gemm", "MatMul", "Relu", "PRelu", "Add", "BatchNormalization"}


def rounded(array):
    """Rounds to the nearest bf16, ties to even."""
    bits = array.astype("float32").view("uint32")
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return bits.astype("uint32").view("float32")


def main(source, target):
    model = onnx.load(source)
    if model.opset_import[0].version < FIRST_WITH_BF16_CASTS:
        model = version_converter.convert_version(model, FIRST_WITH_BF16_CASTS)
    graph = model.graph
    outputs = {output.name for output in graph.output}
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(rounded(numpy_helper.to_array(tensor)), tensor.name))
    nodes = []
    for node in graph.node:
        nodes.append(node)
        if node.op_type not in ROUNDED:
            continue
        for index, name in enumerate(node.output):
            if name in outputs:
                continue
            node.output[index] = name + "/fp32"
            nodes.append(helper.make_node("Cast", [name + "/fp32"], [name + "/bf16"], to=TensorProto.BFLOAT16))
            nodes.append(helper.make_node("Cast", [name + "/bf16"], [name], to=TensorProto.FLOAT))
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, target)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
