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
from lstmcore.backends.cuda.gemm import Matrix, Shape, gemm
from lstmcore.backends.cuda.layout import LANES, LINEAR, SOFTMAX, TANH
from lstmcore.backends.cuda.scalars import logistic, tanh
from lstmcore.backends.cuda.team import barrier, thread_of, threads_of

Array = Any

REAL: Any = np.float32  # given its meaning by the precision compiled for
THREADS: Any = 256


@device
def feedforward_forward(
    layer: Any,  # of LAYER
    frames: Any,
    weights: Array,  # [parameters]
    memory: Any,  # Memory
    team: Any,  # Team
) -> None:
    """Compute a layer."""
    work, inputs, outputs = memory.work, layer.inputs, layer.outputs
    x, w = Matrix(work, layer.x, inputs, -1, False), Matrix(weights, layer.w, inputs, -1, True)
    y, shape = Matrix(work, layer.y, outputs, -1, False), Shape(frames, outputs, inputs)
    gemm(x, w, y, shape, False, layer.b, REAL(layer.bias), memory.ints, team)
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
    work: Array,  # [work]
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
    work: Array,  # [work]
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
    weights: Array,  # [parameters]
    gradient: Any,  # Gradient
    memory: Any,  # Memory
    team: Any,  # Team
) -> None:
    """From the errors of the net inputs, the gradient and the errors of the inputs."""
    ints, work, found = memory.ints, memory.work, gradient.values
    inputs, outputs, e0, b0 = layer.inputs, layer.outputs, layer.error, layer.b
    errors_t, x = Matrix(work, e0, outputs, -1, True), Matrix(work, layer.x, inputs, -1, False)
    dw, shape = Matrix(found, layer.w, inputs, -1, False), Shape(outputs, inputs, frames)
    gemm(errors_t, x, dw, shape, gradient.add, -1, REAL(0), ints, team)
    if layer.below >= 0:
        errors, w = Matrix(work, e0, outputs, -1, False), Matrix(weights, layer.w, inputs, -1, False)
        below, shape = Matrix(work, layer.below, inputs, -1, False), Shape(frames, inputs, outputs)
        gemm(errors, w, below, shape, False, -1, REAL(0), ints, team)
    bias = REAL(layer.bias)
    for j in range(thread_of(team), outputs, threads_of(team)):
        total = REAL(0)
        for n in range(frames):
            total += work[e0 + n * outputs + j]
        total *= bias
        found[b0 + j] = total + found[b0 + j] if gradient.add else total
