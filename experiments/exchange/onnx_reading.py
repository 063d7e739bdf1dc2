"""Models from ONNX: what lstmcore wrote to the bit, and of others chains of LSTM and dense layers.

A file may come from anybody: its size is limited, data outside it are refused, shapes are checked against
what is expected, and what a foreign graph is taken for must compute what the graph does.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from lstmcore import LSTM, Layer, Linear, Logistic, Network, Softmax, Tanh, predict
from lstmcore.experiments.errors import InputError, shown, unreadable
from lstmcore.experiments.exchange.imported import Imported, array_in, custom, read_back
from lstmcore.experiments.exchange.onnx_computing import NotComputed, Request, Run, computed
from lstmcore.experiments.exchange.onnx_files import MODEL_KEY
from lstmcore.experiments.exchange.onnx_graph import GATES, PEEPHOLES, parameter_name
from lstmcore.experiments.files import from_json, read_plain
from lstmcore.features.errors import printable
from lstmcore.layers import BLSTM, BlockLayer, Convolution
from lstmcore.network import Architecture

Array = NDArray[Any]

_SHAPING = ("Identity", "Cast", "Dropout", "Squeeze", "Unsqueeze", "Transpose", "Reshape")
_ACTIVATIONS: dict[str, type[Layer]] = {"Tanh": Tanh, "Sigmoid": Logistic, "Softmax": Softmax}
_READ = ("LSTM", "MatMul", "Gemm", "Add", *_ACTIVATIONS, *_SHAPING)
_FRAMES, _MOST_DIFFERENCE = 5, 1e-4  # of the comparison with the graph
_MOST_NODES = 100_000
_DOMAINS = ("", "ai.onnx")


def read_onnx(file: Path) -> Imported:
    """Read a model from a file of ONNX.

    Raises
    ------
    InputError
        If it can't be read, is damaged, keeps data elsewhere, or computes what no model does.
    """
    model = _loaded(file)
    arrays = _arrays(file, model.graph)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    if MODEL_KEY in facts:
        card = model.doc_string if model.doc_string.startswith("# ") else None
        return replace(_own(file, facts[MODEL_KEY], arrays), card=card)
    return _foreign(file, model, arrays)


def _loaded(file: Path) -> onnx.ModelProto:
    try:
        content = read_plain(file)
    except OSError as error:
        raise unreadable(file, error) from None
    try:
        model = onnx.load_model_from_string(content)
    except Exception:  # noqa: BLE001 - protobuf's own, which has no other name here
        raise InputError(f"{printable(file)}: damaged, or no file of ONNX") from None
    if not _is_text(model):
        raise InputError(f"{printable(file)}: damaged: a name or description in it is no text (UTF-8)")
    if not model.graph.node:
        raise InputError(f"{printable(file)}: damaged, or no file of ONNX: there is no node in its graph")
    if len(model.graph.node) > _MOST_NODES:
        raise InputError(f"{printable(file)}: {len(model.graph.node)} nodes; expected at most {_MOST_NODES}")
    foreign = [n for n in model.graph.node if n.domain not in _DOMAINS]
    if foreign:
        raise InputError(
            f"{printable(file)}: node {shown(foreign[0].name)} is of {shown(foreign[0].domain)}; "
            "expected nodes of ONNX's own"
        )
    if not model.graph.output:
        raise InputError(f"{printable(file)}: its graph has no output; expected one")
    inner = [n for n in model.graph.node if any(a.HasField("g") or a.graphs for a in n.attribute)]
    if inner or model.functions or model.graph.sparse_initializer:
        what = f"node {inner[0].name!r} ({inner[0].op_type})" if inner else "a function or sparse array"
        raise InputError(f"{printable(file)}: {what} in its graph; expected plain nodes and arrays")
    tensors = [*model.graph.initializer, *(a.t for node in model.graph.node for a in node.attribute)]
    for tensor in tensors:
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise InputError(
                f"{printable(file)}: {tensor.name!r} lies in another file; expected one file with all "
                "its data (onnx.save_model with save_as_external_data=False)"
            )
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise InputError(f"{printable(file)}: no valid graph: {str(error).splitlines()[0]}") from None
    return model


def _is_text(message: Any) -> bool:
    """Whether all texts in a message are: protobuf gives bytes for what is no UTF-8."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            texts = [value] if isinstance(value, str | bytes) else value
            if any(isinstance(text, bytes) for text in texts):
                return False
        if field.type == field.TYPE_MESSAGE:
            inner = [value] if hasattr(value, "ListFields") else value
            if not all(_is_text(one) for one in inner):
                return False
    return True


def _arrays(file: Path, graph: onnx.GraphProto) -> dict[str, Array]:
    found = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            found[node.output[0]] = node.attribute[0].t
    arrays = {}
    for name, tensor in found.items():
        try:
            arrays[name] = numpy_helper.to_array(tensor)
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{printable(file)}: {name!r} is damaged: {error}") from None
    return arrays


def _own(file: Path, text: str, arrays: dict[str, Array]) -> Imported:
    try:
        content = from_json(text)
    except ValueError:
        raise InputError(f"{printable(file)}: its metadata {MODEL_KEY} aren't valid JSON") from None

    def pieces_of(place: int, number: int, layer: Layer, inputs: int) -> dict[str, Array]:
        def one(name: str, *shape: int) -> Array:
            return array_in(file, arrays, parameter_name(place, number, name), shape)

        if isinstance(layer, LSTM | BLSTM):
            directions = 2 if isinstance(layer, BLSTM) else 1
            units = layer.size // directions
            shapes = {"W": (4 * units, inputs), "R": (4 * units, units), "B": (8 * units,), "P": (3 * units,)}
            return lstm_pieces({n: one(n, directions, *shape) for n, shape in shapes.items()})
        if isinstance(layer, Convolution):
            times, bands, channels = layer.window_shape
            weights = one("W", layer.filters, channels, times, bands)
            return {"W": np.transpose(weights, (0, 2, 3, 1)), "b": one("b", layer.filters)}
        if isinstance(layer, BlockLayer):
            return {}
        return {"W": one("W", inputs, layer.size).T, "b": one("b", layer.size)}

    def scaler_of(place: int, name: str, length: int) -> Array:
        return array_in(file, arrays, parameter_name(place, -1, name), (length,))

    quantiles = None
    if "quantiles" in arrays:
        names = content.get("feature_names") if isinstance(content, dict) else None
        columns = len(names) if isinstance(names, list) else 0
        table = array_in(file, arrays, "quantiles", arrays["quantiles"].shape)
        if not columns or table.ndim != 1 or not len(table) or len(table) % columns:
            raise InputError(f"{printable(file)}: quantiles has shape {table.shape}; expected some a feature")
        table = table.reshape(columns, -1).T
        quantiles = table[np.isfinite(table).all(1)]
    values = sum(array.size for array in arrays.values())
    return read_back(file, content, pieces_of, scaler_of, quantiles, values)


def lstm_pieces(tensors: dict[str, Array]) -> dict[str, Array]:
    """Return the parameters of an LSTM layer, from ONNX's W, R, B and P, a row for each direction."""
    directions, units = tensors["W"].shape[0], tensors["R"].shape[2]

    def ours(array: Array, order: list[int]) -> Array:
        parts = array.reshape(directions, len(order), units, *array.shape[2:])
        parts = np.moveaxis(parts, 0, 1)[np.argsort(order)]
        return parts.reshape(len(order), directions * units, *array.shape[2:])

    inputs, recurrent = np.split(tensors["B"], 2, axis=1)
    bias = inputs + recurrent if recurrent.any() else inputs
    return {
        "W": ours(tensors["W"], GATES),
        "R": ours(tensors["R"], GATES),
        "b": ours(bias, GATES),
        "p": ours(tensors["P"], PEEPHOLES),
    }


def _foreign(file: Path, model: onnx.ModelProto, arrays: dict[str, Array]) -> Imported:
    """Walk from the output to the input, over layers that a network here has."""
    graph = model.graph
    made_by = {name: node for node in graph.node for name in node.output}
    given = {one.name: one for one in graph.input if one.name not in arrays}
    layers: list[Layer] = []
    pieces: list[dict[str, Array]] = []
    value, kind, bias = graph.output[0].name, None, None
    seen: set[str] = set()
    while value not in given:
        node = made_by.get(value)
        if node is None or value in seen:
            raise InputError(
                f"{printable(file)}: no way from its output to an input: {value!r} comes from nowhere"
            )
        seen.add(value)
        step = _Step(file, node, arrays)
        if node.op_type in _SHAPING:
            value = node.input[0]
        elif node.op_type in _ACTIVATIONS and kind is None and bias is None:
            kind, value = _ACTIVATIONS[node.op_type], node.input[0]
        elif node.op_type == "Add" and bias is None:
            bias, value = step.constant_and_other()
        elif node.op_type in ("MatMul", "Gemm"):
            weights, own_bias, value = step.dense()
            size = len(weights)
            bias = own_bias if bias is None else bias
            layers.append((kind or Linear)(size))
            pieces.append({"W": weights, "b": np.zeros(size) if bias is None else _of(step, bias, size)})
            kind = bias = None
        elif node.op_type == "LSTM" and kind is None and bias is None:
            found = step.lstm(value)
            layers.append(BLSTM(found["b"].shape[1]) if len(step.weights) == 2 else LSTM(found["b"].shape[1]))
            pieces.append(found)
            value = node.input[0]
        else:
            raise step.refused()
    if not layers:
        raise InputError(f"{printable(file)}: no layer on the way from {value!r} to its output")
    if kind is not None or bias is not None:
        raise InputError(f"{printable(file)}: something is added or squashed before the first layer")
    layers, pieces = layers[::-1], pieces[::-1]
    inputs = pieces[0]["W"].shape[-1]
    result = custom(file, inputs, layers, pieces, model.producer_name or "ONNX")
    network = Network(Architecture(inputs, tuple(layers)), result.tensors["weights"][0])
    _compare(file, model, given[value], network)
    return result


def _of(step: _Step, bias: Array, size: int) -> Array:
    if bias.size not in (1, size):
        raise InputError(f"{step.place} adds {bias.size} values to {size}; expected as many")
    return np.broadcast_to(bias.ravel(), (size,))


class _Step:
    """One node on the way."""

    def __init__(self, file: Path, node: onnx.NodeProto, arrays: dict[str, Array]) -> None:
        self._file, self._node, self._arrays = file, node, arrays
        self.place = f"{printable(file)}: node {node.name or node.output[0]!r} ({node.op_type})"
        try:
            self.attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        except ValueError:  # of a function's parameter, or of no type that there is
            raise InputError(f"{self.place}: an attribute has no value of its own; expected one") from None
        self.weights: Array = np.empty(0)

    def refused(self) -> InputError:
        """Say that there is no such layer here."""
        return InputError(
            f"{self.place} is none of what a network here computes at this place; expected a chain of "
            f"{', '.join(_READ)}"
        )

    def _constant(self, index: int) -> Array | None:
        name = self._node.input[index] if index < len(self._node.input) else ""
        if not name:
            return None
        if name not in self._arrays:
            raise InputError(f"{self.place}: its input {name!r} isn't a constant of the file")
        array = self._arrays[name]
        if array.dtype not in (np.float16, np.float32, np.float64):
            raise InputError(f"{self.place}: {name!r} is {array.dtype}; expected numbers of a float type")
        return array

    def constant_and_other(self) -> tuple[Array, str]:
        """Return what is added, and to what."""
        first, second = self._node.input
        if (first in self._arrays) == (second in self._arrays):
            raise self.refused()
        found = self._constant(0 if first in self._arrays else 1)
        assert found is not None
        return found, second if first in self._arrays else first

    def dense(self) -> tuple[Array, Array | None, str]:
        """Return weights (outputs, inputs), bias and what they are applied to."""
        weights, bias = self._constant(1), None
        if weights is None or weights.ndim != 2:
            raise self.refused()
        if self._node.op_type == "MatMul":
            return weights.T, None, self._node.input[0]
        if self.attributes.get("transA", 0):
            raise self.refused()
        bias = self._constant(2)
        weights = weights if self.attributes.get("transB", 0) else weights.T
        alpha, beta = (np.float32(self.attributes.get(name, 1.0)) for name in ("alpha", "beta"))
        return (
            alpha * weights,
            None if bias is None else _of(self, beta * bias, len(weights)),
            self._node.input[0],
        )

    def lstm(self, value: str) -> dict[str, Array]:
        """Return the parameters of an LSTM layer."""
        node, told = self._node, self.attributes
        if value != node.output[0]:
            raise InputError(f"{self.place}: only the last step is used; expected the outputs of all steps")
        direction = told.get("direction", b"forward").decode()
        kinds = [b"Sigmoid", b"Tanh", b"Tanh"] * (2 if direction == "bidirectional" else 1)
        if direction not in ("forward", "bidirectional"):
            raise InputError(f"{self.place}: direction is {direction}; expected forward or bidirectional")
        if told.get("activations", kinds) != kinds or told.get("input_forget", 0) or "clip" in told:
            raise InputError(
                f"{self.place}: other activations, clip or input_forget than those of a plain LSTM"
            )
        given = {name: self._constant(k) for name, k in (("W", 1), ("R", 2), ("B", 3), ("P", 7))}
        w, r = given["W"], given["R"]
        if w is None or r is None or w.ndim != 3 or r.ndim != 3 or r.shape[:2] != w.shape[:2]:
            raise InputError(f"{self.place}: W and R don't fit each other")
        directions, units = len(kinds) // 3, r.shape[2]
        shapes = {"W": (4 * units, w.shape[2]), "R": (4 * units, units), "B": (8 * units,), "P": (3 * units,)}
        self.weights = w
        tensors = {}
        for name, shape in shapes.items():
            array = given[name]
            wanted = (directions, *shape)
            if array is not None and array.shape != wanted:
                raise InputError(f"{self.place}: {name} has shape {array.shape}; expected {wanted}")
            tensors[name] = np.zeros(wanted, np.float32) if array is None else array
        return lstm_pieces(tensors)


def _compare(file: Path, model: onnx.ModelProto, given: onnx.ValueInfoProto, network: Network) -> None:
    """See that a network computes what a graph does, on one sequence of random numbers."""
    sizes = _sizes(given)
    inputs = network.architecture.input_size
    if len(sizes) not in (2, 3) or sizes[-1] not in (0, inputs):
        raise InputError(
            f"{printable(file)}: its input {given.name!r} has shape {sizes}; expected frames of {inputs} "
            "values"
        )
    others = {
        one.name: [size or 1 for size in _sizes(one)] for one in model.graph.input if one.name != given.name
    }
    runs = [
        Run(tuple(size or (_FRAMES if k == axis else 1) for k, size in enumerate(sizes[:-1])), axis)
        for axis in range(len(sizes) - 1)
    ]
    try:
        outputs = computed(Request(str(file.absolute()), given.name, inputs, others, runs))
    except NotComputed as error:
        raise InputError(f"{printable(file)}: can't be computed: {error}") from None
    away = []
    for run, found in zip(runs, outputs, strict=True):
        frames = run.shape[run.axis]
        wanted = predict(network, run.sequence(inputs))
        if found.size and found.size % wanted.size == 0 and found.shape[-1] == wanted.shape[-1]:
            for spot in [k for k, n in enumerate(found.shape[:-1]) if n == frames]:
                one_sequence = np.moveaxis(found, spot, 0).reshape(frames, -1, wanted.shape[-1])[:, 0]
                away.append(float(np.abs(one_sequence - wanted).max()))
    if not away or not min(away) <= _MOST_DIFFERENCE:
        by = f"differs by {min(away):.2g}" if away else "has another shape"
        raise InputError(
            f"{printable(file)}: its graph computes something else than its LSTM and dense layers in a row: "
            f"the result {by}"
        )


def _sizes(given: onnx.ValueInfoProto) -> list[int]:
    """Return the sizes of an input; 0 where one is left open."""
    return [max(0, size.dim_value) for size in given.type.tensor_type.shape.dim]
