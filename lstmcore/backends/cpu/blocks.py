"""The layers that see a step as a block, on a CPU: convolution and pools, and each with its memory.

Shapes stand in brackets behind each argument: N packed frames; P inputs and O outputs of a frame; V values
of a window, W of its places in a block, K filters.  A convolution is a product: the windows of some frames
are laid out as the rows of a matrix, which is multiplied with the filters.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from lstmcore.backends.cpu.feedforward import tanh_backward, tanh_forward
from lstmcore.backends.cpu.gemm import (
    column_sums,
    kernel_packed,
    pack,
    pack_transposed,
    product,
    product_over_frames,
)
from lstmcore.backends.cpu.math import relu, relu_error
from lstmcore.backends.cpu.memory import Memory
from lstmcore.backends.cpu.team import Team
from lstmcore.batches import Batch
from lstmcore.jit import inlined, kernel
from lstmcore.layers import BlockLayer, Convolution, MaxPool, Pool

Array = Any
Pieces = dict[str, Array]

_ROWS = 240  # windows that are multiplied at once, of as many whole frames as have them


def geometry_of(layer: BlockLayer) -> Array:
    """Return bands and channels, the window, its steps, and its places, as the kernels read them [9]."""
    return np.array([*layer.shape[1:], *layer.window_shape, *layer.steps, *layer.places], np.int64)


@inlined
def _unfold(
    x: Array,  # a block [P]
    geometry: Array,  # [9]
    rows: Array,  # out: its windows [at least W, V]
) -> None:
    bands, channels, times, width, _, step, across, places, _ = geometry
    run = width * channels  # values of a window that lie side by side
    row = 0
    for t in range(places):
        for f in range(geometry[8]):
            for a in range(times):
                start = ((t * step + a) * bands + f * across) * channels
                for k in range(run):
                    rows[row, a * run + k] = x[start + k]
            row += 1


@inlined
def _fold(
    rows: Array,  # errors of the windows [at least W, V]
    geometry: Array,  # [9]
    x: Array,  # out: the sum of all that fell on each value of the block [P]
) -> None:
    bands, channels, times, width, _, step, across, places, _ = geometry
    run = width * channels
    for k in range(x.shape[0]):
        x[k] = 0
    row = 0
    for t in range(places):
        for f in range(geometry[8]):
            for a in range(times):
                start = ((t * step + a) * bands + f * across) * channels
                for k in range(run):
                    x[start + k] += rows[row, a * run + k]
            row += 1


@kernel
def convolution_forward(
    x: Array,  # inputs [N, P]
    w: Array,  # [K, V]
    b: Array,  # bias weights [K]
    bias: Any,
    geometry: Array,  # [9]
    width: Any,  # of a panel
    memory: Array,  # for packed w
    begin: Array,  # scratch [K]
    rows: Array,  # scratch: windows of some frames [whole frames · W, V]
    y: Array,  # out: net inputs [N · W, K]
) -> None:
    """Map blocks to the net inputs of a convolution."""
    for j in range(b.shape[0]):
        begin[j] = bias * b[j]
    pack_transposed(w, memory, width)
    panels = kernel_packed(memory, w.shape[1], w.shape[0], width)
    places = geometry[7] * geometry[8]
    together = rows.shape[0] // places
    for first in range(0, x.shape[0], together):
        last = min(first + together, x.shape[0])
        for n in range(first, last):
            _unfold(x[n], geometry, rows[(n - first) * places :])
        product(rows[: (last - first) * places], panels, begin, y[first * places : last * places])


@kernel
def convolution_backward(
    e: Array,  # errors of the net inputs [N · W, K]
    x: Array,  # inputs [N, P]
    w: Array,  # [K, V]
    bias: Any,
    geometry: Array,  # [9]
    width: Any,  # of a panel
    memory: Array,  # for packed w
    block: Array,  # scratch of a product over frames
    begin: Array,  # scratch [V]
    rows: Array,  # scratch: windows of some frames [whole frames · W, V]
    e_below: Array,  # out: errors of the inputs [N, P], or of no frame if nobody wants them
    dw: Array,  # out [K, V]
    db: Array,  # out [K]
) -> None:
    """Take errors back through the filters."""
    db[:] = 0
    places = geometry[7] * geometry[8]
    together = rows.shape[0] // places
    for first in range(0, x.shape[0], together):
        last = min(first + together, x.shape[0])
        for n in range(first, last):
            _unfold(x[n], geometry, rows[(n - first) * places :])
        errors = e[first * places : last * places]
        windows = rows[: (last - first) * places]
        product_over_frames(errors, windows, block, width, first == 0, last == x.shape[0], 0, dw.shape[0], dw)
        column_sums(errors, bias, 0, db.shape[0], db)
    if e_below.shape[0] > 0:
        begin[:] = 0
        pack(w, memory, width)
        panels = kernel_packed(memory, w.shape[0], w.shape[1], width)
        for first in range(0, x.shape[0], together):
            last = min(first + together, x.shape[0])
            product(e[first * places : last * places], panels, begin, rows[: (last - first) * places])
            for n in range(first, last):
                _fold(rows[(n - first) * places :], geometry, e_below[n])


@kernel
def relu_forward(
    y: Array,  # net inputs, become outputs [N, O]
) -> None:
    """Apply the rectified linear function."""
    for n in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[n, j] = relu(y[n, j])


@kernel
def relu_backward(
    e: Array,  # errors of the outputs, become those of the net inputs [N, O]
    y: Array,  # outputs [N, O]
) -> None:
    """Take errors back through the rectified linear function."""
    for n in range(y.shape[0]):
        for j in range(y.shape[1]):
            e[n, j] = relu_error(y[n, j], e[n, j])


@kernel
def max_pool_forward(
    x: Array,  # inputs [N, P]
    geometry: Array,  # [9]
    chosen: Array,  # out: which of the inputs each output is, int32 [N, O]
    y: Array,  # out: outputs [N, O]
) -> None:
    """Take the largest value of each window, of equal ones the first; NaN counts as the largest."""
    bands, channels, times, width, depth, step, across, places, beside = geometry
    groups = channels // depth
    for n in range(x.shape[0]):
        for t in range(places):
            for f in range(beside):
                for g in range(groups):
                    best = (t * step * bands + f * across) * channels + g * depth
                    for a in range(times):
                        for b in range(width):
                            start = ((t * step + a) * bands + f * across + b) * channels + g * depth
                            for c in range(start, start + depth):
                                larger = x[n, c] > x[n, best]
                                if larger or (x[n, c] != x[n, c] and x[n, best] == x[n, best]):
                                    best = c
                    o = (t * beside + f) * groups + g
                    chosen[n, o] = best
                    y[n, o] = x[n, best]


@kernel
def max_pool_backward(
    e: Array,  # errors of the outputs [N, O]
    chosen: Array,  # which of the inputs each output is, int32 [N, O]
    e_below: Array,  # out: errors of the inputs [N, P], or of no frame if nobody wants them
) -> None:
    """Give the error of each output to the input that it is."""
    for n in range(e_below.shape[0]):
        for k in range(e_below.shape[1]):
            e_below[n, k] = 0
        for o in range(e.shape[1]):
            e_below[n, chosen[n, o]] += e[n, o]


@kernel
def mean_pool_forward(
    x: Array,  # inputs [N, P]
    geometry: Array,  # [9]
    share: Any,  # of a value in its window's mean
    y: Array,  # out: outputs [N, O]
) -> None:
    """Take the mean of each window."""
    bands, channels, times, width, depth, step, across, places, beside = geometry
    groups = channels // depth
    for n in range(x.shape[0]):
        for t in range(places):
            for f in range(beside):
                for g in range(groups):
                    o = (t * beside + f) * groups + g
                    y[n, o] = 0
                    for a in range(times):
                        for b in range(width):
                            start = ((t * step + a) * bands + f * across + b) * channels + g * depth
                            for c in range(start, start + depth):
                                y[n, o] += share * x[n, c]


@kernel
def mean_pool_backward(
    e: Array,  # errors of the outputs [N, O]
    geometry: Array,  # [9]
    share: Any,  # of a value in its window's mean
    e_below: Array,  # out: errors of the inputs [N, P], or of no frame if nobody wants them
) -> None:
    """Give each value of a window its share of the error."""
    bands, channels, times, width, depth, step, across, places, beside = geometry
    groups = channels // depth
    for n in range(e_below.shape[0]):
        for k in range(e_below.shape[1]):
            e_below[n, k] = 0
        for t in range(places):
            for f in range(beside):
                for g in range(groups):
                    o = (t * beside + f) * groups + g
                    for a in range(times):
                        for b in range(width):
                            start = ((t * step + a) * bands + f * across + b) * channels + g * depth
                            for c in range(start, start + depth):
                                e_below[n, c] += share * e[n, o]


_FORWARD = {"relu": relu_forward, "tanh": tanh_forward}
_BACKWARD = {"relu": relu_backward, "tanh": tanh_backward}


class CpuConvolution:
    """A convolution."""

    def __init__(self, layer: Convolution, dtype: DTypeLike) -> None:
        self._layer, self._memory = layer, Memory(dtype)
        self._bias, self._geometry = self._memory.number(layer.bias), geometry_of(layer)
        self._places = int(np.prod(layer.places))
        self._values = int(np.prod(layer.window_shape))

    def pack(self, batch: Batch, w: Pieces, team: Team, back: bool, below: bool) -> None:
        """Leave the weights as they are."""

    def forward(self, x: Array, batch: Batch, w: Pieces, team: Team) -> Array:
        """Compute the outputs [N, O]; valid until the next call."""
        team.wait()  # for all inputs
        layer, memory = self._layer, self._memory
        self._y = memory.rows("y", batch.frames, layer.size)
        begin, net = memory.flat("begin", layer.filters), self._y.reshape(-1, layer.filters)
        filters = w["W"].reshape(layer.filters, -1)
        convolution_forward(
            x, filters, w["b"], self._bias, self._geometry, *self._panels(), begin, self._rows(), net
        )
        _FORWARD[layer.activation](self._y)
        return self._y

    def backward(
        self,
        error: Array,
        x: Array,
        batch: Batch,
        w: Pieces,
        dw: Pieces,
        limit: float,
        below: bool,
        team: Team,
    ) -> Array:
        """Overwrite the gradient; return the error of the inputs [N, P], empty unless wanted."""
        team.wait()  # for all errors
        layer, memory = self._layer, self._memory
        _BACKWARD[layer.activation](error, self._y)
        e_below = memory.errors_below(batch.frames, x.shape[1], below)
        scratch = memory.block(layer.filters, self._values), memory.flat("window", self._values), self._rows()
        filters, gradient = w["W"].reshape(layer.filters, -1), dw["W"].reshape(layer.filters, -1)
        net = error.reshape(-1, layer.filters)
        of_layer = self._bias, self._geometry, *self._panels()
        convolution_backward(net, x, filters, *of_layer, *scratch, e_below, gradient, dw["b"])
        return e_below

    def _panels(self) -> tuple[int, Array]:
        """Width of the panels of the filters, and memory for them, either way round."""
        width = self._memory.width
        return width, self._memory.panels("filters", self._values, self._layer.filters, width)

    def _rows(self) -> Array:
        """Memory for the windows of some frames: of how many, and so each sum, depends on the layer alone."""
        return self._memory.rows("rows", max(1, _ROWS // self._places) * self._places, self._values)


class CpuPool:
    """A pool: of the largest values, or of means."""

    def __init__(self, layer: Pool, dtype: DTypeLike) -> None:
        self._layer, self._memory, self._geometry = layer, Memory(dtype), geometry_of(layer)
        self._largest = isinstance(layer, MaxPool)
        self._share = self._memory.number(1 / np.prod(layer.window_shape))
        self._chosen = np.empty((0, layer.size), np.int32)

    def pack(self, batch: Batch, w: Pieces, team: Team, back: bool, below: bool) -> None:
        """Leave the weights as they are."""

    def forward(self, x: Array, batch: Batch, w: Pieces, team: Team) -> Array:
        """Compute the outputs [N, O]; valid until the next call."""
        team.wait()  # for all inputs
        y = self._memory.rows("y", batch.frames, self._layer.size)
        if self._largest:
            if len(self._chosen) < batch.frames:
                self._chosen = np.empty(y.shape, np.int32)
            max_pool_forward(x, self._geometry, self._chosen, y)
        else:
            mean_pool_forward(x, self._geometry, self._share, y)
        return y

    def backward(
        self,
        error: Array,
        x: Array,
        batch: Batch,
        w: Pieces,
        dw: Pieces,
        limit: float,
        below: bool,
        team: Team,
    ) -> Array:
        """Return the error of the inputs [N, P], empty unless wanted; there is no gradient."""
        team.wait()  # for all errors
        e_below = self._memory.errors_below(batch.frames, x.shape[1], below)
        if self._largest:
            max_pool_backward(error, self._chosen, e_below)
        else:
            mean_pool_backward(error, self._geometry, self._share, e_below)
        return e_below
