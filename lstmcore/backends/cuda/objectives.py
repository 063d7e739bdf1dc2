"""The objectives on the GPU: those of `lstmcore.objective` and `lstmcore.ccc`, and their signals.

Errors are summed in float64, in an order that depends on neither blocks nor threads of other networks.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import cuda

from lstmcore.backends.cuda.compile import device
from lstmcore.backends.cuda.layout import COUNTS, OFFSETS, OUTPUTS, ROW, TARGETS
from lstmcore.backends.cuda.scalars import limit
from lstmcore.ccc import EPSILON

Array = Any

REAL: Any = np.float32  # given its meaning by the precision compiled for
REALS: Any = None  # and Numba's name of it, for arrays
THREADS: Any = 256

NAMES = (
    "sse",
    "rmse",
    "ce",
    "weightedsse",
    "wf",
    "binary_classification",
    "multiclass_classification",
    "ccc",
    "ccc_pooled",
)
SSE, RMSE, CE, WEIGHTED, MASKED, BINARY, MULTICLASS, CCC, CCC_POOLED = range(9)

DOUBLE: Any = np.float64
DOUBLES: Any = None  # Numba's name of it
TINY = float(np.finfo(np.float32).tiny)  # probabilities are not taken to be smaller
CE_LIMIT = 100.0
SLACK = EPSILON


@device
def block_sum(value: Any) -> Any:
    """Return the sum of the threads' float64 values, to each of them."""
    scratch = cuda.shared.array(0, DOUBLES)
    thread = cuda.threadIdx.x
    scratch[thread] = value
    half = THREADS // 2
    cuda.syncthreads()
    while half > 0:
        if thread < half:
            scratch[thread] += scratch[thread + half]
        half //= 2
        cuda.syncthreads()
    total = scratch[0]
    cuda.syncthreads()
    return total


@device
def frame_error(
    objective: Any,
    outputs: Any,
    work: Array,
    y0: Any,  # the frame's outputs
    targets: Array,
    t0: Any,  # its targets
    e0: Any,  # out: its signal, if below 0 not wanted
) -> tuple[Any, Any]:
    """Return a frame's error and whether it is put into the wrong class."""
    error, wrong = DOUBLE(0), 0
    if objective == SSE:
        for j in range(outputs):
            difference = DOUBLE(work[y0 + j]) - DOUBLE(targets[t0 + j])
            error += DOUBLE(0.5) * difference * difference
            if e0 >= 0:
                work[e0 + j] = work[y0 + j] - targets[t0 + j]
    elif objective == RMSE:
        for j in range(outputs):
            difference = DOUBLE(work[y0 + j]) - DOUBLE(targets[t0 + j])
            error += difference * difference
        error = math.sqrt(error / DOUBLE(outputs))
        if e0 >= 0:
            for j in range(outputs):
                work[e0 + j] = REAL(error) * (work[y0 + j] - targets[t0 + j])
    elif objective == CE:
        for j in range(outputs):
            y, t = DOUBLE(work[y0 + j]), DOUBLE(targets[t0 + j])
            error += t * math.log(at_least(t, TINY) / at_least(y, TINY))
            if e0 >= 0:
                signal = -targets[t0 + j] / at_least(work[y0 + j], REAL(TINY))
                work[e0 + j] = limit(signal, REAL(CE_LIMIT))
    elif objective == WEIGHTED:
        for j in range(outputs):
            t, w = targets[t0 + 2 * j], targets[t0 + 2 * j + 1]
            difference = DOUBLE(w) * (DOUBLE(work[y0 + j]) - DOUBLE(t))
            error += DOUBLE(0.5) * difference * difference
            if e0 >= 0:
                work[e0 + j] = w * (work[y0 + j] - t)
    elif objective == MASKED:
        for j in range(outputs):
            t, mask = targets[t0 + 2 * j], targets[t0 + 2 * j + 1]
            difference = DOUBLE(work[y0 + j]) * DOUBLE(mask) - DOUBLE(t)
            error += DOUBLE(0.5) * difference * difference
            if e0 >= 0:
                work[e0 + j] = (work[y0 + j] * mask - t) * mask
    elif objective == BINARY:
        y, one_class = work[y0], targets[t0] > REAL(0)
        p, exact = (y, DOUBLE(y)) if one_class else (REAL(1) - y, DOUBLE(1) - DOUBLE(y))
        error = -math.log(at_least(exact, TINY))
        if e0 >= 0:
            sign = REAL(-1) if one_class else REAL(1)
            work[e0] = sign / at_least(p, REAL(TINY))
        wrong = 1 if (y > REAL(0.5)) != (targets[t0] > REAL(0.5)) else 0
    elif objective == MULTICLASS:
        chosen, largest = int(targets[t0]), 0
        for j in range(outputs):
            if work[y0 + j] > work[y0 + largest]:
                largest = j
            if e0 >= 0:
                work[e0 + j] = REAL(0)
        if chosen >= 0:  # else the frame has no error
            y = work[y0 + chosen]
            error = -math.log(at_least(DOUBLE(y), TINY))
            if e0 >= 0:
                work[e0 + chosen] = REAL(-1) / at_least(y, REAL(TINY))
        wrong = 1 if REAL(largest) != targets[t0] else 0
    return error, wrong


@device
def at_least(x: Any, smallest: Any) -> Any:
    """Return the larger one, or NaN."""
    return smallest if x < smallest else x


@device
def sequence_concordance(
    outputs: Any,
    slot: Any,
    j: Any,
    ints: Array,
    counts: Any,
    offsets: Any,
    rows: Any,
    work: Array,
    y0: Any,
    targets: Array,
    width: Any,
    e0: Any,
) -> Any:
    """Return 1 − CCC of an output of a sequence of the batch (`lstmcore.ccc`)."""
    t, mean = 0, DOUBLE(0)
    while ints[counts + t] > slot:
        mean += DOUBLE(targets[ints[rows + ints[offsets + t] + slot] * width + j])
        t += 1
    steps = t
    mean /= DOUBLE(steps)
    a, b = DOUBLE(0), DOUBLE(0)
    for t in range(steps):
        n = ints[offsets + t] + slot
        y, wanted = DOUBLE(work[y0 + n * outputs + j]), DOUBLE(targets[ints[rows + n] * width + j])
        a += (y - wanted) * (y - wanted)
        b += (y - mean) * (y - mean) + (wanted - mean) * (wanted - mean)
    b += DOUBLE(steps) * SLACK
    error = a / b
    if e0 >= 0:
        for t in range(steps):
            n = ints[offsets + t] + slot
            y, wanted = DOUBLE(work[y0 + n * outputs + j]), DOUBLE(targets[ints[rows + n] * width + j])
            work[e0 + n * outputs + j] = REAL(DOUBLE(2) * ((y - wanted) - error * (y - mean)) / b)
    return error


@device
def pooled_concordance(
    outputs: Any,
    frames: Any,
    weight: Any,  # number of sequences
    ints: Array,
    rows: Any,  # where the map from frames to rows of the targets begins; below 0 for none
    first: Any,  # the row of the first frame then
    work: Array,
    y0: Any,
    targets: Array,
    width: Any,
    e0: Any,
) -> Any:
    """Return the sum over outputs of 1 − CCC of all frames, times `weight`; a block works together."""
    thread, total = cuda.threadIdx.x, DOUBLE(0)
    for j in range(outputs):
        value = DOUBLE(0)
        for n in range(thread, frames, THREADS):
            row = ints[rows + n] if rows >= 0 else first + n
            value += DOUBLE(targets[row * width + j])
        mean = block_sum(value) / DOUBLE(frames)
        a, b = DOUBLE(0), DOUBLE(0)
        for n in range(thread, frames, THREADS):
            row = ints[rows + n] if rows >= 0 else first + n
            y, wanted = DOUBLE(work[y0 + n * outputs + j]), DOUBLE(targets[row * width + j])
            a += (y - wanted) * (y - wanted)
            b += (y - mean) * (y - mean) + (wanted - mean) * (wanted - mean)
        a = block_sum(a)
        b = block_sum(b) + DOUBLE(frames) * SLACK
        error = a / b
        total += DOUBLE(weight) * error
        if e0 >= 0:
            factor = DOUBLE(2 * weight) / b
            for n in range(thread, frames, THREADS):
                row = ints[rows + n] if rows >= 0 else first + n
                y, wanted = DOUBLE(work[y0 + n * outputs + j]), DOUBLE(targets[row * width + j])
                work[e0 + n * outputs + j] = REAL(factor * ((y - wanted) - error * (y - mean)))
    return total


@device
def batch_error(
    table: Array,
    objective: Any,
    ints: Array,
    area: Any,
    steps: Any,
    work: Array,
    y0: Any,
    targets: Array,
    e0: Any,  # out: signals, if below 0 not wanted
    errors: Array,
    errors0: Any,  # out: errors of frames, or of sequences and outputs, then whether frames are wrong
    size: Any,
    rank: Any,
    blocks: Any,
) -> None:
    """Compute the errors and signals of a batch; `add_up` sums the errors."""
    outputs, width, rows = table[OUTPUTS], table[TARGETS], area + table[ROW]
    counts, offsets = area + table[COUNTS], area + table[OFFSETS]
    frames, sequences = ints[offsets + steps], ints[counts]
    here, all_threads = rank * THREADS + cuda.threadIdx.x, blocks * THREADS
    if objective == CCC_POOLED:
        if rank == 0:
            error = pooled_concordance(
                outputs, frames, sequences, ints, rows, 0, work, y0, targets, width, e0
            )
            if cuda.threadIdx.x == 0:
                errors[errors0] = error
    elif objective == CCC:
        for e in range(here, sequences * outputs, all_threads):
            slot, j = e // outputs, e % outputs
            errors[errors0 + e] = sequence_concordance(
                outputs, slot, j, ints, counts, offsets, rows, work, y0, targets, width, e0
            )
    else:
        for n in range(here, frames, all_threads):
            signal = e0 + n * outputs if e0 >= 0 else -1
            error, wrong = frame_error(
                objective,
                outputs,
                work,
                y0 + n * outputs,
                targets,
                ints[rows + n] * width,
                signal,
            )
            errors[errors0 + n] = error
            errors[errors0 + size + n] = DOUBLE(wrong)


@device
def add_up(errors: Array, start: Any, count: Any) -> Any:
    """Return the sum of a block's errors, to each of its threads."""
    value = DOUBLE(0)
    for n in range(cuda.threadIdx.x, count, THREADS):
        value += errors[start + n]
    return block_sum(value)
