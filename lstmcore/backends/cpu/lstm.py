"""The kernels of the LSTM layer on a CPU, top to bottom: steps, then a pass in one call.

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

from lstmcore.backends.cpu.gates import (
    add_peephole_gradients,
    gates_backward,
    gates_forward,
    split_gates,
    split_peepholes,
)
from lstmcore.backends.cpu.gemm import (
    add_product,
    add_row_product,
    column_sums,
    kernel_packed,
    pack,
    pack_transposed,
    product,
    product_over_frames,
)
from lstmcore.backends.cpu.tiles import VECTOR_BYTES
from lstmcore.cell import Gates, Peepholes
from lstmcore.jit import inlined, kernel

Array = Any

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
    left: Any  # of each step these sequences only: from here on ...
    right: Any  # ... up to this one


class Scratch(NamedTuple):
    """What the backward pass writes on its way."""

    carry: Array  # error of the cell states that one step passes on to the step before [n, E]
    h_before: Array  # block outputs of the step before each [N, E], if steps differ in size


@inlined
def _are_even(
    batch_sizes: Array,  # [T]
) -> Any:
    """Tell whether all sequences have one length: the rows before those of a step then lie as these do."""
    return batch_sizes[0] == batch_sizes[batch_sizes.shape[0] - 1]


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
        left, right = steps.left, min(steps.right, batch_sizes[t])
        if left >= right:
            break
        after = batch_sizes[0] + now
        add_product(h[before + left : before + right], recurrent, gates[now + left : now + right], t)
        for s in range(left, right):
            gates_forward(split_gates(gates[now + s]), c[before + s], peepholes, c[after + s], h[after + s])
        before = after
        now += batch_sizes[t]


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
    dp: Array,  # gradient of the peepholes, added to [3, E]; of nothing [0, E] if it comes later
) -> None:
    """Back-propagate through some steps of an LSTM layer."""
    batch_sizes, gates, c, h = steps.batch_sizes, states.gates, states.c, states.h
    peepholes = split_peepholes(p)
    now, left = steps.end, steps.left
    after_right = min(batch_sizes[steps.last], steps.right) if steps.last < batch_sizes.shape[0] else 0
    for t in range(steps.last - 1, steps.first - 1, -1):
        right, later = min(batch_sizes[t], steps.right), now
        now -= batch_sizes[t]
        after = batch_sizes[0] + now
        before = 0 if t == 0 else after - batch_sizes[t - 1]
        if after_right > left and recurrent.shape[1] == 0:
            add_row_product(gates[later], r, e[now])
        elif after_right > left:
            errors = e[now + left : now + after_right]
            add_product(gates[later + left : later + after_right], recurrent, errors, t)
        for s in range(left, right):
            deltas = split_gates(gates[now + s])
            gates_backward(
                e[now + s], deltas, c[before + s], c[after + s], scratch.carry[s], peepholes, limit
            )
            if dp.shape[0] > 0:
                add_peephole_gradients(deltas, c[before + s], c[after + s], split_peepholes(dp))
        if not _are_even(batch_sizes):
            for s in range(left, right):
                for j in range(h.shape[1]):
                    scratch.h_before[now + s, j] = h[before + s, j]
        after_right = right


@inlined
def _project(
    a: Array,  # [N, K]
    steps: Any,  # Steps
    panels: Array,  # of b: [M / width, K, width]
    begin: Array,  # [M]
    out: Array,  # overwritten [N, M]
) -> None:
    """Compute the rows of ``begin + a · b`` that some steps have."""
    if steps.left == 0 and steps.right == steps.batch_sizes[0]:
        product(a[steps.start : steps.end], panels, begin, out[steps.start : steps.end])
        return
    now = steps.start
    for t in range(steps.first, steps.last):
        right = now + min(steps.batch_sizes[t], steps.right)
        if now + steps.left < right:
            product(a[now + steps.left : right], panels, begin, out[now + steps.left : right])
        now += steps.batch_sizes[t]


@kernel
def sequences_forward(
    x: Array,  # inputs [N, P], or of no frame if `gates` holds the net inputs that they give
    batch_sizes: Array,  # sequences alive at each step [T]
    left: Any,  # the first sequence that is computed
    right: Any,  # behind the last
    p: Array,  # peepholes [3, E]
    width: Any,  # of a panel of the input weights
    recurrent_width: Any,  # of a panel of the recurrent weights
    memory: Array,  # input weights, transposed and packed
    recurrent_memory: Array,  # recurrent weights, transposed and packed
    begin: Array,  # what net inputs begin with [4E]
    gates: Array,  # out: activations z, i, f, o side by side [N, 4E]
    c: Array,  # out: cell states, initial state first [n+N, E]
    h: Array,  # out: block outputs, initial state first [n+N, E]
) -> None:
    """Compute some sequences of an LSTM layer from zero states."""
    panels = kernel_packed(memory, x.shape[1], gates.shape[1], width)
    recurrent = kernel_packed(recurrent_memory, c.shape[1], gates.shape[1], recurrent_width)
    for s in range(left, right):
        c[s] = 0
        h[s] = 0
    first, start = 0, 0
    while first < batch_sizes.shape[0] and batch_sizes[first] > left:
        last, end, rows = first, start, 0
        while last < batch_sizes.shape[0] and rows < _PORTION:
            end += batch_sizes[last]
            rows += min(batch_sizes[last], right) - left
            last += 1
        steps = Steps(batch_sizes, first, last, start, end, left, right)
        if x.shape[0] > 0:
            _project(x, steps, panels, begin, gates)
        steps_forward(steps, recurrent, p, States(gates, c, h))
        first, start = last, end


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
    pack_transposed(w, memory, width)
    pack_transposed(r, recurrent_memory, recurrent_width)
    for j in range(b.shape[0]):
        begin[j] = bias * b[j]
    sequences_forward(
        x,
        batch_sizes,
        0,
        batch_sizes[0],
        p,
        width,
        recurrent_width,
        memory,
        recurrent_memory,
        begin,
        gates,
        c,
        h,
    )


@inlined
def _is_single(
    batch_sizes: Array,  # [T]
    r: Array,  # recurrent weights [4E, E]
) -> Any:
    """Tell whether the recurrent weights are read as they lie: for one row, packing would cost more."""
    return batch_sizes[0] == 1 and r.shape[1] * r.itemsize >= VECTOR_BYTES


@inlined
def _portion_before(
    batch_sizes: Array,  # [T]
    last: Any,  # a step
    end: Any,  # its first row
) -> Any:
    """Return the first of the steps before that are taken back at once, and its first row."""
    first, start = last, end
    while first > 0 and end - start < _PORTION:
        first -= 1
        start -= batch_sizes[first]
    return first, start


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
    block: Array,  # scratch of the gradient of w
    recurrent_block: Array,  # scratch of the gradient of r
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
    rows, recurrent_rows = w.shape[0] if wanted else 0, 0 if _is_single(batch_sizes, r) else r.shape[0]
    if rows > 0:
        pack(w, memory, width)
    if recurrent_rows > 0:
        pack(r, recurrent_memory, recurrent_width)
    panels = kernel_packed(memory, rows, w.shape[1], width)
    recurrent = kernel_packed(recurrent_memory, recurrent_rows, r.shape[1], recurrent_width)
    states, scratch = States(gates, c, h), Scratch(carry, h_before)
    last, end, even = batch_sizes.shape[0], gates.shape[0], _are_even(batch_sizes)
    while last > 0:
        first, start = _portion_before(batch_sizes, last, end)
        steps = Steps(batch_sizes, first, last, start, end, 0, batch_sizes[0])
        steps_backward(e, steps, recurrent, r, p, limit, states, scratch, dp)
        deltas, fresh, final = gates[start:end], end == gates.shape[0], first == 0
        before = h[start:end] if even else h_before[start:end]
        product_over_frames(deltas, before, recurrent_block, width, fresh, final, 0, dr.shape[0], dr)
        product_over_frames(deltas, x[start:end], block, width, fresh, final, 0, dw.shape[0], dw)
        column_sums(deltas, bias, 0, db.shape[0], db)
        if wanted:
            product(deltas, panels, begin, e_below[start:end])
        last, end = first, start


@kernel
def sequences_backward(
    e: Array,  # error of the block outputs, overwritten [N, E]
    batch_sizes: Array,  # sequences alive at each step [T]
    left: Any,  # the first sequence that is computed
    right: Any,  # behind the last
    r: Array,  # recurrent weights [4E, E]
    p: Array,  # peepholes [3, E]
    limit: Any,  # limit of the deltas
    width: Any,  # of a panel of the input weights
    recurrent_width: Any,  # of a panel of r
    memory: Array,  # input weights, packed
    recurrent_memory: Array,  # r, packed, unless there is one sequence
    begin: Array,  # zeros [P]
    gates: Array,  # activations, become deltas [N, 4E]
    c: Array,  # cell states [n+N, E]
    h: Array,  # block outputs [n+N, E]
    carry: Array,  # scratch [n, E]
    h_before: Array,  # out: block outputs of the step before each [N, E]
    e_below: Array,  # out: errors of the inputs [N, P], or of no frame if nobody wants them, or not yet
) -> None:
    """Take some sequences' errors back through time: one thread's share of `layer_backward`."""
    for s in range(left, right):
        carry[s] = 0
    panels = kernel_packed(memory, gates.shape[1], begin.shape[0], width)
    rows = 0 if _is_single(batch_sizes, r) else gates.shape[1]
    recurrent = kernel_packed(recurrent_memory, rows, c.shape[1], recurrent_width)
    last, end = batch_sizes.shape[0], gates.shape[0]
    while last > 0:
        first, start = _portion_before(batch_sizes, last, end)
        steps = Steps(batch_sizes, first, last, start, end, left, right)
        steps_backward(e, steps, recurrent, r, p, limit, States(gates, c, h), Scratch(carry, h_before), p[:0])
        if e_below.shape[0] > 0:
            _project(gates, steps, panels, begin, e_below)
        last, end = first, start


@kernel
def gradients_of_rows(
    x: Array,  # inputs [N, P]
    batch_sizes: Array,  # sequences alive at each step [T]
    bias: Any,
    width: Any,  # of a panel
    block: Array,  # scratch of the gradient of the input weights, the thread's own
    recurrent_block: Array,  # scratch of that of the recurrent weights
    sums: Array,  # scratch [7, E], the thread's own
    deltas: Array,  # [N, 4E]
    c: Array,  # cell states [n+N, E]
    h: Array,  # block outputs [n+N, E]
    h_before: Array,  # block outputs of the step before each [N, E], if steps differ in size
    top: Any,  # the first row of dw and db that is computed
    bottom: Any,  # behind the last
    recurrent_top: Any,  # the first row of dr
    recurrent_bottom: Any,  # behind the last
    first_unit: Any,  # the first unit whose peepholes' gradient is computed
    last_unit: Any,  # behind the last
    dw: Array,  # out: these rows [4E, P]
    db: Array,  # out [4E]
    dr: Array,  # out [4E, E]
    dp: Array,  # out: these units [3, E]
) -> None:
    """Sum up some rows of an LSTM layer's gradient, in the order of `layer_backward`: one thread's share."""
    # What is added to again and again must not lie in one line of the cache with another thread's.
    of_bias = sums[:4].reshape(-1)
    units = slice(first_unit, last_unit)
    of_peepholes = Peepholes(sums[4][units], sums[5][units], sums[6][units])
    sums[:] = 0
    last, end, even = batch_sizes.shape[0], deltas.shape[0], _are_even(batch_sizes)
    while last > 0:
        first, start = _portion_before(batch_sizes, last, end)
        some, fresh, final = deltas[start:end], end == deltas.shape[0], first == 0
        before = h[start:end] if even else h_before[start:end]
        product_over_frames(
            some, before, recurrent_block, width, fresh, final, recurrent_top, recurrent_bottom, dr
        )
        product_over_frames(some, x[start:end], block, width, fresh, final, top, bottom, dw)
        column_sums(some, bias, top, bottom, of_bias)
        now = end
        for t in range(last - 1, first - 1, -1):
            now -= batch_sizes[t]
            after = batch_sizes[0] + now
            earlier = 0 if t == 0 else after - batch_sizes[t - 1]
            for s in range(batch_sizes[t]):
                row = split_gates(deltas[now + s])
                these = Gates(row.z[units], row.i[units], row.f[units], row.o[units])
                add_peephole_gradients(these, c[earlier + s][units], c[after + s][units], of_peepholes)
        last, end = first, start
    for j in range(top, bottom):
        db[j] = of_bias[j]
    for k in range(3):
        for j in range(first_unit, last_unit):
            dp[k, j] = sums[4 + k, j]
