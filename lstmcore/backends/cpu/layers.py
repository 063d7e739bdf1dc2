"""The layers of the CPU backend: each owns the memory its kernels work in.

A layer's `forward` and `backward` are called in turn for the same batch.  Memory grows
when a larger batch comes and is kept.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lstmcore.backends.cpu import kernels, passes
from lstmcore.backends.cpu.gemm import block_size, packed_size, panel_width
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
        self.width = panel_width(dtype, _MANY)
        self._nobody = np.empty((0, 0), self.dtype)

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

    def errors_below(self, frames: int, inputs: int, wanted: bool) -> Array:
        """Return an array for the errors of a layer's inputs, of no frame if nobody wants them."""
        return self.rows("below", frames, inputs) if wanted else self._nobody

    def panels(self, name: str, inputs: int, outputs: int, width: int) -> Array:
        """Return memory for a packed matrix [outputs, inputs] or its transpose."""
        size = max(packed_size(inputs, outputs, width), packed_size(outputs, inputs, width))
        return self.flat(name, size)

    def block(self, columns: int) -> Array:
        """Return scratch memory for a product over frames with so many columns."""
        return self.flat("block", block_size(columns, self.width))


def aligned(count: int, dtype: np.dtype[Any]) -> Array:
    """Make an array that begins with a line of the cache."""
    line = 64
    memory = np.empty(count * dtype.itemsize + line, np.uint8)
    start = -memory.ctypes.data % line
    return memory[start : start + count * dtype.itemsize].view(dtype)


class _Lstm:
    """One direction of an LSTM layer.

    What is cut to the shape of a batch is kept for the next batch of the same shape: with small networks
    cutting it takes as long as computing.
    """

    def __init__(self, inputs: int, units: int, bias: float, dtype: DTypeLike) -> None:
        self._inputs, self._units, self._memory = inputs, units, _Memory(dtype)
        self._bias = self._memory.number(bias)
        self._shape: tuple[int, int] | None = None

    def forward(self, x: Array, batch: Batch, w: Pieces) -> Array:
        self._cut(batch)
        weights = _flat(w, "W", "b", "R")
        passes.lstm_layer_forward(
            x, batch.counts, *weights, w["p"], self._bias, *self._panels, self._begin, *self._states
        )
        return self._h

    def backward(
        self, error: Array, x: Array, batch: Batch, w: Pieces, dw: Pieces, limit: float, below: bool
    ) -> Array:
        e_below = self._memory.errors_below(batch.frames, self._inputs, below)
        passes.lstm_layer_backward(
            error,
            x,
            batch.counts,
            *_flat(w, "W", "R"),
            w["p"],
            self._bias,
            self._memory.number(limit),
            *self._panels,
            self._block,
            self._begin_below,
            *self._states,
            *self._scratch,
            e_below,
            *_flat(dw, "W", "b", "R"),
            dw["p"],
        )
        return e_below

    def _cut(self, batch: Batch) -> None:
        """Cut the memory to the shape of a batch."""
        frames, sequences = batch.frames, batch.sequences
        if self._shape == (frames, sequences):
            return
        self._shape = frames, sequences
        memory, rows, inputs, units = self._memory, self._memory.rows, self._inputs, self._units
        width, recurrent_width = memory.width, panel_width(memory.dtype, sequences)
        self._panels = (
            width,
            recurrent_width,
            memory.panels("inputs", inputs, 4 * units, width),
            memory.panels("recurrent", units, 4 * units, recurrent_width),
        )
        self._states = (
            rows("gates", frames, 4 * units),
            rows("c", frames + sequences, units),
            rows("h", frames + sequences, units),
        )
        self._h = self._states[2][sequences:]
        self._scratch = rows("carry", sequences, units), rows("h_before", frames, units)
        self._begin, self._begin_below = memory.flat("begin", 4 * units), memory.flat("begin below", inputs)
        self._block = memory.block(max(inputs, units))


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
        self._inputs, self._layer, self._memory = inputs, layer, _Memory(dtype)
        self._bias = self._memory.number(layer.bias)

    def forward(self, x: Array, batch: Batch, w: Pieces) -> Array:
        self._y = self._memory.rows("y", batch.frames, self._layer.size)
        begin = self._memory.flat("begin", self._layer.size)
        passes.affine_forward(x, w["W"], w["b"], self._bias, *self._panels(), begin, self._y)
        if not isinstance(self._layer, Linear):
            getattr(kernels, f"{self._layer.kind}_forward")(self._y)
        return self._y

    def backward(
        self, error: Array, x: Array, batch: Batch, w: Pieces, dw: Pieces, limit: float, below: bool
    ) -> Array:
        if not isinstance(self._layer, Linear):
            getattr(kernels, f"{self._layer.kind}_backward")(error, self._y)
        memory = self._memory
        e_below = memory.errors_below(batch.frames, self._inputs, below)
        scratch = memory.block(self._inputs), memory.flat("begin", self._inputs)
        passes.affine_backward(
            error, x, w["W"], self._bias, *self._panels(), *scratch, e_below, dw["W"], dw["b"]
        )
        return e_below

    def _panels(self) -> tuple[int, Array]:
        """Width of the panels of the weights, and memory for them, either way round."""
        width = self._memory.width
        return width, self._memory.panels("inputs", self._inputs, self._layer.size, width)


def _flat(pieces: Pieces, *names: str) -> list[Array]:
    """Pieces [4, E] or [4, E, …] as the kernels take them: the four gates one below the other."""
    return [(piece := pieces[name]).reshape(-1, *piece.shape[2:]) for name in names]
