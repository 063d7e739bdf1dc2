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
from lstmcore.backends.cuda.gemm import Matrix, Panel, Shape, gemm, multiply, sum_of_parts
from lstmcore.backends.cuda.layout import BACKWARD, BACKWARDS, FORWARD
from lstmcore.backends.cuda.team import barrier, thread_of, threads_of
from lstmcore.cell import Gates, Peepholes, cell_backward, cell_forward, peephole_gradients

Array = Any

REAL: Any = np.float32  # given its meaning by the precision compiled for
REALS: Any = None  # and Numba's name of it, for arrays
THREADS: Any = 256


class Units(NamedTuple):
    """The units that a block owns."""

    first: Any
    count: Any


@device
def read_gates(
    work: Array,  # [work]
    g: Any,  # where the unit's first gate lies
    units: Any,  # from one gate to the next
) -> Any:
    """Return the four gates of a unit."""
    return Gates(work[g], work[g + units], work[g + 2 * units], work[g + 3 * units])


@device
def write_gates(
    work: Array,  # [work]
    g: Any,  # where the unit's first gate lies
    units: Any,  # from one gate to the next
    gates: Any,  # Gates
) -> None:
    """Set the four gates of a unit."""
    work[g], work[g + units] = gates.z, gates.i
    work[g + 2 * units], work[g + 3 * units] = gates.f, gates.o


@device
def read_peepholes(
    weights: Array,  # [parameters]
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
def load_panel(
    plan: Any,  # of PLAN
    layer: Any,  # of LAYER
    direction: Any,
    which: Any,  # FORWARD or BACKWARD pass
    own: Any,  # Units
    weights: Array,  # [parameters]
    memory: Any,  # Memory
    team: Any,  # Team
) -> Any:
    """Copy the block's part of R: its transpose [E, 4 own] forward, itself [4E, own] backward."""
    pool = cuda.shared.array(0, REALS)
    units, r0, rows, resident = layer.units, layer.r, layer.rows[direction], layer.resident[which]
    spill = plan.spill + team.rank * plan.spill_room
    ints, work, unit0, count = memory.ints, memory.work, own.first, own.count
    inner, columns, width = units, 4 * count, 4 * layer.own | 1
    if which == BACKWARD:
        inner, columns, width = 4 * units, count, layer.own | 1
    for e in range(cuda.threadIdx.x, inner * columns, THREADS):
        if which == BACKWARD:
            k, column = e // count, e % count
            value = weights[r0 + ints[rows + k] * units + unit0 + column]
        else:
            k, column = e % units, e // units
            gate = ints[rows + column // count * units + unit0 + column % count]
            value = weights[r0 + gate * units + k]
        if k < resident:
            pool[k * width + column] = value
        else:
            work[spill + (k - resident) * width + column] = value
    return Panel(inner, columns, width, resident, spill)


@device
def copy_in(
    work: Array,  # [work]
    start: Any,  # where in it the numbers begin
    place: Any,  # where they go in shared memory
    count: Any,  # of them, at least 1
) -> None:
    """Copy a stretch to shared memory: of eight numbers all are on their way before one is stored."""
    pool = cuda.shared.array(0, REALS)
    last = count - 1
    for e in range(cuda.threadIdx.x, count, 8 * THREADS):
        e1, e2, e3 = min(e + THREADS, last), min(e + 2 * THREADS, last), min(e + 3 * THREADS, last)
        e4, e5, e6 = min(e + 4 * THREADS, last), min(e + 5 * THREADS, last), min(e + 6 * THREADS, last)
        e7 = min(e + 7 * THREADS, last)
        v0, v1, v2, v3 = work[start + e], work[start + e1], work[start + e2], work[start + e3]
        v4, v5, v6, v7 = work[start + e4], work[start + e5], work[start + e6], work[start + e7]
        # Behind the end several write the same number to the same place.
        pool[place + e], pool[place + e1], pool[place + e2], pool[place + e3] = v0, v1, v2, v3
        pool[place + e4], pool[place + e5], pool[place + e6], pool[place + e7] = v4, v5, v6, v7


@device
def lstm_forward(
    plan: Any,  # of PLAN
    layer: Any,  # of LAYER
    direction: Any,
    steps: Any,
    weights: Array,  # [parameters]
    memory: Any,  # Memory
    team: Any,  # Team
) -> None:
    """Compute a direction of an LSTM layer from zero states."""
    ints, work = memory.ints, memory.work
    inputs, units, sequences = layer.inputs, layer.units, ints[plan.batch_sizes]
    view = plan.reversed if direction == BACKWARDS else -1
    gemm(
        Matrix(work, layer.x, inputs, view, False),
        Matrix(weights, layer.w, inputs, layer.rows[direction], True),
        Matrix(work, layer.gates[direction], 4 * units, -1, False),
        Shape(ints[plan.offsets + steps], 4 * units, inputs),
        False,
        layer.b,
        REAL(layer.bias),
        ints,
        team,
    )
    own = owned_units(layer, team)
    panel = load_panel(plan, layer, direction, FORWARD, own, weights, memory, team)
    c0, h0 = layer.c[direction], layer.h[direction]
    for e in range(cuda.threadIdx.x, sequences * own.count, THREADS):
        place = e // own.count * units + own.first + e % own.count
        work[c0 + place] = REAL(0)
        work[h0 + place] = REAL(0)
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
    weights: Array,  # [parameters]
    memory: Any,  # Memory
    team: Any,  # Team
) -> None:
    """Compute the time steps: net inputs become activations."""
    thread, ints, work = cuda.threadIdx.x, memory.ints, memory.work
    units, outputs, chunk = layer.units, layer.outputs, layer.chunk[FORWARD]
    gates0, c0, h0 = layer.gates[direction], layer.c[direction], layer.h[direction]
    y0, p0 = layer.y + direction * units, layer.p + direction * units
    batch_sizes, offsets, mirrored = plan.batch_sizes, plan.offsets, plan.reversed
    sequences, unit0, count = ints[batch_sizes], own.first, own.count
    x0 = panel.resident * panel.width
    out0 = x0 + chunk * units
    before = 0
    for t in range(steps):
        alive, now = ints[batch_sizes + t], ints[offsets + t]
        for s0 in range(0, alive, chunk):
            some = min(chunk, alive - s0)
            if s0 > 0:
                cuda.syncthreads()
            if count > 0:
                copy_in(work, h0 + (before + s0) * units, x0, some * units)
            cuda.syncthreads()
            if count > 0:
                multiply(panel, x0, some, out0, work)
            cuda.syncthreads()
            for e in range(thread, some * count, THREADS):
                s, j = e // count, e % count
                row, unit = now + s0 + s, unit0 + j
                g = gates0 + row * 4 * units + unit
                net = Gates(
                    work[g] + sum_of_parts(out0, some, panel.columns, s, j),
                    work[g + units] + sum_of_parts(out0, some, panel.columns, s, count + j),
                    work[g + 2 * units] + sum_of_parts(out0, some, panel.columns, s, 2 * count + j),
                    work[g + 3 * units] + sum_of_parts(out0, some, panel.columns, s, 3 * count + j),
                )
                p = read_peepholes(weights, p0 + unit, outputs)
                active, c, h = cell_forward(net, work[c0 + (before + s0 + s) * units + unit], p)
                write_gates(work, g, units, active)
                work[c0 + (sequences + row) * units + unit] = c
                work[h0 + (sequences + row) * units + unit] = h
                if direction == BACKWARDS:
                    row = ints[mirrored + row]
                work[y0 + row * outputs + unit] = h
        before = sequences + now
        barrier(team)


@device
def lstm_backward(
    plan: Any,  # of PLAN
    layer: Any,  # of LAYER
    direction: Any,
    steps: Any,
    weights: Array,  # [parameters]
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
    weights: Array,  # [parameters]
    bound: Any,  # limit of the deltas
    memory: Any,  # Memory
    team: Any,  # Team
) -> None:
    """Take errors back through the time steps: activations become deltas."""
    thread, ints, work = cuda.threadIdx.x, memory.ints, memory.work
    units, outputs, chunk, inner = layer.units, layer.outputs, layer.chunk[BACKWARD], panel.inner
    gates0, c0 = layer.gates[direction], layer.c[direction]
    e0, p0 = layer.error + direction * units, layer.p + direction * units
    carry0, mirrored = plan.carry, plan.reversed
    batch_sizes, offsets, befores = plan.batch_sizes, plan.offsets, plan.before
    sequences, unit0, count = ints[batch_sizes], own.first, own.count
    x0 = panel.resident * panel.width
    out0 = x0 + chunk * inner
    for step in range(steps):
        t = steps - 1 - step
        alive, now = ints[batch_sizes + t], ints[offsets + t]
        alive_later = ints[batch_sizes + t + 1]  # 0 behind the last step
        for s0 in range(0, alive, chunk):
            some = min(chunk, alive - s0)
            later = max(0, min(alive_later - s0, some))
            if s0 > 0:
                cuda.syncthreads()
            if later > 0:
                if count > 0:
                    copy_in(work, gates0 + (ints[offsets + t + 1] + s0) * inner, x0, later * inner)
                cuda.syncthreads()
                if count > 0:
                    multiply(panel, x0, later, out0, work)
                cuda.syncthreads()
            for e in range(thread, some * count, THREADS):
                s, j = e // count, e % count
                row, unit = now + s0 + s, unit0 + j
                source = row
                if direction == BACKWARDS:
                    source = ints[mirrored + row]
                error, carried = work[e0 + source * outputs + unit], REAL(0)
                carry = carry0 + (s0 + s) * units + unit
                if s < later:
                    error += sum_of_parts(out0, later, count, s, j)
                    carried = work[carry]
                g = gates0 + row * inner + unit
                active, p = read_gates(work, g, units), read_peepholes(weights, p0 + unit, outputs)
                c_before = work[c0 + ints[befores + row] * units + unit]
                c = work[c0 + (sequences + row) * units + unit]
                deltas, carried = cell_backward(error, active, c_before, c, carried, p, bound)
                write_gates(work, g, units, deltas)
                work[carry] = carried
        barrier(team)


@device
def lstm_products(
    plan: Any,  # of PLAN
    layer: Any,  # of LAYER
    direction: Any,
    steps: Any,
    weights: Array,  # [parameters]
    gradient: Any,  # Gradient
    memory: Any,  # Memory
    team: Any,  # Team
) -> None:
    """From the deltas of a direction, the gradients of R and W and the errors of the inputs."""
    ints, work = memory.ints, memory.work
    inputs, units, frames = layer.inputs, layer.units, ints[plan.offsets + steps]
    gates0, rows = layer.gates[direction], layer.rows[direction]
    view = plan.reversed if direction == BACKWARDS else -1
    deltas_t = Matrix(work, gates0, 4 * units, -1, True)
    h_before = Matrix(work, layer.h[direction], units, plan.before, False)
    dr, shape = Matrix(gradient.values, layer.r, units, rows, False), Shape(4 * units, units, frames)
    gemm(deltas_t, h_before, dr, shape, gradient.add, -1, REAL(0), ints, team)
    x = Matrix(work, layer.x, inputs, view, False)
    dw, shape = Matrix(gradient.values, layer.w, inputs, rows, False), Shape(4 * units, inputs, frames)
    gemm(deltas_t, x, dw, shape, gradient.add, -1, REAL(0), ints, team)
    if layer.below >= 0:
        deltas = Matrix(work, gates0, 4 * units, view, False)
        w = Matrix(weights, layer.w, inputs, rows, False)
        below, shape = Matrix(work, layer.below, inputs, -1, False), Shape(frames, inputs, 4 * units)
        gemm(deltas, w, below, shape, direction == BACKWARDS, -1, REAL(0), ints, team)


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
    """From the deltas of a direction, the gradients of bias weights and peepholes."""
    ints, work, found = memory.ints, memory.work, gradient.values
    units, outputs, frames = layer.units, layer.outputs, ints[plan.offsets + steps]
    gates0, c0, b0, rows = layer.gates[direction], layer.c[direction], layer.b, layer.rows[direction]
    befores, sequences, bias = plan.before, ints[plan.batch_sizes], REAL(layer.bias)
    inner, p0 = 4 * units, layer.p + direction * units
    for e in range(thread_of(team), 5 * units, threads_of(team)):
        if e < inner:
            total = REAL(0)
            for n in range(frames):
                total += work[gates0 + n * inner + e]
            total *= bias
            place = b0 + ints[rows + e]
            found[place] = total + found[place] if gradient.add else total
        else:
            j = e - inner
            i, f, o = REAL(0), REAL(0), REAL(0)
            for n in range(frames):
                deltas = read_gates(work, gates0 + n * inner + j, units)
                c_before = work[c0 + ints[befores + n] * units + j]
                p = peephole_gradients(deltas, c_before, work[c0 + (sequences + n) * units + j])
                i, f, o = i + p.i, f + p.f, o + p.o
            place = p0 + j
            if gradient.add:
                i, f, o = i + found[place], f + found[place + outputs], o + found[place + 2 * outputs]
            found[place], found[place + outputs], found[place + 2 * outputs] = i, f, o
