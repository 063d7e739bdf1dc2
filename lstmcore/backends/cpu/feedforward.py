"""The layers without memory in time on a CPU: kernels, a pass through a layer, a layer with its memory.

Shapes stand in brackets behind each argument: N packed frames; P inputs, M net inputs and O outputs
of a frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from lstmcore.backends.cpu.gemm import (
    column_sums,
    kernel_packed,
    pack,
    pack_transposed,
    product,
    product_over_frames,
)
from lstmcore.backends.cpu.math import (
    logistic,
    logistic_slope,
    softmax_numerator,
    softmax_slope,
    tanh,
    tanh_slope,
)
from lstmcore.backends.cpu.memory import Memory
from lstmcore.backends.cpu.team import (
    Team,
    add_packing,
    add_transposed_packing,
    product_with_packed,
)
from lstmcore.batches import Batch
from lstmcore.jit import kernel
from lstmcore.layers import Feedforward, Linear

Array = Any
Pieces = dict[str, Array]


@kernel
def tanh_forward(
    y: Array,  # net inputs, become outputs [N, O]
) -> None:
    """Apply the hyperbolic tangent."""
    for n in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[n, j] = tanh(y[n, j])


@kernel
def tanh_backward(
    e: Array,  # errors of the outputs, become those of the net inputs [N, O]
    y: Array,  # outputs [N, O]
) -> None:
    """Take errors back through the hyperbolic tangent."""
    for n in range(y.shape[0]):
        for j in range(y.shape[1]):
            e[n, j] *= tanh_slope(y[n, j])


@kernel
def logistic_forward(
    y: Array,  # net inputs, become outputs [N, O]
) -> None:
    """Apply the logistic function."""
    for n in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[n, j] = logistic(y[n, j])


@kernel
def logistic_backward(
    e: Array,  # errors of the outputs, become those of the net inputs [N, O]
    y: Array,  # outputs [N, O]
) -> None:
    """Take errors back through the logistic function."""
    for n in range(y.shape[0]):
        for j in range(y.shape[1]):
            e[n, j] *= logistic_slope(y[n, j])


@kernel
def softmax_forward(
    y: Array,  # net inputs, become outputs [N, O]
) -> None:
    """Exponentiate each row and divide it by its sum."""
    for n in range(y.shape[0]):
        largest = y[n, 0]  # y[n].max() takes four times as long to compile as all the rest
        for j in range(1, y.shape[1]):
            largest = max(largest, y[n, j])
        total = y[n, 0] - y[n, 0]
        for j in range(y.shape[1]):
            y[n, j] = softmax_numerator(y[n, j], largest)
            total += y[n, j]
        for j in range(y.shape[1]):
            y[n, j] /= total


@kernel
def softmax_backward(
    e: Array,  # errors of the outputs, become those of the net inputs [N, O]
    y: Array,  # outputs [N, O]
) -> None:
    """Take errors back through the softmax: y (e − Σ y e)."""
    for n in range(y.shape[0]):
        total = y[n, 0] - y[n, 0]
        for j in range(y.shape[1]):
            total += y[n, j] * e[n, j]
        for j in range(y.shape[1]):
            e[n, j] = softmax_slope(y[n, j], e[n, j], total)


@kernel
def affine_forward(
    x: Array,  # inputs [N, P]
    w: Array,  # [M, P]
    b: Array,  # bias weights [M]
    bias: Any,
    width: Any,  # of a panel
    memory: Array,  # for packed w
    begin: Array,  # scratch [M]
    y: Array,  # out: W x + b · bias [N, M]
) -> None:
    """Map a layer's inputs to its net inputs."""
    for j in range(b.shape[0]):
        begin[j] = bias * b[j]
    pack_transposed(w, memory, width)
    product(x, kernel_packed(memory, w.shape[1], w.shape[0], width), begin, y)


@kernel
def affine_backward(
    e: Array,  # errors of the net inputs [N, M]
    x: Array,  # inputs [N, P]
    w: Array,  # [M, P]
    bias: Any,
    width: Any,  # of a panel
    memory: Array,  # for packed w
    block: Array,  # scratch of a product over frames
    begin: Array,  # scratch [P]
    e_below: Array,  # out: errors of the inputs [N, P], or of no frame if nobody wants them
    dw: Array,  # out [M, P]
    db: Array,  # out [M]
) -> None:
    """Take errors back through the affine map."""
    db[:] = 0
    product_over_frames(e, x, block, width, True, True, 0, dw.shape[0], dw)
    column_sums(e, bias, 0, db.shape[0], db)
    if e_below.shape[0] > 0:
        begin[:] = 0
        pack(w, memory, width)
        product(e, kernel_packed(memory, w.shape[0], w.shape[1], width), begin, e_below)


@kernel
def affine_gradient(
    e: Array,  # errors of the net inputs [N, M]
    x: Array,  # inputs [N, P]
    bias: Any,
    width: Any,  # of a panel
    block: Array,  # scratch of a product over frames, the thread's own
    top: Any,  # the first row of the gradient that is computed
    bottom: Any,  # behind the last
    dw: Array,  # out: these rows [M, P]
    db: Array,  # out [M]
) -> None:
    """Sum up some rows of the gradient of the affine map: one thread's share."""
    for j in range(top, bottom):
        db[j] = 0
    product_over_frames(e, x, block, width, True, True, top, bottom, dw)
    column_sums(e, bias, top, bottom, db)


_FORWARD = {"tanh": tanh_forward, "logistic": logistic_forward, "softmax": softmax_forward}
_BACKWARD = {"tanh": tanh_backward, "logistic": logistic_backward, "softmax": softmax_backward}


class CpuFeedforward:
    """A layer without memory in time."""

    def __init__(self, inputs: int, layer: Feedforward, dtype: DTypeLike) -> None:
        self._inputs, self._layer, self._memory = inputs, layer, Memory(dtype)
        self._bias = self._memory.number(layer.bias)

    def pack(self, batch: Batch, w: Pieces, team: Team, back: bool, below: bool) -> None:
        """Pack the weights in the team's next phase."""
        width, memory = self._panels()
        if below or not back:
            (add_packing if back else add_transposed_packing)(w["W"], memory, width, team)

    def forward(self, x: Array, batch: Batch, w: Pieces, team: Team) -> Array:
        """Compute the outputs [N, O]; valid until the next call."""
        self._y = self._memory.rows("y", batch.frames, self._layer.size)
        begin = self._memory.flat("begin", self._layer.size)
        if team.size > 1:
            self._forward_together(x, w, begin, team)
            return self._y
        affine_forward(x, w["W"], w["b"], self._bias, *self._panels(), begin, self._y)
        if not isinstance(self._layer, Linear):
            _FORWARD[self._layer.kind](self._y)
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
        if team.size > 1:
            e_below = self._memory.errors_below(batch.frames, self._inputs, below)
            self._backward_together(error, x, dw, e_below, team)
            return e_below
        if not isinstance(self._layer, Linear):
            _BACKWARD[self._layer.kind](error, self._y)
        memory = self._memory
        e_below = memory.errors_below(batch.frames, self._inputs, below)
        scratch = memory.block(self._layer.size, self._inputs), memory.flat("begin", self._inputs)
        affine_backward(error, x, w["W"], self._bias, *self._panels(), *scratch, e_below, dw["W"], dw["b"])
        return e_below

    def _forward_together(self, x: Array, w: Pieces, begin: Array, team: Team) -> None:
        (width, memory), y = self._panels(), self._y
        np.multiply(w["b"], self._bias, out=begin)
        rows = [slice(*part) for part in team.cut(len(x))]
        team.wait()  # for all inputs

        def share(k: int) -> None:
            product_with_packed(x[rows[k]], memory, width, begin, y[rows[k]])
            if not isinstance(self._layer, Linear):
                _FORWARD[self._layer.kind](y[rows[k]])

        team.run(share)

    def _backward_together(self, error: Array, x: Array, dw: Pieces, e_below: Array, team: Team) -> None:
        (width, memory), y, begin = self._panels(), self._y, self._memory.flat("begin", self._inputs)
        begin[:] = 0
        rows = [slice(*part) for part in team.cut(len(x))]
        team.wait()  # for all errors

        def errors(k: int) -> None:
            if not isinstance(self._layer, Linear):
                _BACKWARD[self._layer.kind](error[rows[k]], y[rows[k]])
            if len(e_below):
                product_with_packed(error[rows[k]], memory, width, begin, e_below[rows[k]])

        team.run(errors)
        outputs = team.cut(self._layer.size, width)
        blocks = [self._memory.block(self._layer.size, self._inputs, thread=k) for k in range(team.size)]
        team.later(
            lambda k: affine_gradient(error, x, self._bias, width, blocks[k], *outputs[k], dw["W"], dw["b"])
        )

    def _panels(self) -> tuple[int, Array]:
        """Width of the panels of the weights, and memory for them, either way round."""
        width = self._memory.width
        return width, self._memory.panels("inputs", self._inputs, self._layer.size, width)
