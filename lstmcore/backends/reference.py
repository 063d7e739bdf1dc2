"""The reference backend: plain NumPy in float64, one sequence and one step at a time.

It shares the cell's equations with the other backends and nothing else: no packing, no
fused products, no memory used twice.  Slow on purpose; the other backends are tested
against it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmcore.activations import (
    logistic,
    logistic_slope,
    relu,
    relu_error,
    softmax_numerator,
    softmax_slope,
    tanh,
    tanh_slope,
)
from lstmcore.backends.checks import check_backward, check_forward, check_update, check_workspace
from lstmcore.batches import Batch
from lstmcore.cell import Gates, Peepholes, cell_backward, cell_forward, peephole_gradients
from lstmcore.checks import kind
from lstmcore.errors import EngineError
from lstmcore.layers import (
    BLSTM,
    LSTM,
    BlockLayer,
    Convolution,
    Layer,
    Linear,
    Logistic,
    MaxPool,
    MeanPool,
    Softmax,
    Tanh,
)
from lstmcore.network import Network
from lstmcore.sgd import SGD
from lstmcore.update import momentum_step

Array = NDArray[np.floating]
Pieces = dict[str, Array]


@dataclass
class _Direction:
    """What the forward pass of an LSTM direction over one sequence leaves for the backward pass."""

    x: Array  # inputs in the direction's own time [T, P]
    gates: Array  # activations z, i, f, o [T, 4, E]
    c: Array  # cell states [T+1, E], slot 0 the initial state
    h: Array  # outputs [T+1, E], slot 0 the initial state


@dataclass
class _Trace:
    """What a layer leaves for the backward pass of one sequence."""

    x: Array  # inputs [T, P]
    y: Array  # outputs [T, L]
    directions: list[_Direction]  # of an LSTM layer: forwards, and backwards if it has two


class ReferenceWorkspace:
    """The last forward pass: a trace for each sequence and layer."""

    def __init__(self, network: Network) -> None:
        self.architecture, self.dtype = network.architecture, network.dtype
        self.batch: Batch | None = None
        self.traces: list[list[_Trace]] = []


class ReferenceBackend:
    """The oracle."""

    name = "reference"
    trains_together = False

    def workspace(self, network: Network) -> ReferenceWorkspace:
        """Return the memory of the last forward pass."""
        kind("network", network, Network)
        if network.dtype != np.float64:
            raise EngineError(f"the reference backend computes in float64; the network is {network.dtype}")
        return ReferenceWorkspace(network)

    def forward(self, network: Network, batch: Batch, workspace: ReferenceWorkspace) -> Array:
        """Compute the outputs of all frames, shape (frames, outputs)."""
        check_workspace(workspace, ReferenceWorkspace, network)
        check_forward(network, batch)
        outputs = np.empty((batch.frames, network.architecture.output_size))
        workspace.traces, workspace.batch = [], batch
        for rows in _rows_of_sequences(batch):
            x: Array = batch.inputs[rows].astype(np.float64)
            traces: list[_Trace] = []
            for layer, pieces in zip(network.architecture.layers, network.parameters, strict=True):
                traces.append(_forward_layer(layer, pieces, x))
                x = traces[-1].y
            workspace.traces.append(traces)
            outputs[rows] = x
        return outputs

    def backward(
        self,
        network: Network,
        batch: Batch,
        workspace: ReferenceWorkspace,
        signal: Array,
        gradient: Array,
        delta_limit: float = 1.0,
    ) -> None:
        """Write dE/dw into `gradient`, shape (parameters,)."""
        check_workspace(workspace, ReferenceWorkspace, network)
        check_backward(network, batch, workspace.batch, signal, gradient, delta_limit)
        gradient[:] = 0
        gradients = network.architecture.views(gradient)
        layers = network.architecture.layers
        for rows, traces in zip(_rows_of_sequences(batch), workspace.traces, strict=True):
            error = signal[rows]
            for k in reversed(range(len(layers))):
                error = _backward_layer(
                    layers[k], network.parameters[k], gradients[k], traces[k], error, delta_limit
                )

    def update(self, weights: Array, velocity: Array, gradient: Array, sgd: SGD) -> None:
        """Take a step in place: v ← μ v − η g, w ← w + v."""
        check_update(weights, velocity, gradient, sgd)
        weights[:], velocity[:] = momentum_step(weights, velocity, gradient, sgd.learning_rate, sgd.momentum)


def _rows_of_sequences(batch: Batch) -> list[NDArray[np.int64]]:
    """Packed rows of each sequence of the batch, in time order."""
    starts = np.cumsum(batch.batch_sizes) - batch.batch_sizes
    return [starts[batch.batch_sizes > s] + s for s in range(batch.sequences)]


def _forward_layer(layer: Layer, w: Pieces, x: Array) -> _Trace:
    if isinstance(layer, LSTM):
        direction = _forward_direction(layer.bias, w, x)
        return _Trace(x, direction.h[1:], [direction])
    if isinstance(layer, BLSTM):
        there, back = _two_directions(w)
        forwards = _forward_direction(layer.bias, there, x)
        backwards = _forward_direction(layer.bias, back, x[::-1])
        return _Trace(x, np.hstack([forwards.h[1:], backwards.h[:0:-1]]), [forwards, backwards])
    if isinstance(layer, BlockLayer):
        return _Trace(x, _forward_block(layer, w, x), [])
    return _Trace(x, _activate(layer, x @ w["W"].T + layer.bias * w["b"]), [])


def _activate(layer: Layer, a: Array) -> Array:
    y: Array
    match layer:
        case Linear():
            y = a
        case Tanh():
            y = tanh(a)
        case Logistic():
            y = logistic(a)
        case Softmax():
            numerators = softmax_numerator(a, a.max(1, keepdims=True))
            y = numerators / numerators.sum(1, keepdims=True)
        case _:
            raise EngineError(f"the reference backend has no {layer.kind} layer")
    return y


def _through_activation(layer: Layer, y: Array, error: Array) -> Array:
    """Take an error from the outputs of a feed-forward layer to its net inputs."""
    delta: Array
    match layer:
        case Tanh():
            delta = tanh_slope(y) * error
        case Logistic():
            delta = logistic_slope(y) * error
        case Softmax():
            delta = softmax_slope(y, error, (y * error).sum(1, keepdims=True))
        case _:
            delta = error
    return delta


def _two_directions(pieces: Pieces) -> tuple[Pieces, Pieces]:
    """Return views of the units that run forwards and of those that run backwards."""
    half = pieces["b"].shape[1] // 2
    return {n: a[:, :half] for n, a in pieces.items()}, {n: a[:, half:] for n, a in pieces.items()}


def _forward_direction(bias: float, w: Pieces, x: Array) -> _Direction:
    steps, units = len(x), w["b"].shape[1]
    d = _Direction(x, np.zeros((steps, 4, units)), np.zeros((steps + 1, units)), np.zeros((steps + 1, units)))
    peepholes = Peepholes(*w["p"])
    for t in range(steps):
        net = w["W"] @ x[t] + w["R"] @ d.h[t] + bias * w["b"]  # [4, E]
        d.gates[t], d.c[t + 1], d.h[t + 1] = cell_forward(Gates(*net), d.c[t], peepholes)
    return d


def _backward_layer(
    layer: Layer, w: Pieces, gradient: Pieces, trace: _Trace, error: Array, limit: float
) -> Array:
    """Add to the layer's gradient; return the error of its inputs, shape (T, P)."""
    if isinstance(layer, LSTM):
        return _backward_direction(layer.bias, w, gradient, trace.directions[0], error, limit)
    if isinstance(layer, BLSTM):
        half = layer.size // 2
        there, back = _two_directions(w)
        d_there, d_back = _two_directions(gradient)
        forwards, backwards = trace.directions
        below = _backward_direction(layer.bias, there, d_there, forwards, error[:, :half], limit)
        turned = _backward_direction(layer.bias, back, d_back, backwards, error[::-1, half:], limit)
        return below + turned[::-1]
    if isinstance(layer, BlockLayer):
        return _backward_block(layer, w, gradient, trace, error)
    delta = _through_activation(layer, trace.y, error)
    gradient["W"] += delta.T @ trace.x
    gradient["b"] += layer.bias * delta.sum(0)
    return delta @ w["W"]


Window = tuple[tuple[int, int, int], tuple[slice, slice, slice, slice]]


def _windows(layer: BlockLayer) -> Iterator[Window]:
    """Each place of a layer's window: where it is in the outputs, and what it sees of the blocks [T, …]."""
    times, bands, channels = layer.window_shape
    groups = 1 if isinstance(layer, Convolution) else layer.output_shape[2]
    for t, f, g in np.ndindex(*layer.places, groups):
        a, b, c = t * layer.steps[0], f * layer.steps[1], g * channels
        yield (t, f, g), (slice(None), slice(a, a + times), slice(b, b + bands), slice(c, c + channels))


def _forward_block(layer: BlockLayer, w: Pieces, x: Array) -> Array:
    blocks = x.reshape(-1, *layer.shape)
    y = np.empty((len(x), *layer.output_shape))
    for (t, f, g), window in _windows(layer):
        match layer:
            case Convolution():
                net = np.einsum("nabc,kabc->nk", blocks[window], w["W"]) + layer.bias * w["b"]
                y[:, t, f] = relu(net) if layer.activation == "relu" else tanh(net)
            case MaxPool():
                y[:, t, f, g] = blocks[window].max((1, 2, 3))
            case MeanPool():
                y[:, t, f, g] = blocks[window].mean((1, 2, 3))
            case _:
                raise EngineError(f"the reference backend has no {layer.kind} layer")
    return y.reshape(len(x), -1)


def _backward_block(layer: BlockLayer, w: Pieces, gradient: Pieces, trace: _Trace, error: Array) -> Array:
    blocks = trace.x.reshape(-1, *layer.shape)
    y, e = (a.reshape(-1, *layer.output_shape) for a in (trace.y, error))
    below = np.zeros_like(blocks)
    for (t, f, g), window in _windows(layer):
        seen = blocks[window]
        if isinstance(layer, Convolution):
            outputs, errors = y[:, t, f], e[:, t, f]
            relus = layer.activation == "relu"
            delta = relu_error(outputs, errors) if relus else tanh_slope(outputs) * errors
            gradient["W"] += np.einsum("nk,nabc->kabc", delta, seen)
            gradient["b"] += layer.bias * delta.sum(0)
            below[window] += np.einsum("nk,kabc->nabc", delta, w["W"])
        elif isinstance(layer, MaxPool):
            flat = seen.reshape(len(seen), -1)
            share = np.zeros_like(flat)
            share[np.arange(len(flat)), flat.argmax(1)] = e[:, t, f, g]
            below[window] += share.reshape(seen.shape)
        else:
            below[window] += e[:, t, f, g, None, None, None] / np.prod(seen.shape[1:])
    return below.reshape(trace.x.shape)


def _backward_direction(
    bias: float, w: Pieces, gradient: Pieces, d: _Direction, error: Array, limit: float
) -> Array:
    error_below = np.zeros_like(d.x)
    from_next, carry = np.zeros(error.shape[1]), np.zeros(error.shape[1])
    peepholes = Peepholes(*w["p"])
    for t in reversed(range(len(error))):
        c_before, c = d.c[t], d.c[t + 1]
        e, gates = error[t] + from_next, Gates(*d.gates[t])
        deltas, carry = cell_backward(e, gates, c_before, c, carry, peepholes, limit)
        delta = np.array(deltas)  # [4, E]
        gradient["W"] += delta[:, :, None] * d.x[t]
        gradient["b"] += bias * delta
        gradient["R"] += delta[:, :, None] * d.h[t]
        gradient["p"] += np.array(peephole_gradients(deltas, c_before, c))
        error_below[t] = np.einsum("ku,kup->p", delta, w["W"])
        from_next = np.einsum("ku,kuv->v", delta, w["R"])
    return error_below
