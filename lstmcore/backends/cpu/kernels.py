"""The CPU kernels: arrays in, arrays out, no Python object, nothing allocated.

Shapes stand in brackets behind each argument: N packed frames, n sequences (the rows of
the first step), T steps, P inputs, E units, O outputs.  Packed arrays hold step after
step, ``counts[t]`` rows each (see `lstmcore.batches`).  ``h`` and ``c`` begin with one
block more, of n rows: the initial state.  All gradients are added to.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lstmcore.backends.cpu.gemm import add_product, add_row_product
from lstmcore.backends.cpu.math import (
    cell_backward,
    cell_forward,
    logistic,
    logistic_slope,
    tanh,
    tanh_slope,
)
from lstmcore.jit import kernel

Array = Any


@kernel
def gates_forward(
    z: Array,  # net inputs, become activations [E] each
    i: Array,
    f: Array,
    o: Array,
    c_before: Array,  # [E]
    p_i: Array,  # peepholes [E] each
    p_f: Array,
    p_o: Array,
    c: Array,  # [E]
    h: Array,  # [E]
) -> None:
    """Compute one step of one sequence's units."""
    # A row in a function of its own: over all rows LLVM's run-time check finds that the gates
    # overlap, and computes one unit at a time.
    for j in range(c.shape[0]):
        z[j], i[j], f[j], o[j], c[j], h[j] = cell_forward(
            z[j], i[j], f[j], o[j], c_before[j], p_i[j], p_f[j], p_o[j]
        )


@kernel
def lstm_forward(
    counts: Array,  # sequences alive at each step [T]
    first: Any,  # steps to compute: from the first to the one before last
    last: Any,
    row: Any,  # the first step's first row
    recurrent: Array,  # recurrent weights, transposed, in panels [E, 4E]
    p: Array,  # peepholes [3, E]
    gates: Array,  # bias and input weights times input, become activations z, i, f, o side by side [N, 4E]
    c: Array,  # out: cell states, initial state first [n+N, E]
    h: Array,  # out: block outputs, initial state first [n+N, E]
) -> None:
    """Compute some steps of an LSTM layer."""
    units = p.shape[1]
    now = row  # first row of this step in gates
    before = 0 if first == 0 else counts[0] + now - counts[first - 1]  # of the step before, in h and c
    for t in range(first, last):
        alive = counts[t]
        after = counts[0] + now  # first row of this step in h and c
        add_product(h[before : before + alive], recurrent, gates[now : now + alive], t)
        for s in range(alive):
            g = gates[now + s]
            gates_forward(
                g[:units],
                g[units : 2 * units],
                g[2 * units : 3 * units],
                g[3 * units :],
                c[before + s],
                p[0],
                p[1],
                p[2],
                c[after + s],
                h[after + s],
            )
        before = after
        now += alive


@kernel
def _gates_backward(
    e: Array,  # error of the block output [E]
    z: Array,  # activations, become deltas [E] each
    i: Array,
    f: Array,
    o: Array,
    c_before: Array,  # [E]
    c: Array,  # [E]
    carry: Array,  # error that reaches c from the next step, becomes that for the step before [E]
    p_i: Array,  # peepholes [E] each
    p_f: Array,
    p_o: Array,
    limit: Any,
) -> None:
    for j in range(c.shape[0]):
        z[j], i[j], f[j], o[j], carry[j] = cell_backward(
            e[j], z[j], i[j], f[j], o[j], c_before[j], c[j], carry[j], p_i[j], p_f[j], p_o[j], limit
        )


@kernel
def _peephole_gradient(
    d: Array,  # deltas [4E]
    c_before: Array,  # [E]
    c: Array,  # [E]
    dp: Array,  # added to [3, E]
) -> None:
    units = c.shape[0]
    for j in range(units):
        dp[0, j] += d[units + j] * c_before[j]
    for j in range(units):
        dp[1, j] += d[2 * units + j] * c_before[j]
    for j in range(units):
        dp[2, j] += d[3 * units + j] * c[j]


@kernel
def lstm_backward(
    e: Array,  # error of the block outputs from above, overwritten [N, E]
    counts: Array,  # sequences alive at each step [T]
    first: Any,  # steps to compute: from the one before last to the first
    last: Any,
    row: Any,  # the first row behind them
    recurrent: Array,  # recurrent weights in panels [4E, E]; without rows: a single sequence, see r
    r: Array,  # recurrent weights [4E, E]
    p: Array,  # peepholes [3, E]
    limit: Any,  # limit of the deltas
    gates: Array,  # activations from the forward pass, become the deltas D [N, 4E]
    c: Array,  # cell states [n+N, E]
    h: Array,  # block outputs [n+N, E]
    carry: Array,  # error of the cell states that the step `last` passes on, 0 if there is none [n, E]
    h_before: Array,  # out: block outputs of the step before each [N, E]
    dp: Array,  # gradient of the peepholes, added to [3, E]
) -> None:
    """Back-propagate through some steps of an LSTM layer."""
    units = p.shape[1]
    now = row
    next_alive = counts[last] if last < counts.shape[0] else 0
    for t in range(last - 1, first - 1, -1):
        alive = counts[t]
        now -= alive
        after = counts[0] + now
        before = 0 if t == 0 else after - counts[t - 1]
        if next_alive > 0 and recurrent.shape[1] == 0:
            add_row_product(gates[now + 1], r, e[now])
        elif next_alive > 0:
            add_product(
                gates[now + alive : now + alive + next_alive], recurrent, e[now : now + next_alive], t
            )
        for s in range(alive):
            g = gates[now + s]
            _gates_backward(
                e[now + s],
                g[:units],
                g[units : 2 * units],
                g[2 * units : 3 * units],
                g[3 * units :],
                c[before + s],
                c[after + s],
                carry[s],
                p[0],
                p[1],
                p[2],
                limit,
            )
            _peephole_gradient(g, c[before + s], c[after + s], dp)
        for s in range(alive):
            for j in range(units):
                h_before[now + s, j] = h[before + s, j]
        next_alive = alive


@kernel
def column_sums(
    rows: Array,  # [N, E]
    factor: Any,
    sums: Array,  # factor · Σ rows, added to [E]
) -> None:
    """Sum up over frames: the gradient of the bias weights."""
    for n in range(rows.shape[0]):
        for j in range(sums.shape[0]):
            sums[j] += factor * rows[n, j]


@kernel
def tanh_forward(
    y: Array,  # net inputs, become outputs [N, O]
) -> None:
    """Apply the hyperbolic tangent."""
    for n in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[n, j] = tanh(y[n, j])


@kernel
def tanh_backward(
    e: Array,  # errors of the outputs, become those of the net inputs [N, O]
    y: Array,  # outputs [N, O]
) -> None:
    """Take errors back through the hyperbolic tangent."""
    for n in range(y.shape[0]):
        for j in range(y.shape[1]):
            e[n, j] *= tanh_slope(y[n, j])


@kernel
def logistic_forward(
    y: Array,  # net inputs, become outputs [N, O]
) -> None:
    """Apply the logistic function."""
    for n in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[n, j] = logistic(y[n, j])


@kernel
def logistic_backward(
    e: Array,  # errors of the outputs, become those of the net inputs [N, O]
    y: Array,  # outputs [N, O]
) -> None:
    """Take errors back through the logistic function."""
    for n in range(y.shape[0]):
        for j in range(y.shape[1]):
            e[n, j] *= logistic_slope(y[n, j])


@kernel
def softmax_forward(
    y: Array,  # net inputs, become outputs [N, O]
) -> None:
    """Exponentiate each row and divide it by its sum."""
    for n in range(y.shape[0]):
        largest = y[n].max()
        total = y[n, 0] - y[n, 0]
        for j in range(y.shape[1]):
            y[n, j] = np.exp(y[n, j] - largest)
            total += y[n, j]
        for j in range(y.shape[1]):
            y[n, j] /= total


@kernel
def softmax_backward(
    e: Array,  # errors of the outputs, become those of the net inputs [N, O]
    y: Array,  # outputs [N, O]
) -> None:
    """Take errors back through the softmax: y (e − Σ y e)."""
    for n in range(y.shape[0]):
        total = y[n, 0] - y[n, 0]
        for j in range(y.shape[1]):
            total += y[n, j] * e[n, j]
        for j in range(y.shape[1]):
            e[n, j] = y[n, j] * (e[n, j] - total)


@kernel
def momentum_update(
    weights: Array,  # [parameters]
    deltas: Array,  # [parameters]
    gradient: Array,  # [parameters]
    learning_rate: Any,
    momentum: Any,
) -> None:
    """Δ ← μ Δ − η g, w ← w + Δ, in one pass over memory."""
    for k in range(weights.shape[0]):
        deltas[k] = momentum * deltas[k] - learning_rate * gradient[k]
        weights[k] += deltas[k]
