"""The same network as an ONNX graph, with our weights: what the benchmarks compare with.

ONNX's LSTM has our peepholes and counts its gates i, o, f, c (our z), its peepholes i, o, f.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lstmcore import Network

_OUR_GATE = [1, 3, 2, 0]  # of ONNX's gates i, o, f, c
_OUR_PEEPHOLE = [0, 2, 1]  # of ONNX's peepholes i, o, f; ours are i, f, o

States = dict[str, NDArray[np.floating]]


def onnx_model(network: Network) -> onnx.ModelProto:
    """Make a graph of LSTM layers and a linear output.

    Inputs are ``x`` [T, n, P] and of each LSTM layer the states before the first step, ``h0``, ``c0``,
    ``h1`` …, [1, n, E]; outputs are ``y`` [T, n, O] and the states after the last, ``h0_`` ….
    """
    a = network.architecture
    nodes, weights = [], {"first": np.array([1])}
    inputs, outputs = [_tensor("x", "T", "n", a.input_size)], [_tensor("y", "T", "n", a.output_size)]
    below = "x"
    for k, (layer, w) in enumerate(zip(a.layers[:-1], network.parameters[:-1], strict=True)):
        units = layer.size
        bias = np.concatenate([layer.bias * w["b"][_OUR_GATE].ravel(), np.zeros(4 * units, w["b"].dtype)])
        weights[f"W{k}"] = w["W"][_OUR_GATE].reshape(1, 4 * units, -1)
        weights[f"R{k}"] = w["R"][_OUR_GATE].reshape(1, 4 * units, -1)
        weights[f"B{k}"] = bias[None]
        weights[f"P{k}"] = w["p"][_OUR_PEEPHOLE].reshape(1, -1)
        given = [below, f"W{k}", f"R{k}", f"B{k}", "", f"h{k}", f"c{k}", f"P{k}"]
        nodes.append(helper.make_node("LSTM", given, [f"Y{k}", f"h{k}_", f"c{k}_"], hidden_size=units))
        nodes.append(helper.make_node("Squeeze", [f"Y{k}", "first"], [f"y{k}"]))
        below = f"y{k}"
        inputs += [_tensor(f"{state}{k}", 1, "n", units) for state in "hc"]
        outputs += [_tensor(f"{state}{k}_", 1, "n", units) for state in "hc"]
    weights["W"], weights["b"] = (
        network.parameters[-1]["W"].T.copy(),
        a.layers[-1].bias * network.parameters[-1]["b"],
    )
    nodes.append(helper.make_node("MatMul", [below, "W"], ["product"]))
    nodes.append(helper.make_node("Add", ["product", "b"], ["y"]))
    constants = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "network", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def _tensor(name: str, *shape: int | str) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def onnx_session(network: Network, threads: int) -> onnxruntime.InferenceSession:
    """Load the graph into ONNX Runtime on the processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    model = onnx_model(network).SerializeToString()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def no_states(network: Network, sequences: int) -> States:
    """Return the states before the first step, all 0."""
    units = [layer.size for layer in network.architecture.layers[:-1]]
    return {
        f"{state}{k}": np.zeros((1, sequences, e), network.dtype)
        for k, e in enumerate(units)
        for state in "hc"
    }


def bound(session: onnxruntime.InferenceSession, arrays: States) -> Any:
    """Bind inputs and outputs to arrays that stay where they are."""
    binding = session.io_binding()
    names = {node.name for node in session.get_inputs()}
    for name, array in arrays.items():
        bind = binding.bind_input if name in names else binding.bind_output
        bind(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
    return binding
