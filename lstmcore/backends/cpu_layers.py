"""The layers of the CPU backend: each owns the memory its kernels work in.

A layer's `forward` and `backward` are called in turn for the same batch.  Memory grows
when a larger batch comes and is kept.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lstmcore.backends import cpu_kernels as kernels
from lstmcore.batches import Batch
from lstmcore.errors import EngineError
from lstmcore.layers import BLSTM, LSTM, Feedforward, Layer, Linear

Array = NDArray[np.floating]
Pieces = dict[str, Array]


class CpuLayer(Protocol):
    """A layer with its memory."""

    def forward(self, x: Array, batch: Batch, w: Pieces) -> Array:
        """Compute the outputs [N, L] from the inputs [N, P]; valid until the next call."""

    def backward(
        self, error: Array, x: Array, batch: Batch, w: Pieces, dw: Pieces, limit: float, below: bool
    ) -> Array:
        """Overwrite the gradient; return the error of the inputs [N, P], empty unless wanted.

        The error of the outputs [N, L] may be overwritten.
        """


def new_layer(layer: Layer, inputs: int, dtype: DTypeLike) -> CpuLayer:
    """Make the memory of a layer."""
    match layer:
        case LSTM():
            return _Lstm(inputs, layer.size, layer.bias, dtype)
        case BLSTM():
            return _Blstm(inputs, layer, dtype)
        case Feedforward():
            return _Feedforward(inputs, layer, dtype)
    raise EngineError(f"the cpu backend has no {layer.kind} layer")


class _Memory:
    """Arrays with a row a frame or sequence, cut to the batch at hand."""

    def __init__(self, dtype: DTypeLike) -> None:
        self._arrays: dict[str, Array] = {}
        self._dtype = np.dtype(dtype)
        self.nobody = np.empty((0, 0), self._dtype)  # where nobody wants the error below

    def rows(self, name: str, count: int, width: int) -> Array:
        """Return an array of this shape; its content is what was last in it, or anything."""
        found = self._arrays.get(name)
        if found is None or len(found) < count:
            found = self._arrays[name] = np.empty((count, width), self._dtype)
        return found[:count]


def _scalar(dtype: DTypeLike) -> Any:
    """Type of a single number in this precision."""
    return np.dtype(dtype).type


class _Lstm:
    """One direction of an LSTM layer."""

    def __init__(self, inputs: int, units: int, bias: float, dtype: DTypeLike) -> None:
        self._inputs, self._units = inputs, units
        self._memory, self._real = _Memory(dtype), _scalar(dtype)
        self._bias = self._real(bias)

    def forward(self, x: Array, batch: Batch, w: Pieces) -> Array:
        rows, frames, sequences, units = self._memory.rows, batch.frames, batch.sequences, self._units
        self._gates = rows("gates", frames, 4 * units)
        self._c, self._h = rows("c", frames + sequences, units), rows("h", frames + sequences, units)
        self._c[:sequences] = 0
        self._h[:sequences] = 0
        transposed = rows("r_transposed", units, 4 * units)
        weights = _flat(w, "W", "b", "R", "p")
        kernels.lstm_forward(x, batch.counts, *weights, self._bias, self._gates, self._c, self._h, transposed)
        return self._h[sequences:]

    def backward(
        self, error: Array, x: Array, batch: Batch, w: Pieces, dw: Pieces, limit: float, below: bool
    ) -> Array:
        rows, frames, sequences, units = self._memory.rows, batch.frames, batch.sequences, self._units
        e_below = rows("below", frames, self._inputs) if below else self._memory.nobody
        kernels.lstm_backward(
            error,
            x,
            batch.counts,
            *_flat(w, "W", "R", "p"),
            self._bias,
            self._real(limit),
            self._gates,
            self._c,
            self._h,
            rows("carry", sequences, units),
            rows("h_before", frames, units),
            *_flat(dw, "W", "b", "R", "p"),
            e_below,
        )
        return e_below


class _Blstm:
    """Two directions; the second sees each sequence turned round in time."""

    def __init__(self, inputs: int, layer: BLSTM, dtype: DTypeLike) -> None:
        half = layer.size // 2
        self._half, self._memory = half, _Memory(dtype)
        self._forwards = _Lstm(inputs, half, layer.bias, dtype)
        self._backwards = _Lstm(inputs, half, layer.bias, dtype)

    def forward(self, x: Array, batch: Batch, w: Pieces) -> Array:
        there, back = self._two_directions(w)
        self._x_reversed = x[batch.reverse]
        y = self._memory.rows("y", batch.frames, 2 * self._half)
        y[:, : self._half] = self._forwards.forward(x, batch, there)
        y[:, self._half :] = self._backwards.forward(self._x_reversed, batch, back)[batch.reverse]
        return y

    def backward(
        self, error: Array, x: Array, batch: Batch, w: Pieces, dw: Pieces, limit: float, below: bool
    ) -> Array:
        there, back = self._two_directions(w)
        d_there, d_back = self._two_directions(dw)
        ahead = np.ascontiguousarray(error[:, : self._half])
        behind = np.ascontiguousarray(error[batch.reverse, self._half :])
        e = self._forwards.backward(ahead, x, batch, there, d_there, limit, below)
        turned = self._backwards.backward(behind, self._x_reversed, batch, back, d_back, limit, below)
        for name, gradient in dw.items():
            gradient[:, : self._half] = d_there[name]
            gradient[:, self._half :] = d_back[name]
        if below:
            e += turned[batch.reverse]
        return e

    def _two_directions(self, pieces: Pieces) -> tuple[Pieces, Pieces]:
        """Copy the units of each direction, for the kernels want them side by side."""
        half = self._half
        return (
            {n: np.ascontiguousarray(a[:, :half]) for n, a in pieces.items()},
            {n: np.ascontiguousarray(a[:, half:]) for n, a in pieces.items()},
        )


class _Feedforward:
    """A layer without memory in time."""

    def __init__(self, inputs: int, layer: Feedforward, dtype: DTypeLike) -> None:
        self._inputs, self._layer = inputs, layer
        self._memory = _Memory(dtype)
        self._bias = _scalar(dtype)(layer.bias)

    def forward(self, x: Array, batch: Batch, w: Pieces) -> Array:
        self._y = self._memory.rows("y", batch.frames, self._layer.size)
        kernels.linear_forward(x, w["W"], w["b"], self._bias, self._y)
        if not isinstance(self._layer, Linear):
            getattr(kernels, f"{self._layer.kind}_forward")(self._y)
        return self._y

    def backward(
        self, error: Array, x: Array, batch: Batch, w: Pieces, dw: Pieces, limit: float, below: bool
    ) -> Array:
        if not isinstance(self._layer, Linear):
            getattr(kernels, f"{self._layer.kind}_backward")(error, self._y)
        e_below = self._memory.rows("below", batch.frames, self._inputs) if below else self._memory.nobody
        kernels.linear_backward(error, x, w["W"], self._bias, dw["W"], dw["b"], e_below)
        return e_below


def _flat(pieces: Pieces, *names: str) -> list[Array]:
    """Pieces as the kernels take them: the four gates one below the other."""
    shapes = {"W": (-1, pieces["W"].shape[-1]), "b": (-1,), "R": (-1, pieces["R"].shape[-1])}
    return [pieces[name].reshape(shapes[name]) if name in shapes else pieces[name] for name in names]
