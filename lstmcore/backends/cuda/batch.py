"""Batches on the GPU: packed, with context and noise, from the sets that lie there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from lstmcore.backends.cuda.compile import device
from lstmcore.backends.cuda.layout import (
    BEFORE,
    COLUMNS,
    COUNTS,
    LANES,
    LEFT,
    OFFSETS,
    RIGHT,
    ROW,
    SLOT,
    STEP,
    TURNED,
    X0,
)
from lstmcore.noise import gaussian_pair, threefry

Array = Any

REAL: Any = np.float32  # given its meaning by the precision compiled for
THREADS: Any = 256
UINT: Any = np.uint32


@device
def arrange(
    table: Array,
    ints: Array,
    area: Any,
    starts: Array,
    lengths: Array,
    first: Any,  # where the set's sequences begin in starts and lengths
    orders: Array,
    chosen: Any,  # where the batch's sequences begin in orders, by falling length
    count: Any,
    rank: Any,
    blocks: Any,
) -> Any:
    """Pack a batch as `lstmcore.batches.pack` does; return its number of steps."""
    steps = lengths[first + orders[chosen]]
    counts, offsets, rows = area + table[COUNTS], area + table[OFFSETS], area + table[ROW]
    for t in range(rank * THREADS + cuda.threadIdx.x, steps + 1, blocks * THREADS):
        offset, before, alive = 0, 0, 0
        for s in range(count):
            length = lengths[first + orders[chosen + s]]
            offset += min(length, t)
            before += min(length, t - 1)
            if length > t:
                alive += 1
        ints[counts + t], ints[offsets + t] = alive, offset
        for s in range(alive):
            sequence = first + orders[chosen + s]
            mirror = lengths[sequence] - 1 - t
            turned = s
            for other in range(count):
                turned += min(lengths[first + orders[chosen + other]], mirror)
            n = offset + s
            ints[rows + n] = starts[sequence] + t
            ints[area + table[STEP] + n], ints[area + table[SLOT] + n] = t, s
            ints[area + table[BEFORE] + n] = s if t == 0 else count + before + s
            ints[area + table[TURNED] + n] = turned
    return steps


@device
def gather(
    table: Array,
    ints: Array,
    area: Any,
    frames: Any,
    inputs: Array,
    lengths: Array,
    first: Any,
    origin: Any,  # the set's first row
    orders: Array,
    chosen: Any,
    sigma: Any,
    key_0: Any,
    key_1: Any,
    work: Array,
    base: Any,
    rank: Any,
    blocks: Any,
) -> None:
    """Copy a batch's inputs, context included, and add noise (`lstmcore.noise.add_gaussian`)."""
    thread, warps = cuda.threadIdx.x, THREADS // LANES
    columns, left = table[COLUMNS], table[LEFT]
    half, contexts = (columns + 1) // 2, left + 1 + table[RIGHT]
    for n in range(rank * warps + thread // LANES, frames, blocks * warps):
        step, slot = ints[area + table[STEP] + n], ints[area + table[SLOT] + n]
        last = lengths[first + orders[chosen + slot]] - 1
        for d in range(contexts):
            row = ints[area + table[ROW] + n] - step + max(0, min(last, step + d - left))
            x = base + table[X0] + (n * contexts + d) * columns
            for j in range(thread % LANES, half, LANES):
                low = inputs[row * columns + j]
                high = inputs[row * columns + j + half] if j + half < columns else REAL(0)
                if sigma > REAL(0):
                    b0, b1 = threefry(UINT(key_0), UINT(key_1), UINT(row - origin), UINT(j))
                    z0, z1 = gaussian_pair(b0, b1)
                    low += sigma * REAL(z0)
                    high += sigma * REAL(z1)
                work[x + j] = low
                if j + half < columns:
                    work[x + j + half] = high
