"""The objectives on the GPU: sums of the terms of `lstmcore.objective_terms`, and the signals.

Errors are summed in float64, in an order that depends on neither blocks nor threads of other networks.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from lstmcore.backends.cuda.compile import device
from lstmcore.backends.cuda.memory import own_function, shared
from lstmcore.backends.cuda.team import barrier, thread_of, threads_of
from lstmcore.ccc import EPSILON
from lstmcore.objective_terms import (
    binary_probability,
    binary_signal,
    concordance_denominator,
    concordance_numerator,
    concordance_signal,
    counts_as_one,
    cross_entropy,
    cross_entropy_signal,
    log_loss,
    log_loss_signal,
    masked_residual,
    masked_signal,
    residual,
    rmse_signal,
    weighted_residual,
)

Array = Any

REAL: Any = np.float32  # given its meaning by the precision compiled for
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
SLACK = EPSILON


class Compared(NamedTuple):
    """A network's outputs, the targets they are compared with, and where the signal goes."""

    work: Any  # numbers of the team
    y: Any  # where the outputs begin in it [N, outputs]
    e: Any  # where the signal begins in it, out [N, outputs]; below 0 if it isn't wanted
    outputs: Any  # of a frame
    targets: Any  # of all data [rows, width]
    width: Any


class Rows(NamedTuple):
    """Which row of the targets belongs to each frame."""

    ints: Any  # whole numbers of the team
    rows: Any  # where the map from frames to rows begins in it [N]; below 0 for none ...
    first: Any  # ... then this is the row of the first frame


@device
def block_sum(value: Any) -> Any:
    """Return the sum of the threads' float64 values, to each of them."""
    scratch = shared(DOUBLES)
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
def half_square(difference: Any) -> Any:
    """Return what a residual, float64, adds to the error."""
    return DOUBLE(0.5) * difference * difference


@device
def frame_error(
    objective: Any,
    compared: Any,  # Compared
    n: Any,  # frame
    row: Any,  # of its targets
) -> Any:
    """Return a frame's error and whether it is put into the wrong class; write its signal."""
    work, targets, outputs, wanted = compared.work, compared.targets, compared.outputs, compared.e >= 0
    y0, e0, t0 = compared.y + n * outputs, compared.e + n * outputs, row * compared.width
    error, wrong = DOUBLE(0), 0
    if objective == SSE:
        for j in range(outputs):
            y, t = work[y0 + j], targets[t0 + j]
            error += half_square(residual(DOUBLE(y), DOUBLE(t)))
            if wanted:
                work[e0 + j] = residual(y, t)
    elif objective == RMSE:
        for j in range(outputs):
            difference = residual(DOUBLE(work[y0 + j]), DOUBLE(targets[t0 + j]))
            error += difference * difference
        error = math.sqrt(error / DOUBLE(outputs))
        if wanted:
            for j in range(outputs):
                work[e0 + j] = rmse_signal(work[y0 + j], targets[t0 + j], REAL(error))
    elif objective == CE:
        for j in range(outputs):
            y, t = work[y0 + j], targets[t0 + j]
            error += cross_entropy(DOUBLE(y), DOUBLE(t))
            if wanted:
                work[e0 + j] = cross_entropy_signal(y, t)
    elif objective == WEIGHTED:
        for j in range(outputs):
            y, t, w = work[y0 + j], targets[t0 + 2 * j], targets[t0 + 2 * j + 1]
            error += half_square(weighted_residual(DOUBLE(y), DOUBLE(t), DOUBLE(w)))
            if wanted:
                work[e0 + j] = weighted_residual(y, t, w)
    elif objective == MASKED:
        for j in range(outputs):
            y, t, mask = work[y0 + j], targets[t0 + 2 * j], targets[t0 + 2 * j + 1]
            error += half_square(masked_residual(DOUBLE(y), DOUBLE(t), DOUBLE(mask)))
            if wanted:
                work[e0 + j] = masked_signal(y, t, mask)
    elif objective == BINARY:
        y, t = work[y0], targets[t0]
        error = log_loss(binary_probability(DOUBLE(y), DOUBLE(t)))
        if wanted:
            work[e0] = binary_signal(y, t)
        wrong = 1 if counts_as_one(y) != counts_as_one(t) else 0
    elif objective == MULTICLASS:
        chosen, largest = int(targets[t0]), 0
        for j in range(outputs):
            if work[y0 + j] > work[y0 + largest]:
                largest = j
            if wanted:
                work[e0 + j] = REAL(0)
        if chosen >= 0:  # else the frame has no error
            y = work[y0 + chosen]
            error = log_loss(DOUBLE(y))
            if wanted:
                work[e0 + chosen] = log_loss_signal(y)
        wrong = 1 if REAL(largest) != targets[t0] else 0
    return error, wrong


@device
def row_of_targets(
    rows: Any,  # Rows
    n: Any,  # frame
) -> Any:
    """Return a frame's row of the targets."""
    return rows.ints[rows.rows + n] if rows.rows >= 0 else rows.first + n


@device
def pair(
    compared: Any,  # Compared
    n: Any,  # frame
    row: Any,  # of its targets
    j: Any,  # output
) -> Any:
    """Return an output and its target, in float64."""
    y, t = compared.work[compared.y + n * compared.outputs + j], compared.targets[row * compared.width + j]
    return DOUBLE(y), DOUBLE(t)


@device
def sequence_concordance(
    plan: Any,  # of PLAN
    ints: Any,  # whole numbers of the team
    compared: Any,  # Compared
    slot: Any,  # which of the batch's sequences
    j: Any,  # which output
) -> Any:
    """Return 1 − CCC of an output of a sequence of the batch (`lstmcore.ccc`); write the signal."""
    batch_sizes, offsets, rows, e0 = plan.batch_sizes, plan.offsets, plan.row, compared.e
    steps, mean = 0, DOUBLE(0)
    while ints[batch_sizes + steps] > slot:
        n = ints[offsets + steps] + slot
        mean += pair(compared, n, ints[rows + n], j)[1]
        steps += 1
    mean /= DOUBLE(steps)
    a, b = DOUBLE(0), DOUBLE(0)
    for t in range(steps):
        n = ints[offsets + t] + slot
        y, wanted = pair(compared, n, ints[rows + n], j)
        a += concordance_numerator(y, wanted)
        b += concordance_denominator(y, wanted, mean)
    b += DOUBLE(steps) * SLACK
    error = a / b
    if e0 >= 0:
        for t in range(steps):
            n = ints[offsets + t] + slot
            y, wanted = pair(compared, n, ints[rows + n], j)
            signal = concordance_signal(y, wanted, mean, error, b, 1)
            compared.work[e0 + n * compared.outputs + j] = REAL(signal)
    return error


@device
def pooled_concordance(
    compared: Any,  # Compared
    frames: Any,
    weight: Any,  # number of sequences
    rows: Any,  # Rows
) -> Any:
    """Return the sum over outputs of 1 − CCC of all frames, times `weight`; a block works together."""
    thread, total, e0 = cuda.threadIdx.x, DOUBLE(0), compared.e
    for j in range(compared.outputs):
        value = DOUBLE(0)
        for n in range(thread, frames, THREADS):
            value += pair(compared, n, row_of_targets(rows, n), j)[1]
        mean = block_sum(value) / DOUBLE(frames)
        a, b = DOUBLE(0), DOUBLE(0)
        for n in range(thread, frames, THREADS):
            y, wanted = pair(compared, n, row_of_targets(rows, n), j)
            a += concordance_numerator(y, wanted)
            b += concordance_denominator(y, wanted, mean)
        a = block_sum(a)
        b = block_sum(b) + DOUBLE(frames) * SLACK
        error = a / b
        total += DOUBLE(weight) * error
        if e0 >= 0:
            for n in range(thread, frames, THREADS):
                y, wanted = pair(compared, n, row_of_targets(rows, n), j)
                signal = concordance_signal(y, wanted, mean, error, b, weight)
                compared.work[e0 + n * compared.outputs + j] = REAL(signal)
    return total


@device
def batch_error(
    plan: Any,  # of PLAN
    compared: Any,  # Compared
    steps: Any,
    sequences: Any,
    memory: Any,  # Memory
    team: Any,  # Team
) -> Any:
    """Return the error of a batch and how many of its frames are in wrong classes; write the signal.

    The team's first block knows them, the others return 0.  All blocks have computed when it returns.
    """
    own_function()
    objective, outputs, ints, errors = plan.objective, compared.outputs, memory.ints, memory.errors
    # The frames are read now: behind the barrier other blocks go on to the next batch.
    frames, here, threads = ints[plan.offsets + steps], thread_of(team), threads_of(team)
    entries, classified = frames, frames
    if objective == CCC_POOLED:
        entries, classified = 1, 0
        if team.rank == 0:
            error = pooled_concordance(compared, frames, sequences, Rows(ints, plan.row, 0))
            if cuda.threadIdx.x == 0:
                errors[plan.errors] = error
    elif objective == CCC:
        entries, classified = sequences * outputs, 0
        for e in range(here, entries, threads):
            errors[plan.errors + e] = sequence_concordance(plan, ints, compared, e // outputs, e % outputs)
    else:
        for n in range(here, frames, threads):
            error, wrong = frame_error(objective, compared, n, ints[plan.row + n])
            errors[plan.errors + n], errors[plan.wrong + n] = error, DOUBLE(wrong)
    barrier(team)
    error, misplaced = DOUBLE(0), DOUBLE(0)
    if team.rank == 0:
        error, misplaced = add_up(errors, plan.errors, entries), add_up(errors, plan.wrong, classified)
    return error, misplaced


@device
def add_up(
    errors: Any,  # float64
    first: Any,
    count: Any,
) -> Any:
    """Return the sum of some errors, to each thread of the block."""
    value = DOUBLE(0)
    for n in range(cuda.threadIdx.x, count, THREADS):
        value += errors[first + n]
    return block_sum(value)
