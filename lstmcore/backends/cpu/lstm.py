"""The LSTM layer on a CPU, top to bottom: a row of gates, steps, a pass in one call, a layer with its memory.

Shapes stand in brackets behind each argument: N packed frames, n sequences (the rows of the first step),
T steps, P inputs, E units.  Packed arrays hold step after step, ``batch_sizes[t]`` rows each (see
`lstmcore.batches`).  ``h`` and ``c`` begin with one block more, of n rows: the initial state.

    gates   | step 0 | step 1 | step 2 |              row `now` of a step here ...
    c, h    | before | step 0 | step 1 | step 2 |     ... is row `after` = n + now there

A pass is one call: the interpreter's lock is given up once, not for each product.  Where several networks
are trained side by side, a thread that comes back from a kernel waits for whoever holds the lock; with
small networks and single sequences that took longer than the arithmetic.  Steps are computed in
portions that stay in the cache from one product to the next.

Python calls the two passes with each array by itself, since a named tuple of arrays costs it more time than
the arrays; from there on what belongs together travels together.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from lstmcore.backends.cpu.gemm import (
    add_product,
    add_row_product,
    column_sums,
    pack,
    pack_transposed,
    panel_width,
    product,
    product_over_frames,
    unpacked,
)
from lstmcore.backends.cpu.math import cell_backward, cell_forward, peephole_gradients
from lstmcore.backends.cpu.memory import Memory
from lstmcore.backends.cpu.tiles import VECTOR_BYTES
from lstmcore.batches import Batch
from lstmcore.cell import Gates, Peepholes
from lstmcore.jit import inlined, kernel
from lstmcore.layers import BLSTM

Array = Any
Pieces = dict[str, Array]

_PORTION = 1000  # frames: some megabytes of activations of a layer of 200 units


class States(NamedTuple):
    """What the forward pass leaves for the backward pass."""

    gates: Array  # net inputs, then activations, then deltas: z, i, f, o side by side [N, 4E]
    c: Array  # cell states, initial state first [n+N, E]
    h: Array  # block outputs, initial state first [n+N, E]


class Steps(NamedTuple):
    """Some steps of a batch."""

    batch_sizes: Array  # sequences alive at each step of the batch [T]
    first: Any  # the first of them
    last: Any  # behind the last of them
    start: Any  # rows of the first ...
    end: Any  # ... up to those behind the last


class Scratch(NamedTuple):
    """What the backward pass writes on its way."""

    carry: Array  # error of the cell states that one step passes on to the step before [n, E]
    h_before: Array  # block outputs of the step before each [N, E]


@inlined
def split_gates(
    row: Array,  # [4E]
) -> Any:
    """Return the four gates of a row, [E] each."""
    units = row.shape[0] // 4
    return Gates(row[:units], row[units : 2 * units], row[2 * units : 3 * units], row[3 * units :])


@inlined
def split_peepholes(
    p: Array,  # [3, E]
) -> Any:
    """Return the peephole weights of each gate that has them, [E] each."""
    return Peepholes(p[0], p[1], p[2])


@kernel
def gates_forward(
    gates: Any,  # net inputs, become activations, [E] each
    c_before: Array,  # [E]
    p: Any,  # peepholes, [E] each
    c: Array,  # out [E]
    h: Array,  # out [E]
) -> None:
    """Compute one step of one sequence's units."""
    # A row in a function of its own: over all rows LLVM's run-time check finds that the gates
    # overlap, and computes one unit at a time.
    for j in range(c.shape[0]):
        net = Gates(gates.z[j], gates.i[j], gates.f[j], gates.o[j])
        active, c[j], h[j] = cell_forward(net, c_before[j], Peepholes(p.i[j], p.f[j], p.o[j]))
        gates.z[j], gates.i[j], gates.f[j], gates.o[j] = active


@kernel
def steps_forward(
    steps: Any,  # Steps
    recurrent: Array,  # recurrent weights, transposed, in panels [E, 4E]
    p: Array,  # peepholes [3, E]
    states: Any,  # States: net inputs of the gates become activations; out: c and h
) -> None:
    """Compute some steps of an LSTM layer."""
    batch_sizes, gates, c, h = steps.batch_sizes, states.gates, states.c, states.h
    peepholes = split_peepholes(p)
    now = steps.start
    before = 0 if steps.first == 0 else batch_sizes[0] + now - batch_sizes[steps.first - 1]
    for t in range(steps.first, steps.last):
        alive = batch_sizes[t]
        after = batch_sizes[0] + now
        add_product(h[before : before + alive], recurrent, gates[now : now + alive], t)
        for s in range(alive):
            gates_forward(split_gates(gates[now + s]), c[before + s], peepholes, c[after + s], h[after + s])
        before = after
        now += alive


@kernel
def gates_backward(
    e: Array,  # error of the block output [E]
    gates: Any,  # activations, become deltas, [E] each
    c_before: Array,  # [E]
    c: Array,  # [E]
    carry: Array,  # error that reaches c from the next step, becomes that for the step before [E]
    p: Any,  # peepholes, [E] each
    limit: Any,
) -> None:
    """Take the errors of one step of one sequence's units back to the gates."""
    for j in range(c.shape[0]):
        active = Gates(gates.z[j], gates.i[j], gates.f[j], gates.o[j])
        weights = Peepholes(p.i[j], p.f[j], p.o[j])
        deltas, carry[j] = cell_backward(e[j], active, c_before[j], c[j], carry[j], weights, limit)
        gates.z[j], gates.i[j], gates.f[j], gates.o[j] = deltas


@inlined
def _gates(
    row: Array,  # [4E]
    j: Any,
    units: Any,
) -> Any:
    return Gates(row[j], row[units + j], row[2 * units + j], row[3 * units + j])


@kernel
def add_peephole_gradients(
    deltas: Array,  # of the gates [4E]
    c_before: Array,  # [E]
    c: Array,  # [E]
    dp: Array,  # added to [3, E]
) -> None:
    """Add one step of one sequence to the gradient of the peepholes."""
    # One gate at a time: LLVM vectorises loops that write one array.
    units = c.shape[0]
    for j in range(units):
        dp[0, j] += peephole_gradients(_gates(deltas, j, units), c_before[j], c[j]).i
    for j in range(units):
        dp[1, j] += peephole_gradients(_gates(deltas, j, units), c_before[j], c[j]).f
    for j in range(units):
        dp[2, j] += peephole_gradients(_gates(deltas, j, units), c_before[j], c[j]).o


@kernel
def steps_backward(
    e: Array,  # error of the block outputs from above, overwritten [N, E]
    steps: Any,  # Steps, computed from the last to the first
    recurrent: Array,  # recurrent weights in panels [4E, E]; without rows: a single sequence, see r
    r: Array,  # recurrent weights [4E, E]
    p: Array,  # peepholes [3, E]
    limit: Any,  # limit of the deltas
    states: Any,  # States: the activations of the gates become deltas
    scratch: Any,  # Scratch: `carry` is that of the step behind the last, 0 if there is none; out: h_before
    dp: Array,  # gradient of the peepholes, added to [3, E]
) -> None:
    """Back-propagate through some steps of an LSTM layer."""
    batch_sizes, gates, c, h = steps.batch_sizes, states.gates, states.c, states.h
    peepholes = split_peepholes(p)
    now = steps.end
    next_alive = batch_sizes[steps.last] if steps.last < batch_sizes.shape[0] else 0
    for t in range(steps.last - 1, steps.first - 1, -1):
        alive = batch_sizes[t]
        now -= alive
        after = batch_sizes[0] + now
        before = 0 if t == 0 else after - batch_sizes[t - 1]
        if next_alive > 0 and recurrent.shape[1] == 0:
            add_row_product(gates[now + 1], r, e[now])
        elif next_alive > 0:
            add_product(
                gates[now + alive : now + alive + next_alive], recurrent, e[now : now + next_alive], t
            )
        for s in range(alive):
            row = gates[now + s]
            gates_backward(
                e[now + s], split_gates(row), c[before + s], c[after + s], scratch.carry[s], peepholes, limit
            )
            add_peephole_gradients(row, c[before + s], c[after + s], dp)
        for s in range(alive):
            for j in range(h.shape[1]):
                scratch.h_before[now + s, j] = h[before + s, j]
        next_alive = alive


@kernel
def layer_forward(
    x: Array,  # inputs [N, P]
    batch_sizes: Array,  # sequences alive at each step [T]
    w: Array,  # input weights [4E, P]
    b: Array,  # bias weights [4E]
    r: Array,  # recurrent weights [4E, E]
    p: Array,  # peepholes [3, E]
    bias: Any,
    width: Any,  # of a panel of w
    recurrent_width: Any,  # of a panel of r
    memory: Array,  # for packed w
    recurrent_memory: Array,  # for packed r
    begin: Array,  # scratch [4E]
    gates: Array,  # out: activations z, i, f, o side by side [N, 4E]
    c: Array,  # out: cell states, initial state first [n+N, E]
    h: Array,  # out: block outputs, initial state first [n+N, E]
) -> None:
    """Compute an LSTM layer from zero states."""
    panels = pack_transposed(w, memory, width)
    recurrent = pack_transposed(r, recurrent_memory, recurrent_width)
    for j in range(b.shape[0]):
        begin[j] = bias * b[j]
    for s in range(batch_sizes[0]):
        c[s] = 0
        h[s] = 0
    first, start = 0, 0
    while first < batch_sizes.shape[0]:
        last, end = first, start
        while last < batch_sizes.shape[0] and end - start < _PORTION:
            end += batch_sizes[last]
            last += 1
        product(x[start:end], panels, begin, gates[start:end])
        steps_forward(Steps(batch_sizes, first, last, start, end), recurrent, p, States(gates, c, h))
        first, start = last, end


@kernel
def layer_backward(
    e: Array,  # error of the block outputs, overwritten [N, E]
    x: Array,  # inputs [N, P]
    batch_sizes: Array,  # sequences alive at each step [T]
    w: Array,  # input weights [4E, P]
    r: Array,  # recurrent weights [4E, E]
    p: Array,  # peepholes [3, E]
    bias: Any,
    limit: Any,  # limit of the deltas
    width: Any,  # of a panel of w
    recurrent_width: Any,  # of a panel of r
    memory: Array,  # for packed w
    recurrent_memory: Array,  # for packed r
    block: Array,  # scratch of a product over frames
    begin: Array,  # scratch [P]
    gates: Array,  # activations from the forward pass, become the deltas [N, 4E]
    c: Array,  # cell states [n+N, E]
    h: Array,  # block outputs [n+N, E]
    carry: Array,  # scratch [n, E]
    h_before: Array,  # scratch [N, E]
    e_below: Array,  # out: errors of the inputs [N, P], or of no frame if nobody wants them
    dw: Array,  # out [4E, P]
    db: Array,  # out [4E]
    dr: Array,  # out [4E, E]
    dp: Array,  # out [3, E]
) -> None:
    """Back-propagate through an LSTM layer."""
    db[:] = 0
    dp[:] = 0
    carry[:] = 0
    begin[:] = 0
    wanted = e_below.shape[0] > 0
    panels = pack(w, memory, width) if wanted else unpacked(w, memory, width)
    if batch_sizes[0] == 1 and r.shape[1] * r.itemsize >= VECTOR_BYTES:
        recurrent = unpacked(r, recurrent_memory, recurrent_width)
    else:
        recurrent = pack(r, recurrent_memory, recurrent_width)
    states, scratch = States(gates, c, h), Scratch(carry, h_before)
    last, end = batch_sizes.shape[0], gates.shape[0]
    while last > 0:
        first, start = last, end
        while first > 0 and end - start < _PORTION:
            first -= 1
            start -= batch_sizes[first]
        steps = Steps(batch_sizes, first, last, start, end)
        steps_backward(e, steps, recurrent, r, p, limit, states, scratch, dp)
        deltas, fresh = gates[start:end], end == gates.shape[0]
        product_over_frames(deltas, h_before[start:end], block, width, fresh, dr)
        product_over_frames(deltas, x[start:end], block, width, fresh, dw)
        column_sums(deltas, bias, db)
        if wanted:
            product(deltas, panels, begin, e_below[start:end])
        last, end = first, start


class CpuLstm:
    """One direction of an LSTM layer.

    What is cut to the shape of a batch is kept for the next batch of the same shape: with small networks
    cutting it takes as long as computing.
    """

    def __init__(self, inputs: int, units: int, bias: float, dtype: DTypeLike) -> None:
        self._inputs, self._units, self._memory = inputs, units, Memory(dtype)
        self._bias = self._memory.number(bias)
        self._shape: tuple[int, int] | None = None

    def forward(self, x: Array, batch: Batch, w: Pieces) -> Array:
        """Compute the block outputs [N, E]; valid until the next call."""
        self._cut(batch)
        layer_forward(
            x,
            batch.batch_sizes,
            *_flat(w, "W", "b", "R"),
            w["p"],
            self._bias,
            *self._panels,
            self._begin,
            *self._states,
        )
        return self._h

    def backward(
        self, error: Array, x: Array, batch: Batch, w: Pieces, dw: Pieces, limit: float, below: bool
    ) -> Array:
        """Overwrite the gradient; return the error of the inputs [N, P], empty unless wanted."""
        e_below = self._memory.errors_below(batch.frames, self._inputs, below)
        layer_backward(
            error,
            x,
            batch.batch_sizes,
            *_flat(w, "W", "R"),
            w["p"],
            self._bias,
            self._memory.number(limit),
            *self._panels,
            self._block,
            self._begin_below,
            *self._states,
            *self._scratch,
            e_below,
            *_flat(dw, "W", "b", "R"),
            dw["p"],
        )
        return e_below

    def _cut(self, batch: Batch) -> None:
        """Cut the memory to the shape of a batch."""
        frames, sequences = batch.frames, batch.sequences
        if self._shape == (frames, sequences):
            return
        self._shape = frames, sequences
        memory, rows, inputs, units = self._memory, self._memory.rows, self._inputs, self._units
        width, recurrent_width = memory.width, panel_width(memory.dtype, sequences)
        self._panels = (
            width,
            recurrent_width,
            memory.panels("inputs", inputs, 4 * units, width),
            memory.panels("recurrent", units, 4 * units, recurrent_width),
        )
        self._states = States(
            rows("gates", frames, 4 * units),
            rows("c", frames + sequences, units),
            rows("h", frames + sequences, units),
        )
        self._h = self._states.h[sequences:]
        self._scratch = Scratch(rows("carry", sequences, units), rows("h_before", frames, units))
        self._begin, self._begin_below = memory.flat("begin", 4 * units), memory.flat("begin below", inputs)
        self._block = memory.block(max(inputs, units))


class CpuBlstm:
    """Two directions; the second sees each sequence reversed in time."""

    def __init__(self, inputs: int, layer: BLSTM, dtype: DTypeLike) -> None:
        half = layer.size // 2
        self._half, self._memory = half, Memory(dtype)
        self._forwards = CpuLstm(inputs, half, layer.bias, dtype)
        self._backwards = CpuLstm(inputs, half, layer.bias, dtype)

    def forward(self, x: Array, batch: Batch, w: Pieces) -> Array:
        """Compute the block outputs of both directions side by side [N, 2E]; valid until the next call."""
        there, back = self._two_directions(w)
        self._x_reversed = x[batch.reverse]
        y = self._memory.rows("y", batch.frames, 2 * self._half)
        y[:, : self._half] = self._forwards.forward(x, batch, there)
        y[:, self._half :] = self._backwards.forward(self._x_reversed, batch, back)[batch.reverse]
        return y

    def backward(
        self, error: Array, x: Array, batch: Batch, w: Pieces, dw: Pieces, limit: float, below: bool
    ) -> Array:
        """Overwrite the gradient; return the error of the inputs [N, P], empty unless wanted."""
        there, back = self._two_directions(w)
        d_there, d_back = self._two_directions(dw)
        ahead = np.ascontiguousarray(error[:, : self._half])
        behind = np.ascontiguousarray(error[batch.reverse, self._half :])
        e = self._forwards.backward(ahead, x, batch, there, d_there, limit, below)
        e_reversed = self._backwards.backward(behind, self._x_reversed, batch, back, d_back, limit, below)
        for name, gradient in dw.items():
            gradient[:, : self._half] = d_there[name]
            gradient[:, self._half :] = d_back[name]
        if below:
            e += e_reversed[batch.reverse]
        return e

    def _two_directions(self, pieces: Pieces) -> tuple[Pieces, Pieces]:
        """Copy the units of each direction, for the kernels want them side by side."""
        half = self._half
        return (
            {n: np.ascontiguousarray(a[:, :half]) for n, a in pieces.items()},
            {n: np.ascontiguousarray(a[:, half:]) for n, a in pieces.items()},
        )


def _flat(pieces: Pieces, *names: str) -> list[Array]:
    """Pieces [4, E] or [4, E, …] as the kernels take them: the four gates one below the other."""
    return [(piece := pieces[name]).reshape(-1, *piece.shape[2:]) for name in names]
