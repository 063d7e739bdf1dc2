"""The update of all weights: Δ ← μ Δ − η g, w ← w + Δ.

Four operations a weight and five times four bytes to move (three read, two written): memory sets
the pace.  A copy writes as much as it reads; who reads more than he writes can be above its rate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.ladder.rungs import Array, Ladder, Rung, Yardstick
from lstmcore.backends.cpu.descent import momentum_update

_RATE, _MOMENTUM = np.float32(1e-6), np.float32(0.9)


def temporaries(weights: Array, deltas: Array, gradient: Array) -> None:
    """Write it as one would on paper."""
    deltas[:] = _MOMENTUM * deltas - _RATE * gradient
    weights[:] = weights + deltas


class _InPlace:
    """NumPy's operations into arrays that are there already."""

    def __init__(self, weights: Array) -> None:
        self._product = np.empty_like(weights)

    def __call__(self, weights: Array, deltas: Array, gradient: Array) -> None:
        np.multiply(gradient, _RATE, out=self._product)
        deltas *= _MOMENTUM
        deltas -= self._product
        weights += deltas


def _one_pass(weights: Array, deltas: Array, gradient: Array) -> None:
    momentum_update(weights, deltas, gradient, _RATE, _MOMENTUM)


def update_ladder(parameters: int) -> Ladder:
    """Make the ladder of the update of so many weights, in float32."""
    weights, deltas, gradient = np.random.default_rng(1).standard_normal((3, parameters)).astype(np.float32)
    moved: Any = _MOMENTUM * deltas.astype(np.float64) - _RATE * gradient.astype(np.float64)
    copied = np.empty_like(weights)
    rungs = (
        Rung("NumPy expressions", "four temporary arrays are made anew, written and read again", temporaries),
        Rung("in place", "no new memory, but still four passes: 10 arrays read or written where 5 would do",
             _InPlace(weights)),
        Rung("one Numba pass", "a weight is loaded once, moved and stored", _one_pass),
    )  # fmt: skip
    return Ladder(
        title=f"Update of {parameters} weights",
        unit="GB/s",
        amount=5.0 * weights.nbytes,
        operands=(weights, deltas, gradient),
        expected={0: weights + moved, 1: moved},
        tolerance=1e-6,
        rungs=rungs,
        yardstick=Yardstick("share of a copy", lambda: np.copyto(copied, weights), 2.0 * weights.nbytes),
    )
