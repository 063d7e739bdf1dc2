"""A model as one graph of ONNX: from features as they are computed to the annotation's scale.

Names of what holds parameters say where they come from (`parameter_name`), so that they can be read back to
the bit.  What scales is computed in double precision, networks in single.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lstmcore import LSTM, Convolution, Layer, MaxPool, MeanPool
from lstmcore.experiments.exchange.selection import Member, Selection
from lstmcore.layers import BLSTM, BlockLayer

Array = NDArray[Any]

OPSET, IR_VERSION = 17, 9  # so that runtimes of 2022 read it
GATES = [1, 3, 2, 0]
"""Our gates z, i, f, o in ONNX's order i, o, f, c."""
PEEPHOLES = [0, 2, 1]
"""Our peepholes i, f, o in ONNX's order i, o, f."""
MOST_SCORE = 3.0

# Rational approximations of the normal quantile: M. J. Wichura, "Algorithm AS 241: the percentage points of
# the normal distribution", Applied Statistics 37, 1988 (PPND16), whose third range lies beyond MOST_SCORE.
# Coefficients of numerator and denominator, from the constant on.
_NEAR = np.array(
    [
        (3.3871328727963666080, 1.0),
        (133.14166789178437745, 42.313330701600911252),
        (1971.5909503065514427, 687.18700749205790830),
        (13731.693765509461125, 5394.1960214247511077),
        (45921.953931549871457, 21213.794301586595867),
        (67265.770927008700853, 39307.895800092710610),
        (33430.575583588128105, 28729.085735721942674),
        (2509.0809287301226727, 5226.4952788528545610),
    ]
).T
_FAR = np.array(
    [
        (1.42343711074968357734, 1.0),
        (4.63033784615654529590, 2.05319162663775882187),
        (5.76949722146069140550, 1.67638483018380384940),
        (3.64784832476320460504, 0.689767334985100004550),
        (1.27045825245236838258, 0.148103976427480074590),
        (0.241780725177450611770, 0.0151986665636164571966),
        (0.0227238449892691845833, 5.47593808499534494600e-4),
        (7.74545014278341407640e-4, 1.05075007164441684324e-9),
    ]
).T


def parameter_name(network: int, layer: int, piece: str) -> str:
    """Name what holds a parameter of a layer, or with layer −1 a scaler of a network."""
    return f"network.{network}.{piece}" if layer < 0 else f"network.{network}.layer.{layer}.{piece}"


class Graph:
    """A graph that grows: nodes and constants with names of their own."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Array] = {}

    def add(self, kind: str, *inputs: str, outputs: Sequence[str] | int = 1, **attributes: Any) -> str:
        """Add a node; return the name of its first output."""
        number = len(self.nodes)
        names = [f"{kind}_{number}_{k}" for k in range(outputs)] if isinstance(outputs, int) else [*outputs]
        self.nodes.append(helper.make_node(kind, list(inputs), names, f"{kind}_{number}", **attributes))
        return names[0]

    def constant(self, values: Any, dtype: Any = np.float64, name: str | None = None) -> str:
        """Add a constant; return its name."""
        array = np.ascontiguousarray(np.asarray(values, dtype))
        if name is None:
            known = [n for n, a in self.constants.items() if n.startswith("constant_") and _same(a, array)]
            name = known[0] if known else f"constant_{len(self.constants)}"
        self.constants[name] = array
        return name

    def integers(self, *values: int) -> str:
        """Add whole numbers."""
        return self.constant(values, np.int64)

    def cast(self, x: str, to: int) -> str:
        """Change the precision."""
        return self.add("Cast", x, to=to)

    def polynomial(self, x: str, coefficients: Array) -> str:
        """Evaluate a polynomial, coefficients from the constant on, by Horner's scheme."""
        value = self.constant(coefficients[-1])
        for coefficient in coefficients[-2::-1]:
            value = self.add("Add", self.add("Mul", value, x), self.constant(coefficient))
        return value


def _same(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.size < 64 and bool((a == b).all())


def graph_of(selection: Selection, streaming: bool) -> onnx.GraphProto:
    """Make the graph of a system.

    Parameters
    ----------
    selection
        What is exported.
    streaming
        Whether a state goes in and comes out; without lead-in, delay and smoothing then.

    Returns
    -------
    GraphProto
        From ``features`` (batch, time, features) to ``mean`` and ``spread`` (batch, time, targets), all in
        single precision; and from ``state`` to ``next_state``, both (batch, units), zeros at the start.
    """
    graph, about = Graph(), selection.about
    before, late = (0, 0) if streaming else selection.frames
    x = graph.cast(graph.add("Transpose", "features", perm=[1, 0, 2]), TensorProto.DOUBLE)
    if selection.quantiles is not None:
        x = _normal_scores(graph, x, selection.quantiles)
    x = _led_in(graph, x, before, late)
    states = _States(graph) if streaming else None
    members = [
        _network(graph, x, selection.architecture.layers, member, k, states)
        for k, member in enumerate(selection.members)
    ]
    if before:
        ends = graph.integers(np.iinfo(np.int64).max)
        members = [graph.add("Slice", y, graph.integers(before), ends, graph.integers(0)) for y in members]
    members = [
        _in_scale(graph, y, m, k) for k, (y, m) in enumerate(zip(members, selection.members, strict=True))
    ]
    share = len(members) // about.networks_a_member
    if about.networks_a_member > 1:
        members = [graph.add("Concat", *members[k::share], axis=2) for k in range(share)]
    if selection.smoothing_reach and not streaming:
        members = [_smoothed(graph, y, selection.smoothing_reach) for y in members]
    _summary(graph, members)
    frames = ("batch", "time")
    inputs = [_tensor("features", *frames, len(about.feature_names))]
    outputs = [_tensor(name, *frames, len(about.target_names)) for name in ("mean", "spread")]
    if states is not None:
        size = states.close()
        inputs.append(_tensor("state", "batch", size))
        outputs.append(_tensor("next_state", "batch", size))
    constants = [numpy_helper.from_array(array, name) for name, array in graph.constants.items()]
    return helper.make_graph(graph.nodes, "lstmcore", inputs, outputs, constants)


def _tensor(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _led_in(graph: Graph, x: str, before: int, late: int) -> str:
    """Put the first frame before the song, and leave as many frames as there are and those of the lead-in."""
    if not before + late:
        return x
    first = graph.add("Slice", x, graph.integers(0), graph.integers(1), graph.integers(0))
    x = graph.add("Concat", graph.add("Tile", first, graph.integers(before + late, 1, 1)), x, axis=0)
    if not late:
        return x
    return graph.add("Slice", x, graph.integers(0), graph.integers(-late), graph.integers(0))


class _States:
    """The state of all LSTM layers of all networks, one behind the other: c, then h of each layer."""

    def __init__(self, graph: Graph) -> None:
        self._graph, self._size, self._next = graph, 0, list[str]()

    def take(self, units: int) -> str:
        """Return the next so many values of the state, shape (1, batch, units)."""
        graph, first = self._graph, self._size
        self._size += units
        bounds = graph.integers(first), graph.integers(self._size), graph.integers(1)
        return graph.add("Unsqueeze", graph.add("Slice", "state", *bounds), graph.integers(0))

    def leave(self, state: str) -> None:
        """Take a state after the last step, shape (1, batch, units)."""
        self._next.append(self._graph.add("Squeeze", state, self._graph.integers(0)))

    def close(self) -> int:
        """Put what was left together; return its size."""
        self._graph.add("Concat", *self._next, axis=1, outputs=["next_state"])
        return self._size


def _network(
    graph: Graph, x: str, layers: tuple[Layer, ...], member: Member, number: int, states: _States | None
) -> str:
    """Add a network behind its scaler; return its outputs, shape (time, batch, outputs)."""

    def scaler(name: str) -> str:
        return graph.constant(member.scalers[name], name=parameter_name(number, -1, name))

    x = graph.add("Div", graph.add("Sub", x, scaler("input_mean")), scaler("input_scale"))
    y = graph.cast(x, TensorProto.FLOAT)
    for k, (layer, pieces) in enumerate(zip(layers, member.pieces, strict=True)):
        place = (number, k)
        if isinstance(layer, LSTM | BLSTM):
            y = _lstm(graph, y, layer, pieces, place, states)
        elif isinstance(layer, BlockLayer):
            y = _block(graph, y, layer, pieces, place)
        else:
            weights = graph.constant(pieces["W"].T, np.float32, parameter_name(*place, "W"))
            bias = graph.constant(_scaled_bias(layer, pieces), np.float32, parameter_name(*place, "b"))
            y = graph.add("Add", graph.add("MatMul", y, weights), bias)
            kind = {"tanh": "Tanh", "logistic": "Sigmoid", "softmax": "Softmax"}.get(layer.kind)
            if kind is not None:
                y = graph.add(kind, y, **({"axis": -1} if kind == "Softmax" else {}))
    return y


def _scaled_bias(layer: Layer, pieces: dict[str, Array]) -> Array:
    return np.float32(layer.bias) * pieces["b"]


def lstm_tensors(layer: Layer, pieces: dict[str, Array]) -> dict[str, Array]:
    """Return W, R, B and P of an LSTM layer as ONNX has them, one row for each direction."""
    directions = 2 if isinstance(layer, BLSTM) else 1
    units = layer.size // directions

    def rows(array: Array, order: list[int]) -> Array:
        cut = array[order].reshape(len(order), directions, units, *array.shape[2:])
        return np.moveaxis(cut, 1, 0).reshape(directions, len(order) * units, *array.shape[2:])

    bias = rows(_scaled_bias(layer, pieces), GATES)
    return {
        "W": rows(pieces["W"], GATES),
        "R": rows(pieces["R"], GATES),
        "B": np.concatenate([bias, np.zeros_like(bias)], axis=1),
        "P": rows(pieces["p"], PEEPHOLES),
    }


def _lstm(
    graph: Graph,
    x: str,
    layer: Layer,
    pieces: dict[str, Array],
    place: tuple[int, int],
    states: _States | None,
) -> str:
    names = [
        graph.constant(array, np.float32, parameter_name(*place, name))
        for name, array in lstm_tensors(layer, pieces).items()
    ]
    two = isinstance(layer, BLSTM)
    units = layer.size // (2 if two else 1)
    c, h = ("", "") if states is None else (states.take(units), states.take(units))
    outputs = [f"{parameter_name(*place, part)}_out" for part in ("y", "h", "c")]
    y = graph.add(
        "LSTM",
        *(x, *names[:3], "", h, c, names[3]),
        outputs=outputs,
        hidden_size=units,
        direction="bidirectional" if two else "forward",
    )
    if states is not None:
        states.leave(outputs[2])
        states.leave(outputs[1])
    return graph.add("Reshape", graph.add("Transpose", y, perm=[0, 2, 1, 3]), graph.integers(0, 0, -1))


def _block(graph: Graph, x: str, layer: BlockLayer, pieces: dict[str, Array], place: tuple[int, int]) -> str:
    shape, window = layer.shape, layer.window_shape
    y = graph.add("Reshape", x, graph.integers(-1, *shape))
    y = graph.add("Transpose", y, perm=[0, 3, 1, 2])
    if isinstance(layer, Convolution):
        filters = np.transpose(pieces["W"], (0, 3, 1, 2))
        weights = graph.constant(filters, np.float32, parameter_name(*place, "W"))
        bias = graph.constant(_scaled_bias(layer, pieces), np.float32, parameter_name(*place, "b"))
        y = graph.add("Conv", y, weights, bias, kernel_shape=window[:2], strides=layer.steps)
        y = graph.add({"relu": "Relu", "tanh": "Tanh"}[layer.activation], y)
    else:
        assert isinstance(layer, MaxPool | MeanPool)
        pool, reduced = (
            ("MaxPool", "ReduceMax") if isinstance(layer, MaxPool) else ("AveragePool", "ReduceMean")
        )
        channels = window[2]
        used = layer.output_shape[2] * channels
        bounds = graph.integers(0), graph.integers(used), graph.integers(1)
        y = graph.add(pool, graph.add("Slice", y, *bounds), kernel_shape=window[:2], strides=layer.steps)
        if channels > 1:
            y = graph.add("Reshape", y, graph.integers(0, layer.output_shape[2], channels, *layer.places))
            y = graph.add(reduced, y, axes=[2], keepdims=0)
    y = graph.add("Transpose", y, perm=[0, 2, 3, 1])
    frames = graph.add(
        "Slice", graph.add("Shape", x), graph.integers(0), graph.integers(2), graph.integers(0)
    )
    return graph.add("Reshape", y, graph.add("Concat", frames, graph.integers(layer.size), axis=0))


def _in_scale(graph: Graph, y: str, member: Member, number: int) -> str:
    """Bring outputs to the annotation's scale."""

    def scaler(name: str) -> str:
        return graph.constant(member.scalers[name], name=parameter_name(number, -1, name))

    wide = graph.cast(y, TensorProto.DOUBLE)
    return graph.add("Add", graph.add("Mul", wide, scaler("target_scale")), scaler("target_mean"))


def _smoothed(graph: Graph, y: str, reach: int) -> str:
    """Average over frames near each frame; at the ends over those that there are."""
    y = graph.add("Transpose", graph.cast(y, TensorProto.FLOAT), perm=[1, 2, 0])
    y = graph.add("AveragePool", y, kernel_shape=[2 * reach + 1], pads=[reach, reach], count_include_pad=0)
    return graph.cast(graph.add("Transpose", y, perm=[2, 0, 1]), TensorProto.DOUBLE)


def _summary(graph: Graph, members: list[str]) -> None:
    """Add mean and standard deviation over members, as outputs."""
    axis = graph.integers(0)
    stacked = graph.add("Concat", *(graph.add("Unsqueeze", y, axis) for y in members), axis=0)
    mean = graph.add("ReduceMean", stacked, axes=[0], keepdims=1)
    away = graph.add("Sub", stacked, mean)
    variance = graph.add("ReduceMean", graph.add("Mul", away, away), axes=[0], keepdims=1)
    for name, value in (("mean", mean), ("spread", graph.add("Sqrt", variance))):
        flat = graph.cast(graph.add("Squeeze", value, axis), TensorProto.FLOAT)
        graph.add("Transpose", flat, perm=[1, 0, 2], outputs=[name])


def _normal_scores(graph: Graph, x: str, quantiles: Array) -> str:
    """Put the normal quantile of a value's rank in its place, as `NormalScores` does.

    Ranks are counted by halving, all columns at once: their quantiles lie one behind the other, filled up
    with infinity to a length of 2^n − 1.
    """
    points, columns = quantiles.shape
    halvings = max(1, math.ceil(math.log2(points + 1)))
    length = 2**halvings - 1
    known = np.full((columns, length), np.inf)
    known[:, :points] = quantiles.T
    table = graph.constant(known.ravel(), name="quantiles")
    starts = graph.integers(*(length * k for k in range(columns)))
    one, zero, last = (graph.integers(k) for k in (1, 0, points - 1))

    def at(index: str) -> str:
        return graph.add("Gather", table, graph.add("Add", index, starts))

    def count(comparison: str) -> str:
        found = graph.integers(0)
        for k in reversed(range(halvings)):
            # Of the first 2^k − 1 behind what was found, the last decides.
            here = graph.add("Add", found, graph.integers(2**k - 1))
            holds = graph.add(comparison, at(here), x)
            found = graph.add("Where", holds, graph.add("Add", here, one), found)
        return found

    below, up_to = count("Less"), count("LessOrEqual")
    lower = at(graph.add("Max", graph.add("Sub", below, one), zero))
    distance = graph.add("Sub", at(graph.add("Min", below, last)), lower)
    between = graph.add("Greater", distance, graph.constant(0.0))
    # Of a value that is none of the known ones; of equals the mean of their places, whatever lies beside.
    between = graph.add("And", between, graph.add("Equal", below, up_to))
    safe = graph.add("Where", between, distance, graph.constant(1.0))
    part = graph.add("Div", graph.add("Sub", x, lower), safe)
    half = graph.constant(0.5)
    part = graph.add("Where", between, part, half)
    places = graph.cast(graph.add("Add", below, up_to), TensorProto.DOUBLE)
    place = graph.add("Sub", graph.add("Add", graph.add("Mul", places, half), part), graph.constant(1.0))
    most = graph.constant(float(points - 1))
    share = graph.add("Div", graph.add("Clip", place, graph.constant(0.0), most), most)
    return _normal_quantile(graph, share)


def _normal_quantile(graph: Graph, share: str) -> str:
    """Return the standard normal quantiles of shares, none beyond MOST_SCORE."""
    edge = 0.5 * math.erfc(MOST_SCORE / math.sqrt(2))
    share = graph.add("Clip", share, graph.constant(edge), graph.constant(1 - edge))
    half = graph.constant(0.5)
    away = graph.add("Sub", share, half)
    inner = graph.add("Sub", graph.constant(0.180625), graph.add("Mul", away, away))
    top, bottom = (graph.polynomial(inner, c) for c in _NEAR)
    near = graph.add("Mul", away, graph.add("Div", top, bottom))
    tail = graph.add("Min", share, graph.add("Sub", graph.constant(1.0), share))
    outer = graph.add("Sqrt", graph.add("Neg", graph.add("Log", tail)))
    outer = graph.add("Sub", outer, graph.constant(1.6))
    top, bottom = (graph.polynomial(outer, c) for c in _FAR)
    far = graph.add("Mul", graph.add("Sign", away), graph.add("Div", top, bottom))
    is_near = graph.add("LessOrEqual", graph.add("Abs", away), graph.constant(0.425))
    score = graph.add("Where", is_near, near, far)
    most = graph.constant(MOST_SCORE)
    return graph.add("Clip", score, graph.constant(-MOST_SCORE), most)
