"""The gradient of the input weights: eᵀ x, the sum over frames of outer products.

e [N, M] holds the deltas of all frames, x [N, K] the inputs; out [M, K].  It is a third of the
arithmetic of training, and the one large product: here a general library is at its best.
"""

from __future__ import annotations

import numpy as np

from benchmarks.ladder.rungs import Array, Ladder, Rung, Yardstick, fast, plain
from lstmcore.backends.cpu import gemm as cpu_products

_MANY = 60  # rows for which panels are cut where there are many
_LARGE = 1024  # side of the matrices whose product is the yardstick


def plain_loops(e: Array, x: Array, out: Array) -> None:
    """Go through the result, element by element: the definition."""
    for m in range(e.shape[1]):
        for k in range(x.shape[1]):
            total = e[0, m] * x[0, k]
            for n in range(1, e.shape[0]):
                total += e[n, m] * x[n, k]
            out[m, k] = total


def frame_by_frame(e: Array, x: Array, out: Array) -> None:
    """Add the outer product of each frame to the whole result."""
    out[:] = 0
    for n in range(e.shape[0]):
        for m in range(e.shape[1]):
            for k in range(x.shape[1]):
                out[m, k] += e[n, m] * x[n, k]


def row_by_row(e: Array, x: Array, out: Array) -> None:
    """Add up a row of the result over all frames, then the next."""
    out[:] = 0
    for m in range(e.shape[1]):
        for n in range(e.shape[0]):
            for k in range(x.shape[1]):
                out[m, k] += e[n, m] * x[n, k]


class _OverFrames:
    """The engine's product over frames, with its memory."""

    def __init__(self, e: Array, x: Array) -> None:
        self._width = cpu_products.panel_width(x.dtype, _MANY)
        self._memory = np.empty(cpu_products.block_size(e.shape[1], x.shape[1], self._width), x.dtype)

    def __call__(self, e: Array, x: Array, out: Array) -> None:
        cpu_products.product_over_frames(e, x, self._memory, self._width, True, True, 0, len(out), out)


def _blas(e: Array, x: Array, out: Array) -> None:
    np.dot(e.T, x, out)


def frames_ladder(frames: int, deltas: int, inputs: int) -> Ladder:
    """Make the ladder of a product over frames, in float32."""
    random = np.random.default_rng(1)
    e = random.standard_normal((frames, deltas)).astype(np.float32)
    x = random.standard_normal((frames, inputs)).astype(np.float32)
    large = random.standard_normal((_LARGE, _LARGE)).astype(np.float32)
    rungs = (
        Rung("plain loops", "one sum at a time; both factors are read by columns", plain(plain_loops)),
        Rung("frame by frame", "vectors along the rows, but the whole result passes through the cache for "
             "every frame", fast(frame_by_frame)),
        Rung("row by row", "a row of the result stays in the first-level cache while all frames pass",
             fast(row_by_row)),
        Rung("np.dot", "BLAS: tiles in registers, operands packed to suit the caches, instructions written "
             "by hand", _blas),
        Rung("panels and tiles", "the same form for the blocks of frames of a song, in the engine's own "
             "kernels: no second library, no threads of its own", _OverFrames(e, x)),
    )  # fmt: skip
    return Ladder(
        title=f"Gradient of the weights, {deltas} x {inputs} over {frames} frames",
        unit="GFLOP/s",
        amount=2.0 * frames * deltas * inputs,
        operands=(e, x, np.empty((deltas, inputs), np.float32)),
        expected={2: e.T.astype(np.float64) @ x},
        tolerance=2e-6,
        rungs=rungs,
        yardstick=Yardstick("share of sgemm", lambda: np.dot(large, large), 2.0 * _LARGE**3),
    )
