"""The experiment on the browser's rounding: twice 8 bits compute what 16 bits would."""
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info

from experiments.browser_precision import add_rests
from runtime.onnx_files import open_session
from runtime.onnx_graphs import OPSET
from runtime.onnx_int8 import quantize_products

WEIGHT = np.random.default_rng(0).integers(-64, 65, (32, 8)).astype(np.float32)
WEIGHT[0] = 64  # so that 8 bits hold the weights exactly


def product() -> onnx.ModelProto:
    """A graph of one product, x (T, 32) @ WEIGHT."""
    graph = make_graph([make_node("MatMul", ["x", "weight"], ["y"], name="/product/MatMul")], "graph",
                       [make_tensor_value_info("x", TensorProto.FLOAT, ["T", 32])],
                       [make_tensor_value_info("y", TensorProto.FLOAT, ["T", 8])],
                       [numpy_helper.from_array(WEIGHT, "weight")])
    return make_model(graph, opset_imports=[make_opsetid("", OPSET)], ir_version=10)


@pytest.mark.parametrize("lowest", [None, -0.17])
def test_the_rest_of_the_first_rounding_is_added(lowest) -> None:
    x = np.random.default_rng(1).standard_normal((50, 32)).astype(np.float32)
    x = x if lowest is None else np.maximum(x, np.float32(lowest))
    errors = []
    for change in (lambda network: None, add_rests):
        network = product()
        quantize_products(network, {"/product/MatMul": lowest})
        change(network)
        y, = open_session(Path("product.onnx"), network.SerializeToString(), 1).run(None, {"x": x})
        errors.append(np.sqrt(np.square(y - x @ WEIGHT).mean()))
    assert errors[0] > 0.3 and errors[1] < errors[0] / 150
