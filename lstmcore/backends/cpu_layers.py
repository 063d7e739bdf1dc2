"""The layers of the CPU backend: each owns the memory its kernels work in.

A layer's `forward` and `backward` are called in turn for the same batch.  Memory grows
when a larger batch comes and is kept.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lstmcore.backends import cpu_kernels as kernels
from lstmcore.backends import cpu_products as products
from lstmcore.backends.cpu_products import block_size, packed_size, panel_width
from lstmcore.batches import Batch
from lstmcore.errors import EngineError
from lstmcore.layers import BLSTM, LSTM, Feedforward, Layer, Linear

Array = NDArray[np.floating]
Pieces = dict[str, Array]

_MANY = 60  # rows of a product that doesn't run in the time loop


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
        self.dtype = np.dtype(dtype)
        self.nobody = np.empty((0, 0), self.dtype)  # where nobody wants the error below

    def number(self, value: float) -> Any:
        """Return a number in this precision."""
        return np.array(value, self.dtype)[()]

    def rows(self, name: str, count: int, width: int) -> Array:
        """Return an array of this shape; its content is what was last in it, or anything."""
        return self.flat(name, count * width).reshape(count, width)

    def flat(self, name: str, size: int) -> Array:
        """Return an array of this length; its content is what was last in it, or anything."""
        found = self._arrays.get(name)
        if found is None or len(found) < size:
            found = self._arrays[name] = _aligned(size, self.dtype)
        return found[:size]


def _aligned(count: int, dtype: np.dtype[Any]) -> Array:
    """Make an array that begins with a line of the cache."""
    line = 64
    memory = np.empty(count * dtype.itemsize + line, np.uint8)
    start = -memory.ctypes.data % line
    return memory[start : start + count * dtype.itemsize].view(dtype)


class _Affine:
    """The affine map of a layer's inputs: W x + b · bias, as rows of a matrix."""

    def __init__(self, inputs: int, outputs: int, bias: float, memory: _Memory) -> None:
        self._inputs, self._memory = inputs, memory
        self._bias = memory.number(bias)
        self._width = panel_width(memory.dtype, _MANY)
        matrices = (packed_size(inputs, outputs, self._width), packed_size(outputs, inputs, self._width))
        self._packed = max(*matrices, block_size(inputs, self._width))

    def forward(self, x: Array, w: Array, b: Array, y: Array) -> None:
        """Overwrite y [N, O], given x [N, P], w [O, P] and b [O]."""
        kernels.fill_with_bias(y, b, self._bias)
        products.add_product(x, products.pack_transposed(w, self._panels(), self._width), y, 0)

    def backward(self, e: Array, x: Array, w: Array, dw: Array, db: Array, below: bool) -> Array:
        """Overwrite the gradients, given the error e [N, O]; return that of x, empty unless wanted."""
        products.product_over_frames(e, x, self._panels(), self._width, dw)
        kernels.column_sums(e, self._bias, db)
        if not below:
            return self._memory.nobody
        e_below = self._memory.rows("below", len(e), self._inputs)
        e_below[:] = 0
        products.add_product(e, products.pack(w, self._panels(), self._width), e_below, 0)
        return e_below

    def _panels(self) -> Array:
        return self._memory.flat("panels", self._packed)


class _Lstm:
    """One direction of an LSTM layer."""

    def __init__(self, inputs: int, units: int, bias: float, dtype: DTypeLike) -> None:
        self._units, self._memory = units, _Memory(dtype)
        self._inputs = _Affine(inputs, 4 * units, bias, self._memory)

    def forward(self, x: Array, batch: Batch, w: Pieces) -> Array:
        rows, frames, sequences, units = self._memory.rows, batch.frames, batch.sequences, self._units
        self._gates = rows("gates", frames, 4 * units)
        self._c, self._h = rows("c", frames + sequences, units), rows("h", frames + sequences, units)
        self._c[:sequences] = 0
        self._h[:sequences] = 0
        w_all, b, r = _flat(w, "W", "b", "R")
        self._inputs.forward(x, w_all, b, self._gates)
        recurrent = products.pack_transposed(r, *self._panels(sequences))
        kernels.lstm_forward(batch.counts, recurrent, w["p"], self._gates, self._c, self._h)
        return self._h[sequences:]

    def backward(
        self, error: Array, x: Array, batch: Batch, w: Pieces, dw: Pieces, limit: float, below: bool
    ) -> Array:
        rows, frames, sequences, units = self._memory.rows, batch.frames, batch.sequences, self._units
        w_all, r = _flat(w, "W", "R")
        dw_all, db, dr = _flat(dw, "W", "b", "R")
        carry, h_before = rows("carry", sequences, units), rows("h_before", frames, units)
        kernels.lstm_backward(
            error,
            batch.counts,
            products.pack(r, *self._panels(sequences)),
            w["p"],
            self._memory.number(limit),
            self._gates,
            self._c,
            self._h,
            carry,
            h_before,
            dw["p"],
        )
        width = panel_width(self._memory.dtype, _MANY)
        scratch = self._memory.flat("panels", block_size(units, width))
        products.product_over_frames(self._gates, h_before, scratch, width, dr)
        return self._inputs.backward(self._gates, x, w_all, dw_all, db, below)

    def _panels(self, sequences: int) -> tuple[Array, int]:
        """Memory for the recurrent weights, either way round, and the width of their panels."""
        width, units = panel_width(self._memory.dtype, sequences), self._units
        size = max(packed_size(units, 4 * units, width), packed_size(4 * units, units, width))
        return self._memory.flat("panels", size), width


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
        self._layer, self._memory = layer, _Memory(dtype)
        self._affine = _Affine(inputs, layer.size, layer.bias, self._memory)

    def forward(self, x: Array, batch: Batch, w: Pieces) -> Array:
        self._y = self._memory.rows("y", batch.frames, self._layer.size)
        self._affine.forward(x, w["W"], w["b"], self._y)
        if not isinstance(self._layer, Linear):
            getattr(kernels, f"{self._layer.kind}_forward")(self._y)
        return self._y

    def backward(
        self, error: Array, x: Array, batch: Batch, w: Pieces, dw: Pieces, limit: float, below: bool
    ) -> Array:
        if not isinstance(self._layer, Linear):
            getattr(kernels, f"{self._layer.kind}_backward")(error, self._y)
        return self._affine.backward(error, x, w["W"], dw["W"], dw["b"], below)


def _flat(pieces: Pieces, *names: str) -> list[Array]:
    """Pieces as the kernels take them: the four gates one below the other."""
    shapes = {"W": (-1, pieces["W"].shape[-1]), "b": (-1,), "R": (-1, pieces["R"].shape[-1])}
    return [pieces[name].reshape(shapes[name]) if name in shapes else pieces[name] for name in names]
