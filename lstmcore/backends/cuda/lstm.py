"""The layers on the GPU, each computed by a team of blocks.

Numbers of the table (`cuda_table`) say where everything lies: ``table[at + …]`` is about a layer,
`base` is where the team's part of `work` begins and `area` where its part of `ints` does, `w0` where
the network's parameters do.  N packed frames, P inputs, E units of a direction, L outputs.

A block owns ``OWN`` units: it keeps their part of the recurrent matrix in shared memory, as far as there is
room, during all time steps.  A step begins when all blocks of the team have written theirs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from lstmcore.activations import logistic_slope, softmax_numerator, softmax_slope, tanh_slope
from lstmcore.backends.cuda.compile import device
from lstmcore.backends.cuda.gemm import meet, multiply, product, sum_of_parts
from lstmcore.backends.cuda.layout import (
    BACKWARD_CHUNK,
    BACKWARD_RESIDENT,
    BEFORE,
    BELOW,
    CARRY,
    COUNTS,
    ERROR,
    FORWARD_CHUNK,
    FORWARD_RESIDENT,
    GATES,
    INPUTS,
    KIND,
    LANES,
    LINEAR,
    OFFSETS,
    OWN,
    PEEPHOLES,
    ROWS,
    SIZE,
    SOFTMAX,
    SPILL,
    SPILL_SIZE,
    STATES_C,
    STATES_H,
    TANH,
    TURNED,
    UNITS,
    B,
    R,
    W,
    X,
    Y,
)
from lstmcore.backends.cuda.scalars import logistic, tanh
from lstmcore.cell import Gates, Peepholes, cell_backward, cell_forward

Array = Any

REAL: Any = np.float32  # given its meaning by the precision compiled for
REALS: Any = None  # and Numba's name of it, for arrays
THREADS: Any = 256


@device
def load_matrix(
    ints: Array,
    rows: Any,  # where the map of the gates' rows begins in ints
    weights: Array,
    r0: Any,  # where R begins
    units: Any,
    unit0: Any,  # the block's first unit
    own: Any,  # how many it has
    turned: Any,  # the matrix of the backward pass?
    width: Any,
    resident: Any,
    work: Array,
    spill: Any,
) -> None:
    """Copy the block's part of R: [E, 4 own] for the forward, [4E, own] for the backward pass."""
    pool = cuda.shared.array(0, REALS)
    for e in range(cuda.threadIdx.x, 4 * own * units, THREADS):
        if turned:
            k, column = e // own, e % own
            value = weights[r0 + ints[rows + k] * units + unit0 + column]
        else:
            k, column = e % units, e // units
            gate = ints[rows + column // own * units + unit0 + column % own]
            value = weights[r0 + gate * units + k]
        if k < resident:
            pool[k * width + column] = value
        else:
            work[spill + (k - resident) * width + column] = value


@device
def lstm_forward(
    table: Array,
    at: Any,
    direction: Any,
    ints: Array,
    area: Any,
    weights: Array,
    w0: Any,
    bias: Any,
    work: Array,
    base: Any,
    steps: Any,
    sync: Array,
    meeting: Any,
    rank: Any,
    blocks: Any,
) -> None:
    """Compute a direction of an LSTM layer from zero states."""
    pool = cuda.shared.array(0, REALS)
    thread = cuda.threadIdx.x
    inputs, units, size = table[at + INPUTS], table[at + UNITS], table[at + SIZE]
    gates, rows = base + table[at + GATES + direction], table[at + ROWS + direction]
    c0, h0 = base + table[at + STATES_C + direction], base + table[at + STATES_H + direction]
    y0, turned = base + table[at + Y] + direction * units, area + table[TURNED]
    counts, offsets = area + table[COUNTS], area + table[OFFSETS]
    sequences = ints[counts]
    view = turned if direction == 1 else -1
    product(
        ints,
        work,
        base + table[at + X],
        inputs,
        view,
        False,
        weights,
        w0 + table[at + W],
        inputs,
        rows,
        False,
        work,
        gates,
        4 * units,
        -1,
        False,
        w0 + table[at + B],
        bias,
        ints[offsets + steps],
        4 * units,
        inputs,
        rank,
        blocks,
    )
    unit0 = rank * table[at + OWN]
    own = max(0, min(table[at + OWN], units - unit0))
    width, columns = 4 * table[at + OWN] | 1, 4 * own
    chunk, resident = table[at + FORWARD_CHUNK], table[at + FORWARD_RESIDENT]
    spill = base + table[SPILL] + rank * table[SPILL_SIZE]
    load_matrix(
        ints, rows, weights, w0 + table[at + R], units, unit0, own, False, width, resident, work, spill
    )
    p0 = w0 + table[at + PEEPHOLES] + direction * units
    for e in range(thread, sequences * own, THREADS):
        place = e // own * units + unit0 + e % own
        work[c0 + place] = REAL(0)
        work[h0 + place] = REAL(0)
    meet(sync, meeting, blocks)
    x0 = resident * width
    out0 = x0 + chunk * units
    before = 0
    for t in range(steps):
        alive, now = ints[counts + t], ints[offsets + t]
        for s0 in range(0, alive, chunk):
            some = min(chunk, alive - s0)
            if s0 > 0:
                cuda.syncthreads()
            if own > 0:
                start = h0 + (before + s0) * units
                for e in range(thread, some * units, THREADS):
                    pool[x0 + e] = work[start + e]
            cuda.syncthreads()
            if own > 0:
                multiply(work, spill, width, resident, units, columns, x0, some, out0)
            cuda.syncthreads()
            for e in range(thread, some * own, THREADS):
                s, j = e // own, e % own
                row, unit = now + s0 + s, unit0 + j
                g = gates + row * 4 * units + unit
                net = Gates(
                    work[g] + sum_of_parts(out0, some, columns, s, j),
                    work[g + units] + sum_of_parts(out0, some, columns, s, own + j),
                    work[g + 2 * units] + sum_of_parts(out0, some, columns, s, 2 * own + j),
                    work[g + 3 * units] + sum_of_parts(out0, some, columns, s, 3 * own + j),
                )
                p = Peepholes(weights[p0 + unit], weights[p0 + size + unit], weights[p0 + 2 * size + unit])
                active, c, h = cell_forward(net, work[c0 + (before + s0 + s) * units + unit], p)
                work[g], work[g + units] = active.z, active.i
                work[g + 2 * units], work[g + 3 * units] = active.f, active.o
                work[c0 + (sequences + row) * units + unit] = c
                work[h0 + (sequences + row) * units + unit] = h
                if direction == 1:
                    row = ints[turned + row]
                work[y0 + row * size + unit] = h
        before = sequences + now
        meet(sync, meeting, blocks)


@device
def lstm_deltas(
    table: Array,
    at: Any,
    direction: Any,
    ints: Array,
    area: Any,
    weights: Array,
    w0: Any,
    bound: Any,
    work: Array,
    base: Any,
    steps: Any,
    sync: Array,
    meeting: Any,
    rank: Any,
    blocks: Any,
) -> None:
    """Take errors back through the time steps of a direction: gates become deltas."""
    pool = cuda.shared.array(0, REALS)
    thread = cuda.threadIdx.x
    units, size = table[at + UNITS], table[at + SIZE]
    gates, rows = base + table[at + GATES + direction], table[at + ROWS + direction]
    c0, e0 = base + table[at + STATES_C + direction], base + table[at + ERROR] + direction * units
    carry, turned = base + table[CARRY], area + table[TURNED]
    counts, offsets, befores = area + table[COUNTS], area + table[OFFSETS], area + table[BEFORE]
    sequences = ints[counts]
    unit0 = rank * table[at + OWN]
    own = max(0, min(table[at + OWN], units - unit0))
    width, inner = table[at + OWN] | 1, 4 * units
    chunk, resident = table[at + BACKWARD_CHUNK], table[at + BACKWARD_RESIDENT]
    spill = base + table[SPILL] + rank * table[SPILL_SIZE]
    load_matrix(
        ints, rows, weights, w0 + table[at + R], units, unit0, own, True, width, resident, work, spill
    )
    p0 = w0 + table[at + PEEPHOLES] + direction * units
    x0 = resident * width
    out0 = x0 + chunk * inner
    for step in range(steps):
        t = steps - 1 - step
        alive, now = ints[counts + t], ints[offsets + t]
        alive_later = ints[counts + t + 1]  # 0 behind the last step
        for s0 in range(0, alive, chunk):
            some = min(chunk, alive - s0)
            later = max(0, min(alive_later - s0, some))
            if s0 > 0:
                cuda.syncthreads()
            if later > 0:
                if own > 0:
                    start = gates + (ints[offsets + t + 1] + s0) * inner
                    for e in range(thread, later * inner, THREADS):
                        pool[x0 + e] = work[start + e]
                cuda.syncthreads()
                if own > 0:
                    multiply(work, spill, width, resident, inner, own, x0, later, out0)
                cuda.syncthreads()
            for e in range(thread, some * own, THREADS):
                s, j = e // own, e % own
                row, unit = now + s0 + s, unit0 + j
                source = row
                if direction == 1:
                    source = ints[turned + row]
                error, carried = work[e0 + source * size + unit], REAL(0)
                kept = carry + (s0 + s) * units + unit
                if s < later:
                    error += sum_of_parts(out0, later, own, s, j)
                    carried = work[kept]
                g = gates + row * inner + unit
                active = Gates(work[g], work[g + units], work[g + 2 * units], work[g + 3 * units])
                p = Peepholes(weights[p0 + unit], weights[p0 + size + unit], weights[p0 + 2 * size + unit])
                c_before = work[c0 + ints[befores + row] * units + unit]
                c = work[c0 + (sequences + row) * units + unit]
                deltas, carried = cell_backward(error, active, c_before, c, carried, p, bound)
                work[g], work[g + units] = deltas.z, deltas.i
                work[g + 2 * units], work[g + 3 * units] = deltas.f, deltas.o
                work[kept] = carried
        meet(sync, meeting, blocks)


@device
def lstm_backward(
    table: Array,
    at: Any,
    direction: Any,
    ints: Array,
    area: Any,
    weights: Array,
    w0: Any,
    gradient: Array,
    add: Any,  # to the gradient that is there?
    bias: Any,
    work: Array,
    base: Any,
    frames: Any,
    rank: Any,
    blocks: Any,
) -> None:
    """From the deltas of a direction, the gradient and the errors of the inputs."""
    inputs, units, size = table[at + INPUTS], table[at + UNITS], table[at + SIZE]
    gates, rows = base + table[at + GATES + direction], table[at + ROWS + direction]
    c0, h0 = base + table[at + STATES_C + direction], base + table[at + STATES_H + direction]
    befores, sequences = area + table[BEFORE], ints[area + table[COUNTS]]
    inner, below = 4 * units, table[at + BELOW]
    view = area + table[TURNED] if direction == 1 else -1
    # The recurrent matrix first, then that of the inputs, then their errors.
    for which in range(3 if below >= 0 else 2):
        deltas_turned = which < 2
        b = weights if which == 2 else work
        b0, b_width, b_map = h0, units, befores
        c, c_first, c_map, more = gradient, w0 + table[at + R], rows, add
        out_rows, columns, summed = inner, units, frames
        deltas_map = -1
        if which >= 1:
            b0, b_width, b_map = base + table[at + X], inputs, view
            c_first, columns = w0 + table[at + W], inputs
        if which == 2:
            b0, b_map, deltas_map = w0 + table[at + W], rows, view
            c, c_first, c_map, more = work, base + below, -1, direction == 1
            out_rows, summed = frames, inner
        product(
            ints,
            work,
            gates,
            inner,
            deltas_map,
            deltas_turned,
            b,
            b0,
            b_width,
            b_map,
            True,
            c,
            c_first,
            columns,
            c_map,
            more,
            -1,
            bias,
            out_rows,
            columns,
            summed,
            rank,
            blocks,
        )
    for e in range(rank * THREADS + cuda.threadIdx.x, 7 * units, blocks * THREADS):
        total = REAL(0)
        if e < inner:
            for n in range(frames):
                total += work[gates + n * inner + e]
            total *= bias
            place = w0 + table[at + B] + ints[rows + e]
        else:
            gate, j = e // units - 3, e % units  # of gates i, f and o, which see c before, before and now
            if gate == 3:
                for n in range(frames):
                    total += work[gates + n * inner + 3 * units + j] * work[c0 + (sequences + n) * units + j]
            else:
                for n in range(frames):
                    c_before = work[c0 + ints[befores + n] * units + j]
                    total += work[gates + n * inner + gate * units + j] * c_before
            place = w0 + table[at + PEEPHOLES] + (gate - 1) * size + direction * units + j
        if add:
            total += gradient[place]
        gradient[place] = total


@device
def feedforward_forward(
    table: Array,
    at: Any,
    ints: Array,
    weights: Array,
    w0: Any,
    bias: Any,
    work: Array,
    base: Any,
    frames: Any,
    sync: Array,
    meeting: Any,
    rank: Any,
    blocks: Any,
) -> None:
    """Compute a layer without memory in time."""
    inputs, size, kind = table[at + INPUTS], table[at + SIZE], table[at + KIND]
    y0 = base + table[at + Y]
    product(
        ints,
        work,
        base + table[at + X],
        inputs,
        -1,
        False,
        weights,
        w0 + table[at + W],
        inputs,
        -1,
        False,
        work,
        y0,
        size,
        -1,
        False,
        w0 + table[at + B],
        bias,
        frames,
        size,
        inputs,
        rank,
        blocks,
    )
    meet(sync, meeting, blocks)
    thread = cuda.threadIdx.x
    if kind == SOFTMAX:
        for n in range(rank * THREADS + thread, frames, blocks * THREADS):
            softmax(work, y0 + n * size, size)
    elif kind != LINEAR:
        warps = THREADS // LANES
        for n in range(rank * warps + thread // LANES, frames, blocks * warps):
            for j in range(thread % LANES, size, LANES):
                place = y0 + n * size + j
                if kind == TANH:
                    work[place] = tanh(work[place])
                else:
                    work[place] = logistic(work[place])


@device
def softmax(work: Array, y: Any, size: Any) -> None:
    """Exponentiate a row and divide it by its sum."""
    largest = work[y]
    for j in range(1, size):
        largest = max(largest, work[y + j])
    total = REAL(0)
    for j in range(size):
        work[y + j] = softmax_numerator(work[y + j], largest)
        total += work[y + j]
    for j in range(size):
        work[y + j] /= total


@device
def feedforward_errors(
    table: Array, at: Any, work: Array, base: Any, frames: Any, rank: Any, blocks: Any
) -> None:
    """Take errors back through the non-linearity, in place."""
    size, kind = table[at + SIZE], table[at + KIND]
    y0, e0, thread = base + table[at + Y], base + table[at + ERROR], cuda.threadIdx.x
    if kind == SOFTMAX:
        for n in range(rank * THREADS + thread, frames, blocks * THREADS):
            y, e, total = y0 + n * size, e0 + n * size, REAL(0)
            for j in range(size):
                total += work[y + j] * work[e + j]
            for j in range(size):
                work[e + j] = softmax_slope(work[y + j], work[e + j], total)
    elif kind != LINEAR:
        warps = THREADS // LANES
        for n in range(rank * warps + thread // LANES, frames, blocks * warps):
            for j in range(thread % LANES, size, LANES):
                y, e = work[y0 + n * size + j], e0 + n * size + j
                work[e] *= tanh_slope(y) if kind == TANH else logistic_slope(y)


@device
def feedforward_backward(
    table: Array,
    at: Any,
    ints: Array,
    weights: Array,
    w0: Any,
    gradient: Array,
    add: Any,
    bias: Any,
    work: Array,
    base: Any,
    frames: Any,
    rank: Any,
    blocks: Any,
) -> None:
    """From the errors of the net inputs, the gradient and the errors of the inputs."""
    inputs, size = table[at + INPUTS], table[at + SIZE]
    e0, x0, below = base + table[at + ERROR], base + table[at + X], table[at + BELOW]
    for which in range(2 if below >= 0 else 1):
        b, b0, c, c0, more = work, x0, gradient, w0 + table[at + W], add
        rows, summed = size, frames
        if which == 1:
            b, b0, c, c0, more = weights, w0 + table[at + W], work, base + below, False
            rows, summed = frames, size
        product(
            ints,
            work,
            e0,
            size,
            -1,
            which == 0,
            b,
            b0,
            inputs,
            -1,
            True,
            c,
            c0,
            inputs,
            -1,
            more,
            -1,
            bias,
            rows,
            inputs,
            summed,
            rank,
            blocks,
        )
    for j in range(rank * THREADS + cuda.threadIdx.x, size, blocks * THREADS):
        total = REAL(0)
        for n in range(frames):
            total += work[e0 + n * size + j]
        total *= bias
        if add:
            total += gradient[w0 + table[at + B] + j]
        gradient[w0 + table[at + B] + j] = total
