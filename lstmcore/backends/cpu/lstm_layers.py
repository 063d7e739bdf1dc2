"""The LSTM layers on a CPU with their memory: one direction of time, and two.

A pass on one thread is one call of a kernel.  Several threads go through phases (see
`lstmcore.backends.cpu.team`): weights are packed; each computes its sequences through time, one layer after
the other; at last its rows of the gradients.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from lstmcore.backends.cpu.gemm import panel_width
from lstmcore.backends.cpu.lstm import (
    Scratch,
    States,
    gradients_of_rows,
    layer_backward,
    layer_forward,
    sequences_backward,
    sequences_forward,
)
from lstmcore.backends.cpu.memory import Memory
from lstmcore.backends.cpu.team import Team, add_packing, add_transposed_packing, product_together
from lstmcore.batches import Batch
from lstmcore.layers import BLSTM

Array = Any
Pieces = dict[str, Array]

_MANY_ROWS = 12  # of a step, for each thread: then products are computed step by step


class CpuLstm:
    """One direction of an LSTM layer.

    What is cut to the shape of a batch is kept for the next batch of the same shape: with small networks
    cutting it takes as long as computing.
    """

    def __init__(self, inputs: int, units: int, bias: float, dtype: DTypeLike) -> None:
        self._inputs, self._units, self._memory = inputs, units, Memory(dtype)
        self._bias = self._memory.number(bias)
        self._shape: tuple[int, int] | None = None

    def pack(self, batch: Batch, w: Pieces, team: Team, back: bool, below: bool) -> None:
        """Pack the weights in the team's next phase."""
        self._cut(batch)
        weights, recurrent = _flat(w, "W", "R")
        width, recurrent_width, memory, recurrent_memory = self._panels
        lay_out = add_packing if back else add_transposed_packing
        if below or not back:
            lay_out(weights, memory, width, team)
        lay_out(recurrent, recurrent_memory, recurrent_width, team)

    def forward(self, x: Array, batch: Batch, w: Pieces, team: Team) -> Array:
        """Compute the block outputs [N, E]; valid until the next call."""
        self._cut(batch)
        if team.size > 1:
            self._forward_together(x, batch, w, team)
            return self._h
        layer_forward(
            x,
            batch.batch_sizes,
            *_flat(w, "W", "b", "R"),
            w["p"],
            self._bias,
            *self._panels,
            self._begin,
            *self._states,
        )
        return self._h

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
        e_below = self._memory.errors_below(batch.frames, self._inputs, below)
        bound = self._memory.number(limit)
        if team.size > 1:
            self._backward_together(error, x, batch, w, dw, bound, e_below, team)
            return e_below
        layer_backward(
            error,
            x,
            batch.batch_sizes,
            *_flat(w, "W", "R"),
            w["p"],
            self._bias,
            bound,
            *self._panels,
            *self._alone,
            self._begin_below,
            *self._states,
            *self._scratch,
            e_below,
            *_flat(dw, "W", "b", "R"),
            dw["p"],
        )
        return e_below

    def _forward_together(self, x: Array, batch: Batch, w: Pieces, team: Team) -> None:
        width, _, memory, _ = self._panels
        np.multiply(w["b"].reshape(-1), self._bias, out=self._begin)
        sequences, sizes, states = team.cut_sequences(batch), batch.batch_sizes, self._states
        if not _have_many_rows(batch, team):
            team.wait()
            product_together(x, memory, width, self._begin, states.gates, team)
            x = x[:0]
        team.add(
            lambda k: sequences_forward(x, sizes, *sequences[k], w["p"], *self._panels, self._begin, *states)
        )

    def _backward_together(
        self,
        error: Array,
        x: Array,
        batch: Batch,
        w: Pieces,
        dw: Pieces,
        limit: Any,
        e_below: Array,
        team: Team,
    ) -> None:
        (recurrent,) = _flat(w, "R")
        width, _, memory, _ = self._panels
        sequences, sizes, states = team.cut_sequences(batch), batch.batch_sizes, self._states
        self._begin_below[:] = 0
        at_once = e_below if _have_many_rows(batch, team) else e_below[:0]
        of_time = w["p"], limit, *self._panels, self._begin_below, *states, *self._scratch, at_once
        team.add(lambda k: sequences_backward(error, sizes, *sequences[k], recurrent, *of_time))
        if len(e_below) > len(at_once):
            team.wait()
            product_together(states.gates, memory, width, self._begin_below, e_below, team)
        # One matrix's larger parts are computed where the other's are smaller.
        rows, units = team.cut(4 * self._units, width), team.cut(self._units)
        recurrent_rows = team.cut(4 * self._units, width, larger_first=True)
        gradient = *_flat(dw, "W", "b", "R"), dw["p"]
        scratches = [
            (
                *self._blocks(k),
                self._memory.rows(f"sums {k}", 7, self._units),
            )
            for k in range(team.size)
        ]
        read = *states, self._scratch.h_before
        cuts = [(*rows[k], *recurrent_rows[k], *units[k]) for k in range(team.size)]
        team.later(
            lambda k: gradients_of_rows(
                x, sizes, self._bias, width, *scratches[k], *read, *cuts[k], *gradient
            )
        )

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
        self._states = States(
            rows("gates", frames, 4 * units),
            rows("c", frames + sequences, units),
            rows("h", frames + sequences, units),
        )
        self._h = self._states.h[sequences:]
        self._scratch = Scratch(rows("carry", sequences, units), rows("h_before", frames, units))
        self._begin, self._begin_below = memory.flat("begin", 4 * units), memory.flat("begin below", inputs)
        self._alone = self._blocks(0)

    def _blocks(self, thread: int) -> tuple[Array, Array]:
        """Memory of a thread for the gradients of the input and of the recurrent weights."""
        block, rows = self._memory.block, 4 * self._units
        return block(rows, self._inputs, "inputs", thread), block(rows, self._units, "recurrent", thread)


class CpuBlstm:
    """Two directions; the second sees each sequence reversed in time."""

    def __init__(self, inputs: int, layer: BLSTM, dtype: DTypeLike) -> None:
        half = layer.size // 2
        self._half, self._memory = half, Memory(dtype)
        self._forwards = CpuLstm(inputs, half, layer.bias, dtype)
        self._backwards = CpuLstm(inputs, half, layer.bias, dtype)

    def pack(self, batch: Batch, w: Pieces, team: Team, back: bool, below: bool) -> None:
        """Pack the weights in the team's next phase."""
        for direction, pieces in zip((self._forwards, self._backwards), self._two_directions(w), strict=True):
            direction.pack(batch, pieces, team, back, below)

    def forward(self, x: Array, batch: Batch, w: Pieces, team: Team) -> Array:
        """Compute the block outputs of both directions side by side [N, 2E]; valid until the next call."""
        team.wait()  # for all inputs
        there, back = self._two_directions(w)
        self._x_reversed = x[batch.reverse]
        y = self._memory.rows("y", batch.frames, 2 * self._half)
        h = self._forwards.forward(x, batch, there, team)
        h_reversed = self._backwards.forward(self._x_reversed, batch, back, team)
        team.wait()
        y[:, : self._half], y[:, self._half :] = h, h_reversed[batch.reverse]
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
        """Overwrite the gradient; return the error of the inputs [N, P], empty unless wanted."""
        there, back = self._two_directions(w)
        d_there, d_back = self._two_directions(dw)
        team.wait()  # for all errors
        ahead = np.ascontiguousarray(error[:, : self._half])
        behind = np.ascontiguousarray(error[batch.reverse, self._half :])
        e = self._forwards.backward(ahead, x, batch, there, d_there, limit, below, team)
        e_reversed = self._backwards.backward(
            behind, self._x_reversed, batch, back, d_back, limit, below, team
        )
        team.finish()  # the gradients of both directions
        for name, gradient in dw.items():
            gradient[:, : self._half] = d_there[name]
            gradient[:, self._half :] = d_back[name]
        if below:
            e += e_reversed[batch.reverse]
        return e

    def _two_directions(self, pieces: Pieces) -> tuple[Pieces, Pieces]:
        """Copy the units of each direction, for the kernels want them side by side."""
        half = self._half
        return (
            {n: np.ascontiguousarray(a[:, :half]) for n, a in pieces.items()},
            {n: np.ascontiguousarray(a[:, half:]) for n, a in pieces.items()},
        )


def _have_many_rows(batch: Batch, team: Team) -> bool:
    """Tell whether a step has so many rows for each thread that products may be computed step by step."""
    return batch.sequences >= _MANY_ROWS * team.size


def _flat(pieces: Pieces, *names: str) -> list[Array]:
    """Pieces [4, E] or [4, E, …] as the kernels take them: the four gates one below the other."""
    return [(piece := pieces[name]).reshape(-1, *piece.shape[2:]) for name in names]
