"""A small network of one's own: the mean of each channel in each quarter of a picture, and a seeded projection."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LENGTH = 8


def projection(seed=1):
    """What the twelve means are multiplied with, float32 (12, LENGTH)."""
    return np.random.default_rng(seed).normal(size=(12, LENGTH)).astype(np.float32)


def save_network(place, size, layout="NCHW", batch="n", seed=1):
    """Write the network for pictures of a size, and return where it is."""
    width, height = size
    shape = [batch, 3, height, width] if layout == "NCHW" else [batch, height, width, 3]
    first = [] if layout == "NCHW" else [helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2])]
    half = [height // 2, width // 2]
    nodes = [
        *first,
        helper.make_node("AveragePool", [first[0].output[0] if first else "pixels"], ["quarters"],
                         kernel_shape=half, strides=half),
        helper.make_node("Flatten", ["quarters"], ["means"]),
        helper.make_node("MatMul", ["means", "weights"], ["vector"]),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "own",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, [batch, LENGTH])],
        [numpy_helper.from_array(projection(seed), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(place))
    return str(place)
