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
from lstmcore.backends.cpu_tiles import lanes
from lstmcore.batches import Batch
from lstmcore.errors import EngineError
from lstmcore.layers import BLSTM, LSTM, Feedforward, Layer, Linear

Array = NDArray[np.floating]
Pieces = dict[str, Array]

_MANY = 60  # rows of a product that doesn't run in the time loop
_PORTION = 1000  # frames: some megabytes of activations of a layer of 200 units


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
            found = self._arrays[name] = aligned(size, self.dtype)
        return found[:size]

    def product_over_frames(self, e: Array, x: Array, fresh: bool, out: Array) -> None:
        """Overwrite `out` [M, K] with eᵀ x, or unless `fresh` add to it, given e [N, M] and x [N, K]."""
        width = panel_width(self.dtype, _MANY)
        scratch = self.flat("block", block_size(x.shape[1], width))
        products.product_over_frames(e, x, scratch, width, fresh, out)


def aligned(count: int, dtype: np.dtype[Any]) -> Array:
    """Make an array that begins with a line of the cache."""
    line = 64
    memory = np.empty(count * dtype.itemsize + line, np.uint8)
    start = -memory.ctypes.data % line
    return memory[start : start + count * dtype.itemsize].view(dtype)


class _Affine:
    """The affine map of a layer's inputs: W x + b · bias, as rows of a matrix.

    `begin_forward` and `begin_backward` take the weights; then frames may come in portions.
    """

    def __init__(self, inputs: int, outputs: int, bias: float, memory: _Memory) -> None:
        self._inputs, self._outputs, self._memory = inputs, outputs, memory
        self._bias = memory.number(bias)
        self._width = panel_width(memory.dtype, _MANY)

    def begin_forward(self, w: Array, b: Array) -> None:
        """Take W [O, P] and b [O]."""
        memory = self._memory.flat("inputs", packed_size(self._inputs, self._outputs, self._width))
        self._panels = products.pack_transposed(w, memory, self._width)
        self._begin = np.multiply(b, self._bias, out=self._memory.flat("begin", self._outputs))

    def forward(self, x: Array, y: Array) -> None:
        """Overwrite y [N, O], given x [N, P]."""
        products.product(x, self._panels, self._begin, y)

    def begin_backward(self, w: Array, dw: Array, db: Array, frames: int, below: bool) -> Array:
        """Take W and where gradients go; return memory for the inputs' error, empty unless wanted."""
        db[:] = 0
        self._dw, self._db, self._fresh = dw, db, True
        if not below:
            self._e_below = self._memory.nobody
            return self._e_below
        memory = self._memory.flat("inputs", packed_size(self._outputs, self._inputs, self._width))
        self._panels = products.pack(w, memory, self._width)
        self._begin = self._memory.flat("begin below", self._inputs)
        self._begin[:] = 0
        self._e_below = self._memory.rows("below", frames, self._inputs)
        return self._e_below

    def backward(self, e: Array, x: Array, rows: slice) -> None:
        """Add to the gradients and write the error of the inputs, given e [N, O], for some rows."""
        self._memory.product_over_frames(e[rows], x[rows], self._fresh, self._dw)
        self._fresh = False
        kernels.column_sums(e[rows], self._bias, self._db)
        if len(self._e_below):
            products.product(e[rows], self._panels, self._begin, self._e_below[rows])


class _Lstm:
    """One direction of an LSTM layer.

    Steps are computed in portions that stay in the cache from one product to the next.
    """

    def __init__(self, inputs: int, units: int, bias: float, dtype: DTypeLike) -> None:
        self._units, self._memory = units, _Memory(dtype)
        self._nothing = np.empty((0, 0, 0), dtype)
        self._affine = _Affine(inputs, 4 * units, bias, self._memory)

    def forward(self, x: Array, batch: Batch, w: Pieces) -> Array:
        rows, frames, sequences, units = self._memory.rows, batch.frames, batch.sequences, self._units
        self._gates = rows("gates", frames, 4 * units)
        self._c, self._h = rows("c", frames + sequences, units), rows("h", frames + sequences, units)
        self._c[:sequences] = 0
        self._h[:sequences] = 0
        w_all, b, r = _flat(w, "W", "b", "R")
        self._affine.begin_forward(w_all, b)
        recurrent = products.pack_transposed(r, *self._panels(sequences))
        for first, last, part in _portions(batch):
            self._affine.forward(x[part], self._gates[part])
            kernels.lstm_forward(
                batch.counts, first, last, part.start, recurrent, w["p"], self._gates, self._c, self._h
            )
        return self._h[sequences:]

    def backward(
        self, error: Array, x: Array, batch: Batch, w: Pieces, dw: Pieces, limit: float, below: bool
    ) -> Array:
        rows, frames, sequences, units = self._memory.rows, batch.frames, batch.sequences, self._units
        w_all, r = _flat(w, "W", "R")
        dw_all, db, dr = _flat(dw, "W", "b", "R")
        carry, h_before = rows("carry", sequences, units), rows("h_before", frames, units)
        carry[:] = 0
        dw["p"][:] = 0
        e_below = self._affine.begin_backward(w_all, dw_all, db, frames, below)
        recurrent = self._nothing
        if sequences > 1 or units < lanes(r.dtype):
            recurrent = products.pack(r, *self._panels(sequences))
        for first, last, part in reversed(_portions(batch)):
            kernels.lstm_backward(
                error,
                batch.counts,
                first,
                last,
                part.stop,
                recurrent,
                r,
                w["p"],
                self._memory.number(limit),
                self._gates,
                self._c,
                self._h,
                carry,
                h_before,
                dw["p"],
            )
            self._memory.product_over_frames(self._gates[part], h_before[part], part.stop == frames, dr)
            self._affine.backward(self._gates, x, part)
        return e_below

    def _panels(self, sequences: int) -> tuple[Array, int]:
        """Memory for the recurrent weights, either way round, and the width of their panels."""
        width, units = panel_width(self._memory.dtype, sequences), self._units
        size = max(packed_size(units, 4 * units, width), packed_size(4 * units, units, width))
        return self._memory.flat("recurrent", size), width


def _portions(batch: Batch) -> list[tuple[int, int, slice]]:
    """Cut a batch into consecutive steps of some frames: first step, the one behind the last, rows."""
    if batch.frames <= _PORTION:
        return [(0, len(batch.counts), slice(0, batch.frames))]
    ends = np.cumsum(batch.counts)
    portions, first, start = [], 0, 0
    while first < len(ends):
        last = min(int(np.searchsorted(ends, start + _PORTION)) + 1, len(ends))
        portions.append((first, last, slice(start, int(ends[last - 1]))))
        first, start = last, int(ends[last - 1])
    return portions


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
        self._affine.begin_forward(w["W"], w["b"])
        self._affine.forward(x, self._y)
        if not isinstance(self._layer, Linear):
            getattr(kernels, f"{self._layer.kind}_forward")(self._y)
        return self._y

    def backward(
        self, error: Array, x: Array, batch: Batch, w: Pieces, dw: Pieces, limit: float, below: bool
    ) -> Array:
        if not isinstance(self._layer, Linear):
            getattr(kernels, f"{self._layer.kind}_backward")(error, self._y)
        e_below = self._affine.begin_backward(w["W"], dw["W"], dw["b"], batch.frames, below)
        self._affine.backward(error, x, slice(None))
        return e_below


def _flat(pieces: Pieces, *names: str) -> list[Array]:
    """Pieces [4, E] or [4, E, …] as the kernels take them: the four gates one below the other."""
    return [pieces[name].reshape(-1, *pieces[name].shape[2:]) for name in names]
