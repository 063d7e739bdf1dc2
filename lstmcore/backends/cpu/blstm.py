"""A bidirectional LSTM layer on a CPU: an LSTM layer for each direction of time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from lstmcore.backends.cpu.lstm import CpuLstm
from lstmcore.backends.cpu.memory import Memory
from lstmcore.backends.cpu.team import Team
from lstmcore.batches import Batch
from lstmcore.layers import BLSTM

Array = Any
Pieces = dict[str, Array]


class CpuBlstm:
    """Two directions; the second sees each sequence reversed in time."""

    def __init__(self, inputs: int, layer: BLSTM, dtype: DTypeLike) -> None:
        half = layer.size // 2
        self._half, self._memory = half, Memory(dtype)
        self._forwards = CpuLstm(inputs, half, layer.bias, dtype)
        self._backwards = CpuLstm(inputs, half, layer.bias, dtype)

    def forward(self, x: Array, batch: Batch, w: Pieces, team: Team) -> Array:
        """Compute the block outputs of both directions side by side [N, 2E]; valid until the next call."""
        there, back = self._two_directions(w)
        self._x_reversed = x[batch.reverse]
        y = self._memory.rows("y", batch.frames, 2 * self._half)
        y[:, : self._half] = self._forwards.forward(x, batch, there, team)
        y[:, self._half :] = self._backwards.forward(self._x_reversed, batch, back, team)[batch.reverse]
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
        ahead = np.ascontiguousarray(error[:, : self._half])
        behind = np.ascontiguousarray(error[batch.reverse, self._half :])
        e = self._forwards.backward(ahead, x, batch, there, d_there, limit, below, team)
        e_reversed = self._backwards.backward(
            behind, self._x_reversed, batch, back, d_back, limit, below, team
        )
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
