"""Layers without memory in time on the GPU, each computed by a team of blocks.

Records say where everything lies (`layout.py`).  N packed frames, P inputs, L outputs; ``y0`` and ``e0``
are where something begins.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from lstmcore.activations import logistic_slope, softmax_numerator, softmax_slope, tanh_slope
from lstmcore.backends.cuda.compile import device
from lstmcore.backends.cuda.gemm import Matrix, More, Shape, times, times_transposed, transposed_times
from lstmcore.backends.cuda.layout import LANES, LINEAR, SOFTMAX, TANH
from lstmcore.backends.cuda.memory import shared
from lstmcore.backends.cuda.scalars import logistic, tanh
from lstmcore.backends.cuda.team import barrier, thread_of, threads_of

Array = Any

REAL: Any = np.float32  # given its meaning by the precision compiled for
REALS: Any = None  # and Numba's name of it, for arrays
THREADS: Any = 256


@device
def feedforward_forward(
    layer: Any,  # of LAYER
    frames: Any,
    weights: Any,  # parameters
    memory: Any,  # Memory
    team: Any,  # Team
) -> None:
    """Compute a layer."""
    work, inputs, outputs = memory.work, layer.inputs, layer.outputs
    x, w = Matrix(work, layer.x, inputs, -1), Matrix(weights, layer.w, inputs, -1)
    y, shape = Matrix(work, layer.y, outputs, -1), Shape(frames, outputs, inputs)
    times_transposed(x, w, y, shape, More(False, layer.b, REAL(layer.bias)), memory.ints, team)
    barrier(team)
    y0, kind = layer.y, layer.kind
    if kind == SOFTMAX:
        for n in range(thread_of(team), frames, threads_of(team)):
            softmax_forward(work, y0 + n * outputs, outputs)
    elif kind != LINEAR:
        thread, warps = cuda.threadIdx.x, THREADS // LANES
        for n in range(team.rank * warps + thread // LANES, frames, team.blocks * warps):
            for j in range(thread % LANES, outputs, LANES):
                place = y0 + n * outputs + j
                work[place] = tanh(work[place]) if kind == TANH else logistic(work[place])


@device
def softmax_forward(
    work: Any,  # numbers of the team
    y: Any,  # where the row begins: net inputs become outputs
    outputs: Any,
) -> None:
    """Exponentiate a row and divide it by its sum."""
    largest = work[y]
    for j in range(1, outputs):
        largest = max(largest, work[y + j])
    total = REAL(0)
    for j in range(outputs):
        work[y + j] = softmax_numerator(work[y + j], largest)
        total += work[y + j]
    for j in range(outputs):
        work[y + j] /= total


@device
def softmax_backward(
    work: Any,  # numbers of the team
    y: Any,  # where the row of outputs begins
    e: Any,  # where their errors begin: become those of the net inputs
    outputs: Any,
) -> None:
    """Take the errors of a row back."""
    total = REAL(0)
    for j in range(outputs):
        total += work[y + j] * work[e + j]
    for j in range(outputs):
        work[e + j] = softmax_slope(work[y + j], work[e + j], total)


@device
def feedforward_errors(
    layer: Any,  # of LAYER
    frames: Any,
    memory: Any,  # Memory
    team: Any,  # Team
) -> None:
    """Take errors back through the non-linearity, in place."""
    work, outputs, kind, y0, e0 = memory.work, layer.outputs, layer.kind, layer.y, layer.error
    if kind == SOFTMAX:
        for n in range(thread_of(team), frames, threads_of(team)):
            softmax_backward(work, y0 + n * outputs, e0 + n * outputs, outputs)
    elif kind != LINEAR:
        thread, warps = cuda.threadIdx.x, THREADS // LANES
        for n in range(team.rank * warps + thread // LANES, frames, team.blocks * warps):
            for j in range(thread % LANES, outputs, LANES):
                y, e = work[y0 + n * outputs + j], e0 + n * outputs + j
                work[e] *= tanh_slope(y) if kind == TANH else logistic_slope(y)


@device
def feedforward_backward(
    layer: Any,  # of LAYER
    frames: Any,
    weights: Any,  # parameters
    gradient: Any,  # Gradient
    memory: Any,  # Memory
    team: Any,  # Team
) -> None:
    """From the errors of the net inputs, the gradient and the errors of the inputs."""
    ints, work, found = memory.ints, memory.work, gradient.values
    inputs, outputs, e0, b0 = layer.inputs, layer.outputs, layer.error, layer.b
    errors, x = Matrix(work, e0, outputs, -1), Matrix(work, layer.x, inputs, -1)
    dw, shape = Matrix(found, layer.w, inputs, -1), Shape(outputs, inputs, frames)
    transposed_times(errors, x, dw, shape, More(gradient.add, -1, REAL(0)), ints, team)
    if layer.below >= 0:
        w, below = Matrix(weights, layer.w, inputs, -1), Matrix(work, layer.below, inputs, -1)
        times(errors, w, below, Shape(frames, inputs, outputs), More(False, -1, REAL(0)), ints, team)
    pool, bias = shared(REALS), REAL(layer.bias)
    across, down, parts = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES, THREADS // LANES
    for first in range(team.rank * LANES, outputs, team.blocks * LANES):
        j, total = first + across, REAL(0)
        if j < outputs:
            for n in range(down, frames, parts):
                total += work[e0 + n * outputs + j]
        pool[down * LANES + across] = total
        cuda.syncthreads()
        if down == 0 and j < outputs:
            for part in range(1, parts):
                total += pool[part * LANES + across]
            total *= bias
            found[b0 + j] = total + found[b0 + j] if gradient.add else total
        cuda.syncthreads()
