"""The LSTM layer on the GPU, each direction computed by a team of blocks: inputs, steps, gradient.

Records say where everything lies (`layout.py`).  N packed frames, n sequences, P inputs, E units of a
direction, L outputs.  ``x0``, ``gates0`` and so on are where something begins.

    gates   | step 0 | step 1 | step 2 |              row `now` of a step here ...
    c, h    | before | step 0 | step 1 | step 2 |     ... is row n + now there

A block owns some units: it keeps their part of the recurrent matrix in shared memory, as far as there is
room, during all time steps.  A step begins when all blocks of the team have written theirs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from lstmcore.backends.cuda.compile import device
from lstmcore.backends.cuda.gemm import (
    Matrix,
    More,
    Panel,
    Shape,
    in_fours,
    multiply,
    padded,
    place_of_sum,
    times,
    times_transposed,
    transposed_times,
)
from lstmcore.backends.cuda.layout import BACKWARD, BACKWARDS, FORWARD, LANES
from lstmcore.backends.cuda.memory import four, own_function, shared
from lstmcore.backends.cuda.team import barrier
from lstmcore.cell import Gates, Peepholes, cell_backward, cell_forward, peephole_gradients

Array = Any

REAL: Any = np.float32  # given its meaning by the precision compiled for
REALS: Any = None  # and Numba's name of it, for arrays
THREADS: Any = 256
FLYING: Any = 8  # fours of numbers that a thread has on their way to shared memory
CARRIED: Any = 32  # and the numbers


class Units(NamedTuple):
    """The units that a block owns."""

    first: Any
    count: Any


@device
def read_gates(
    work: Any,  # numbers of the team
    g: Any,  # where the unit's first gate lies
    units: Any,  # from one gate to the next
) -> Any:
    """Return the four gates of a unit."""
    return Gates(work[g], work[g + units], work[g + 2 * units], work[g + 3 * units])


@device
def write_gates(
    work: Any,  # numbers of the team
    g: Any,  # where the unit's first gate lies
    units: Any,  # from one gate to the next
    gates: Any,  # Gates
) -> None:
    """Set the four gates of a unit."""
    work[g], work[g + units] = gates.z, gates.i
    work[g + 2 * units], work[g + 3 * units] = gates.f, gates.o


@device
def read_peepholes(
    weights: Any,  # parameters
    p: Any,  # where the unit's first peephole lies
    outputs: Any,  # from one gate's to the next
) -> Any:
    """Return the peephole weights of a unit."""
    return Peepholes(weights[p], weights[p + outputs], weights[p + 2 * outputs])


@device
def owned_units(
    layer: Any,  # of LAYER
    team: Any,  # Team
) -> Any:
    """Return the units of this block: there may be none."""
    first = team.rank * layer.own
    return Units(first, max(0, min(layer.own, layer.units - first)))


@device
def rows_of(
    layer: Any,  # of LAYER
    direction: Any,
) -> Any:
    """Return where the map of a direction's gates to rows of W and R begins; below 0: there is none."""
    return layer.rows[direction] if layer.outputs != layer.units else -1


@device
def load_panel(
    plan: Any,  # of PLAN
    layer: Any,  # of LAYER
    direction: Any,
    which: Any,  # FORWARD or BACKWARD pass
    own: Any,  # Units
    weights: Any,  # parameters
    memory: Any,  # Memory
    team: Any,  # Team
) -> Any:
    """Copy the block's part of R: its transpose [E, 4 own] forward, itself [4E, own] backward."""
    own_function()
    units, unit0 = layer.units, own.first
    inner, columns, width = units, 4 * own.count, padded(4 * layer.own)
    if which == BACKWARD:
        inner, columns, width = 4 * units, own.count, padded(layer.own)
    spill = plan.spill + team.rank * plan.spill_room
    panel = Panel(inner, columns, width, layer.resident[which], spill)
    ints, work, rows, last = memory.ints, memory.work, layer.rows[direction], inner - 1
    across, down, warps = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES, THREADS // LANES
    if which == FORWARD:  # neighbours run along a row of R
        for column in range(down, columns, warps):
            gate = column // own.count
            row = layer.r + ints[rows + gate * units + unit0 + column - gate * own.count] * units
            for k in range(across, inner, 4 * LANES):
                k1, k2, k3 = min(k + LANES, last), min(k + 2 * LANES, last), min(k + 3 * LANES, last)
                v0, v1, v2, v3 = weights[row + k], weights[row + k1], weights[row + k2], weights[row + k3]
                put(panel, work, k, column, v0)
                put(panel, work, k1, column, v1)
                put(panel, work, k2, column, v2)
                put(panel, work, k3, column, v3)
    else:
        r0 = layer.r + unit0
        for k in range(down, inner, 4 * warps):
            k1, k2, k3 = min(k + warps, last), min(k + 2 * warps, last), min(k + 3 * warps, last)
            w0, w1 = r0 + ints[rows + k] * units, r0 + ints[rows + k1] * units
            w2, w3 = r0 + ints[rows + k2] * units, r0 + ints[rows + k3] * units
            for j in range(across, columns, LANES):
                v0, v1, v2, v3 = weights[w0 + j], weights[w1 + j], weights[w2 + j], weights[w3 + j]
                put(panel, work, k, j, v0)
                put(panel, work, k1, j, v1)
                put(panel, work, k2, j, v2)
                put(panel, work, k3, j, v3)
    return panel


@device
def put(
    panel: Any,  # Panel
    work: Any,  # where the panel's rows lie that aren't in shared memory
    k: Any,
    column: Any,
    value: Any,
) -> None:
    """Set an element of a panel."""
    pool = shared(REALS)
    if k < panel.resident:
        pool[k * panel.width + column] = value
    else:
        work[panel.spill + (k - panel.resident) * panel.width + column] = value


@device
def copy_in(
    work: Any,  # numbers of the team
    start: Any,  # where in them the vectors begin [count, inner]
    place: Any,  # where they go in shared memory [inner, tall]
    count: Any,  # of the vectors
    inner: Any,  # what four divides
    tall: Any,
) -> None:
    """Copy vectors to shared memory: of FLYING fours all are on their way before one is stored."""
    pool, flying = shared(REALS), cuda.local.array(CARRIED, REALS)
    across, down, warps = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES, THREADS // LANES
    last, s, first = inner - 4, down, 4 * across
    while s >= count:
        s, first = s - count, first + 4 * LANES * FLYING
    while first < inner:
        x = start + s * inner
        for n in range(FLYING):  # behind the end several read and write the same numbers
            k = min(first + n * 4 * LANES, last)
            flying[4 * n], flying[4 * n + 1], flying[4 * n + 2], flying[4 * n + 3] = four(work, x + k)
        for n in range(FLYING):
            xt = place + min(first + n * 4 * LANES, last) * tall + s
            pool[xt], pool[xt + tall] = flying[4 * n], flying[4 * n + 1]
            pool[xt + 2 * tall], pool[xt + 3 * tall] = flying[4 * n + 2], flying[4 * n + 3]
        s += warps
        while s >= count:
            s, first = s - count, first + 4 * LANES * FLYING


@device
def lstm_forward(
    plan: Any,  # of PLAN
    layer: Any,  # of LAYER
    direction: Any,
    steps: Any,
    weights: Any,  # parameters
    memory: Any,  # Memory
    team: Any,  # Team
) -> None:
    """Compute a direction of an LSTM layer from zero states."""
    ints, work = memory.ints, memory.work
    inputs, units, sequences = layer.inputs, layer.units, ints[plan.batch_sizes]
    view = plan.reversed if direction == BACKWARDS else -1
    times_transposed(
        Matrix(work, layer.x, inputs, view),
        Matrix(weights, layer.w, inputs, rows_of(layer, direction)),
        Matrix(work, layer.gates[direction], 4 * units, -1),
        Shape(ints[plan.offsets + steps], 4 * units, inputs),
        More(False, layer.b, REAL(layer.bias)),
        ints,
        team,
    )
    own = owned_units(layer, team)
    panel = load_panel(plan, layer, direction, FORWARD, own, weights, memory, team)
    c0, h0 = layer.c[direction], layer.h[direction]
    for e in range(cuda.threadIdx.x, sequences * own.count, THREADS):
        s, unit = e // own.count, own.first + e % own.count
        work[c0 + s * units + unit] = REAL(0)
        work[h0 + s * in_fours(units) + unit] = REAL(0)
    barrier(team)
    steps_forward(plan, layer, direction, steps, own, panel, weights, memory, team)


@device
def steps_forward(
    plan: Any,  # of PLAN
    layer: Any,  # of LAYER
    direction: Any,
    steps: Any,
    own: Any,  # Units
    panel: Any,  # Panel [E, 4 own]
    weights: Any,  # parameters
    memory: Any,  # Memory
    team: Any,  # Team
) -> None:
    """Compute the time steps: net inputs become activations."""
    own_function()
    thread, ints, work = cuda.threadIdx.x, memory.ints, memory.work
    pool, columns = shared(REALS), panel.columns
    units, outputs, chunk = layer.units, layer.outputs, layer.chunk[FORWARD]
    gates0, c0, h0 = layer.gates[direction], layer.c[direction], layer.h[direction]
    y0, p0 = layer.y + direction * units, layer.p + direction * units
    batch_sizes, offsets, mirrored = plan.batch_sizes, plan.offsets, plan.reversed
    sequences, unit0, count = ints[batch_sizes], own.first, own.count
    tall = padded(chunk)
    x0 = panel.resident * panel.width
    high = in_fours(units)
    out0 = x0 + high * tall
    each = max(1, count)
    s_first, j_first, s_step, j_step = thread // each, thread % each, THREADS // each, THREADS % each
    before = 0
    for t in range(steps):
        alive, now = ints[batch_sizes + t], ints[offsets + t]
        for s0 in range(0, alive, chunk):
            some = min(chunk, alive - s0)
            s, j = s_first, j_first
            row, unit = now + s0 + min(s, some - 1), unit0 + j
            # What the cell needs besides comes while the products are computed.
            net = read_gates(work, gates0 + row * 4 * units + unit, units)
            c_before = work[c0 + (before + s0 + min(s, some - 1)) * units + unit]
            p = read_peepholes(weights, p0 + unit, outputs)
            if s0 > 0:
                cuda.syncthreads()
            if count > 0:
                copy_in(work, h0 + (before + s0) * high, x0, some, high, tall)
            cuda.syncthreads()
            if count > 0:
                multiply(panel, x0, tall, some, out0, work)
            cuda.syncthreads()
            while s < some and count > 0:
                e = s * columns + j
                net = Gates(
                    net.z + pool[place_of_sum(out0, columns, e)],
                    net.i + pool[place_of_sum(out0, columns, e + count)],
                    net.f + pool[place_of_sum(out0, columns, e + 2 * count)],
                    net.o + pool[place_of_sum(out0, columns, e + 3 * count)],
                )
                active, c, h = cell_forward(net, c_before, p)
                write_gates(work, gates0 + row * 4 * units + unit, units, active)
                work[c0 + (sequences + row) * units + unit] = c
                work[h0 + (sequences + row) * high + unit] = h
                if direction == BACKWARDS:
                    row = ints[mirrored + row]
                work[y0 + row * outputs + unit] = h
                s, j = s + s_step, j + j_step
                if j >= count:
                    s, j = s + 1, j - count
                row, unit = now + s0 + min(s, some - 1), unit0 + j
                net = read_gates(work, gates0 + row * 4 * units + unit, units)
                c_before = work[c0 + (before + s0 + min(s, some - 1)) * units + unit]
                p = read_peepholes(weights, p0 + unit, outputs)
        before = sequences + now
        barrier(team)


@device
def lstm_backward(
    plan: Any,  # of PLAN
    layer: Any,  # of LAYER
    direction: Any,
    steps: Any,
    weights: Any,  # parameters
    gradient: Any,  # Gradient
    memory: Any,  # Memory
    team: Any,  # Team
) -> None:
    """Take the errors of a direction's outputs back: the gradient and the errors of the inputs."""
    own = owned_units(layer, team)
    panel = load_panel(plan, layer, direction, BACKWARD, own, weights, memory, team)
    steps_backward(plan, layer, direction, steps, own, panel, weights, gradient.bound, memory, team)
    lstm_products(plan, layer, direction, steps, weights, gradient, memory, team)
    lstm_sums(plan, layer, direction, steps, gradient, memory, team)


@device
def steps_backward(
    plan: Any,  # of PLAN
    layer: Any,  # of LAYER
    direction: Any,
    steps: Any,
    own: Any,  # Units
    panel: Any,  # Panel [4E, own]
    weights: Any,  # parameters
    bound: Any,  # limit of the deltas
    memory: Any,  # Memory
    team: Any,  # Team
) -> None:
    """Take errors back through the time steps: activations become deltas."""
    own_function()
    pool, thread, ints, work = shared(REALS), cuda.threadIdx.x, memory.ints, memory.work
    units, outputs, chunk, inner = layer.units, layer.outputs, layer.chunk[BACKWARD], panel.inner
    gates0, c0 = layer.gates[direction], layer.c[direction]
    e0, p0 = layer.error + direction * units, layer.p + direction * units
    carry0, mirrored = plan.carry, plan.reversed
    batch_sizes, offsets, befores = plan.batch_sizes, plan.offsets, plan.before
    sequences, unit0, count = ints[batch_sizes], own.first, own.count
    tall = padded(chunk)
    x0 = panel.resident * panel.width
    out0 = x0 + inner * tall
    each = max(1, count)
    s_first, j_first, s_step, j_step = thread // each, thread % each, THREADS // each, THREADS % each
    for step in range(steps):
        t = steps - 1 - step
        alive, now = ints[batch_sizes + t], ints[offsets + t]
        alive_later = ints[batch_sizes + t + 1]  # 0 behind the last step
        for s0 in range(0, alive, chunk):
            some = min(chunk, alive - s0)
            later = max(0, min(alive_later - s0, some))
            s, j = s_first, j_first
            row, unit = now + s0 + min(s, some - 1), unit0 + j
            source = ints[mirrored + row] if direction == BACKWARDS else row
            # What the cell needs besides comes while the products are computed.
            error = work[e0 + source * outputs + unit]
            active = read_gates(work, gates0 + row * inner + unit, units)
            c, c_before = (
                work[c0 + (sequences + row) * units + unit],
                work[c0 + ints[befores + row] * units + unit],
            )
            carried = work[carry0 + (s0 + min(s, some - 1)) * units + unit]
            p = read_peepholes(weights, p0 + unit, outputs)
            if s0 > 0:
                cuda.syncthreads()
            if later > 0:
                if count > 0:
                    d0 = gates0 + (ints[offsets + t + 1] + s0) * inner
                    copy_in(work, d0, x0, later, inner, tall)
                cuda.syncthreads()
                if count > 0:
                    multiply(panel, x0, tall, later, out0, work)
                cuda.syncthreads()
            while s < some and count > 0:
                if s < later:
                    error += pool[place_of_sum(out0, count, s * count + j)]
                else:
                    carried = REAL(0)
                deltas, carried = cell_backward(error, active, c_before, c, carried, p, bound)
                write_gates(work, gates0 + row * inner + unit, units, deltas)
                work[carry0 + (s0 + s) * units + unit] = carried
                s, j = s + s_step, j + j_step
                if j >= count:
                    s, j = s + 1, j - count
                row, unit = now + s0 + min(s, some - 1), unit0 + j
                source = ints[mirrored + row] if direction == BACKWARDS else row
                error = work[e0 + source * outputs + unit]
                active = read_gates(work, gates0 + row * inner + unit, units)
                c, c_before = (
                    work[c0 + (sequences + row) * units + unit],
                    work[c0 + ints[befores + row] * units + unit],
                )
                carried = work[carry0 + (s0 + min(s, some - 1)) * units + unit]
                p = read_peepholes(weights, p0 + unit, outputs)
        barrier(team)


@device
def lstm_products(
    plan: Any,  # of PLAN
    layer: Any,  # of LAYER
    direction: Any,
    steps: Any,
    weights: Any,  # parameters
    gradient: Any,  # Gradient
    memory: Any,  # Memory
    team: Any,  # Team
) -> None:
    """From the deltas of a direction, the gradients of R and W and the errors of the inputs."""
    ints, work = memory.ints, memory.work
    inputs, units, frames = layer.inputs, layer.units, ints[plan.offsets + steps]
    gates0, rows = layer.gates[direction], rows_of(layer, direction)
    view = plan.reversed if direction == BACKWARDS else -1
    more = More(gradient.add, -1, REAL(0))
    deltas = Matrix(work, gates0, 4 * units, -1)
    h_before = Matrix(work, layer.h[direction], in_fours(units), plan.before)
    dr, shape = Matrix(gradient.values, layer.r, units, rows), Shape(4 * units, units, frames)
    transposed_times(deltas, h_before, dr, shape, more, ints, team)
    x = Matrix(work, layer.x, inputs, view)
    dw, shape = Matrix(gradient.values, layer.w, inputs, rows), Shape(4 * units, inputs, frames)
    transposed_times(deltas, x, dw, shape, more, ints, team)
    if layer.below >= 0:
        deltas = Matrix(work, gates0, 4 * units, view)
        w = Matrix(weights, layer.w, inputs, rows)
        below, shape = Matrix(work, layer.below, inputs, -1), Shape(frames, inputs, 4 * units)
        times(deltas, w, below, shape, More(direction == BACKWARDS, -1, REAL(0)), ints, team)


@device
def lstm_sums(
    plan: Any,  # of PLAN
    layer: Any,  # of LAYER
    direction: Any,
    steps: Any,
    gradient: Any,  # Gradient
    memory: Any,  # Memory
    team: Any,  # Team
) -> None:
    """From the deltas of a direction, the gradients of bias weights and peepholes.

    A row of threads adds up every so many frames of neighbouring columns; those sums are then added up.
    """
    own_function()
    pool = shared(REALS)
    ints, work, found = memory.ints, memory.work, gradient.values
    units, outputs, frames = layer.units, layer.outputs, ints[plan.offsets + steps]
    gates0, c0, b0, rows = layer.gates[direction], layer.c[direction], layer.b, layer.rows[direction]
    befores, sequences, bias = plan.before, ints[plan.batch_sizes], REAL(layer.bias)
    inner, p0 = 4 * units, layer.p + direction * units
    across, down, parts = cuda.threadIdx.x % LANES, cuda.threadIdx.x // LANES, THREADS // LANES
    for first in range(team.rank * LANES, 5 * units, team.blocks * LANES):
        e = first + across
        j = e - inner
        s0, s1, s2 = REAL(0), REAL(0), REAL(0)
        if e < inner:
            for n in range(down, frames, parts):
                s0 += work[gates0 + n * inner + e]
        elif j < units:
            for n in range(down, frames, parts):
                deltas = read_gates(work, gates0 + n * inner + j, units)
                c_before = work[c0 + ints[befores + n] * units + j]
                p = peephole_gradients(deltas, c_before, work[c0 + (sequences + n) * units + j])
                s0, s1, s2 = s0 + p.i, s1 + p.f, s2 + p.o
        place = down * LANES + across
        pool[place], pool[THREADS + place], pool[2 * THREADS + place] = s0, s1, s2
        cuda.syncthreads()
        if down == 0 and j < units:
            for part in range(1, parts):
                place = part * LANES + across
                s0, s1, s2 = s0 + pool[place], s1 + pool[THREADS + place], s2 + pool[2 * THREADS + place]
            if e < inner:
                s0 *= bias
                place = b0 + ints[rows + e]
                found[place] = s0 + found[place] if gradient.add else s0
            else:
                place = p0 + j
                if gradient.add:
                    s0, s1, s2 = (
                        s0 + found[place],
                        s1 + found[place + outputs],
                        s2 + found[place + 2 * outputs],
                    )
                found[place], found[place + outputs], found[place + 2 * outputs] = s0, s1, s2
        cuda.syncthreads()
