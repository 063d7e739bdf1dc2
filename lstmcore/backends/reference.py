"""The reference backend: plain NumPy in float64, one sequence and one step at a time.

It shares the cell's equations with the other backends and nothing else: no packing, no
fused products, no memory used twice.  Slow on purpose; the other backends are tested
against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.batches import Batch
from lstmcore.cell import cell_backward, cell_forward
from lstmcore.errors import EngineError
from lstmcore.layers import LSTM, Layer
from lstmcore.network import Network
from lstmcore.sgd import SGD

Array = NDArray[np.floating]
Pieces = dict[str, Array]


@dataclass
class _Trace:
    """What the forward pass of one layer over one sequence leaves for the backward pass."""

    x: Array  # inputs [T, P]
    gates: Array  # activations z, i, f, o [T, 4, E]
    c: Array  # cell states [T+1, E], slot 0 the initial state
    h: Array  # outputs [T+1, E], slot 0 the initial state


class ReferenceBackend:
    """The oracle."""

    name = "reference"

    def workspace(self, network: Network) -> dict[str, Any]:
        """Return the memory of the last forward pass: a trace for each sequence and layer."""
        if network.dtype != np.float64:
            raise EngineError(f"the reference backend computes in float64; the network is {network.dtype}")
        return {}

    def forward(self, network: Network, batch: Batch, workspace: dict[str, Any]) -> Array:
        """Compute the outputs of all frames, shape (frames, outputs)."""
        outputs = np.empty((batch.frames, network.architecture.output_size))
        workspace["traces"] = []
        for rows in _rows_of_sequences(batch):
            x: Array = batch.inputs[rows].astype(np.float64)
            traces: list[_Trace] = []
            for layer, pieces in zip(network.architecture.layers, network.pieces, strict=True):
                traces.append(_forward_layer(layer, pieces, x))
                x = traces[-1].h[1:]
            workspace["traces"].append(traces)
            outputs[rows] = x
        return outputs

    def backward(
        self,
        network: Network,
        batch: Batch,
        workspace: dict[str, Any],
        signal: Array,
        gradient: Array,
        delta_limit: float = 1.0,
    ) -> None:
        """Write dE/dw into `gradient`, shape (parameters,)."""
        gradient[:] = 0
        gradients = network.architecture.views(gradient)
        layers = network.architecture.layers
        for rows, traces in zip(_rows_of_sequences(batch), workspace["traces"], strict=True):
            error = signal[rows]
            for k in reversed(range(len(layers))):
                error = _backward_layer(
                    layers[k], network.pieces[k], gradients[k], traces[k], error, delta_limit
                )

    def update(self, weights: Array, deltas: Array, gradient: Array, sgd: SGD) -> None:
        """Δ ← μ Δ − η g, w ← w + Δ, in place."""
        deltas[:] = sgd.momentum * deltas - sgd.learning_rate * gradient
        weights += deltas


def _rows_of_sequences(batch: Batch) -> list[NDArray[np.int64]]:
    """Packed rows of each sequence of the batch, in time order."""
    starts = np.cumsum(batch.counts) - batch.counts
    return [starts[batch.counts > s] + s for s in range(batch.sequences)]


def _forward_layer(layer: Layer, w: Pieces, x: Array) -> _Trace:
    steps, units = len(x), layer.size
    trace = _Trace(x, np.zeros((steps, 4, units)), np.zeros((steps + 1, units)), np.zeros((steps + 1, units)))
    if not isinstance(layer, LSTM):
        trace.h[1:] = x @ w["W"].T + layer.bias * w["b"]
        return trace
    p_i, p_f, p_o = w["p"]
    for t in range(steps):
        a = w["W"] @ x[t] + w["R"] @ trace.h[t] + layer.bias * w["b"]
        z, i, f, o, c, h = cell_forward(a[0], a[1], a[2], a[3], trace.c[t], p_i, p_f, p_o)
        trace.gates[t], trace.c[t + 1], trace.h[t + 1] = (z, i, f, o), c, h
    return trace


def _backward_layer(
    layer: Layer, w: Pieces, gradient: Pieces, trace: _Trace, error: Array, limit: float
) -> Array:
    """Add to the layer's gradient; return the error of its inputs, shape (T, P)."""
    if not isinstance(layer, LSTM):
        gradient["W"] += error.T @ trace.x
        gradient["b"] += layer.bias * error.sum(0)
        return error @ w["W"]
    error_below = np.zeros_like(trace.x)
    from_next, carry = np.zeros(layer.size), np.zeros(layer.size)
    p_i, p_f, p_o = w["p"]
    for t in reversed(range(len(error))):
        c_before, c = trace.c[t], trace.c[t + 1]
        e, (z, i, f, o) = error[t] + from_next, trace.gates[t]
        *deltas, carry = cell_backward(e, z, i, f, o, c_before, c, carry, p_i, p_f, p_o, limit)
        d = np.array(deltas)  # [4, E]
        gradient["W"] += d[:, :, None] * trace.x[t]
        gradient["b"] += layer.bias * d
        gradient["R"] += d[:, :, None] * trace.h[t]
        gradient["p"] += d[1:] * np.array([c_before, c_before, c])
        error_below[t] = np.einsum("ku,kup->p", d, w["W"])
        from_next = np.einsum("ku,kuv->v", d, w["R"])
    return error_below
