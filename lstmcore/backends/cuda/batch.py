"""Batches on the GPU: packed, with context and noise, from the sets that lie there."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from lstmcore.backends.cuda.compile import device
from lstmcore.backends.cuda.layout import LANES
from lstmcore.backends.cuda.memory import flat, own_function, shared
from lstmcore.backends.cuda.team import barrier, thread_of, threads_of
from lstmcore.noise import gaussian_pair, threefry

Array = Any

REAL: Any = np.float32  # given its meaning by the precision compiled for
THREADS: Any = 256
UINT: Any = np.uint32
INTEGERS: Any = None  # Numba's name of whole numbers, for arrays


class Data(NamedTuple):
    """All sets, as they lie on the GPU."""

    inputs: Array  # [rows, columns], flat
    targets: Array  # [rows, targets], flat
    noisy: Array  # [rows]: whether the frame gets noise on its inputs
    starts: Array  # first row of each sequence of all sets
    lengths: Array  # and its frames
    orders: Array  # numbers of sequences in their set, in each batch by falling length


class Chosen(NamedTuple):
    """The sequences of a batch."""

    first: Any  # where their set's sequences begin in `starts` and `lengths`
    order: Any  # where their numbers begin in `orders`
    count: Any


class Noise(NamedTuple):
    """The noise on the inputs."""

    sigma: Any  # 0: none
    key_0: Any
    key_1: Any
    origin: Any  # the first row of the set


@device
def sequence_of(
    data: Any,  # Data
    chosen: Any,  # Chosen
    slot: Any,  # which sequence of the batch
) -> Any:
    """Return a sequence's place in `starts` and `lengths`."""
    return chosen.first + data.orders[chosen.order + slot]


@device
def arrange(
    plan: Any,  # of PLAN
    data: Any,  # Data
    chosen: Any,  # Chosen
    ints: Any,  # whole numbers of the team
    team: Any,  # Team
) -> Any:
    """Pack a batch as `lstmcore.batches.pack` does; return its number of steps."""
    own_function()
    lengths = shared(INTEGERS)
    batch_sizes, offsets, count = plan.batch_sizes, plan.offsets, chosen.count
    thread, warps = cuda.threadIdx.x, THREADS // LANES
    for s in range(thread, count, THREADS):
        lengths[s] = data.lengths[sequence_of(data, chosen, s)]
    cuda.syncthreads()
    steps = lengths[0]
    for t in range(thread_of(team), steps + 1, threads_of(team)):
        offset, alive = 0, 0
        for s in range(count):
            length = lengths[s]
            offset += min(length, t)
            if length > t:
                alive += 1
        ints[batch_sizes + t], ints[offsets + t] = alive, offset
    barrier(team)
    for t in range(team.rank * warps + thread // LANES, steps, team.blocks * warps):
        offset = ints[offsets + t]
        for s in range(thread % LANES, ints[batch_sizes + t], LANES):
            n = offset + s
            ints[plan.row + n] = data.starts[sequence_of(data, chosen, s)] + t
            ints[plan.step + n], ints[plan.slot + n] = t, s
            ints[plan.before + n] = s if t == 0 else count + ints[offsets + t - 1] + s
            ints[plan.reversed + n] = ints[offsets + lengths[s] - 1 - t] + s
    return steps


@device
def gather(
    plan: Any,  # of PLAN
    data: Any,  # Data
    chosen: Any,  # Chosen
    frames: Any,
    noise: Any,  # Noise
    memory: Any,  # Memory
    team: Any,  # Team
) -> None:
    """Copy a batch's inputs, context included, and add noise (`lstmcore.noise.add_gaussian`)."""
    own_function()
    ints, work, inputs, sigma = memory.ints, memory.work, flat(data.inputs), noise.sigma
    columns, left, x0 = plan.columns, plan.left, plan.x
    rows, steps, slots = plan.row, plan.step, plan.slot
    half, contexts = (columns + 1) // 2, left + 1 + plan.right
    thread, warps = cuda.threadIdx.x, THREADS // LANES
    for n in range(team.rank * warps + thread // LANES, frames, team.blocks * warps):
        step, slot = ints[steps + n], ints[slots + n]
        last = data.lengths[sequence_of(data, chosen, slot)] - 1
        for d in range(contexts):
            row = ints[rows + n] - step + max(0, min(last, step + d - left))
            x = x0 + (n * contexts + d) * columns
            for j in range(thread % LANES, half, LANES):
                low = inputs[row * columns + j]
                high = inputs[row * columns + j + half] if j + half < columns else REAL(0)
                if sigma > REAL(0) and data.noisy[row] != 0:
                    b0, b1 = threefry(UINT(noise.key_0), UINT(noise.key_1), UINT(row - noise.origin), UINT(j))
                    z0, z1 = gaussian_pair(b0, b1)
                    low += sigma * REAL(z0)
                    high += sigma * REAL(z1)
                work[x + j] = low
                if j + half < columns:
                    work[x + j + half] = high
