"""PyTorch modules as graphs of the ONNX standard."""
import io
import warnings
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from runtime.packages import require_package

if TYPE_CHECKING:
    import onnx

OPSET = 20  # the first with Gelu
HALF_FROM = 1024  # elements: smaller tensors stay as they are, which costs nothing


@torch.no_grad()
def trace(module: nn.Module, inputs: dict[str, Tensor], outputs: tuple[str, ...],
          dynamic: dict[str, dict[int, str]]) -> "onnx.ModelProto":
    """Returns a module as a graph.

    inputs: an example of each argument of `forward`, in order; outputs: names of what it returns; dynamic: names of the
    axes of inputs and outputs whose lengths vary. Raises UserError if the package onnx is not installed.

    The graph is traced by the exporter of TorchScript. The other one, by torch.export, unrolls a GRU over the frames of
    the example, and needs another package.
    """
    require_package("onnx", "export as ONNX")
    import onnx
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of lengths that the trace may take as constants; each graph is tried
        torch.onnx.export(module.eval(), tuple(inputs.values()), buffer, input_names=list(inputs),
                          output_names=list(outputs), dynamic_axes=dynamic, opset_version=OPSET, dynamo=False)
    return onnx.load_from_string(buffer.getvalue())


def serialize(model: "onnx.ModelProto") -> bytes:
    """Returns a graph as bytes. Weights that half precision holds exactly, as it does released ones, are stored in it.

    The graph is changed by this.
    """
    _store_in_half(model)
    return model.SerializeToString(deterministic=True)


def _store_in_half(model: "onnx.ModelProto") -> None:
    """Stores the weights in half precision that it holds exactly, with a cast to float32 for each, in place.

    ONNX Runtime computes the casts once, when it loads the graph.
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < HALF_FROM or not (values == values.astype(np.float16)).all():
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [weight.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
