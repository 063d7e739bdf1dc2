"""A row of gates on a CPU: one step of one sequence, by unit in float64 and by vector in float32.

By unit the row must be a function of its own: over all rows LLVM's run-time check finds that the gates
overlap, and computes no two units at once.  By vector a row has no such check, and no unit is left over:
see `lstmcore.backends.cpu.vectors`.  Both are the same equations, and give the same bits.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import overload

from lstmcore.backends.cpu.math import cell_backward, cell_forward, peephole_gradients
from lstmcore.backends.cpu.vectors import LANES, add_to, load, store
from lstmcore.cell import Gates, Peepholes
from lstmcore.jit import FLAGS, UNCOUNTED, inlined, kernel

Array = Any


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


def gates_forward(
    gates: Any,  # net inputs, become activations, [E] each
    c_before: Array,  # [E]
    p: Any,  # peepholes, [E] each
    c: Array,  # out [E]
    h: Array,  # out [E]
) -> None:
    """Compute one step of one sequence's units."""
    for j in range(c.shape[0]):
        net = Gates(gates.z[j], gates.i[j], gates.f[j], gates.o[j])
        active, c[j], h[j] = cell_forward(net, c_before[j], Peepholes(p.i[j], p.f[j], p.o[j]))
        gates.z[j], gates.i[j], gates.f[j], gates.o[j] = active


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
def _at(
    gates: Any,  # [E] each
    j: Any,
) -> Any:
    """Return the four gates of one unit."""
    return Gates(gates.z[j], gates.i[j], gates.f[j], gates.o[j])


def add_peephole_gradients(
    deltas: Any,  # of the gates, [E] each
    c_before: Array,  # [E]
    c: Array,  # [E]
    dp: Any,  # peepholes' gradients, added to [E] each
) -> None:
    """Add one step of one sequence to the gradient of the peepholes."""
    # One gate at a time, and from 0: LLVM vectorises loops that write one array and never count from the end.
    for j in range(c.shape[0]):
        dp.i[j] += peephole_gradients(_at(deltas, j), c_before[j], c[j]).i
    for j in range(c.shape[0]):
        dp.f[j] += peephole_gradients(_at(deltas, j), c_before[j], c[j]).f
    for j in range(c.shape[0]):
        dp.o[j] += peephole_gradients(_at(deltas, j), c_before[j], c[j]).o


# --- the same in compiled code: float64 by unit, float32 by vector -------------------------

INLINED: Any = {"forceinline": True, **FLAGS, **UNCOUNTED}
_forward_by_unit, _backward_by_unit = kernel(gates_forward), kernel(gates_backward)
_peepholes_by_unit = kernel(add_peephole_gradients)


@overload(gates_forward, strict=False, jit_options=INLINED)
def _gates_forward(gates: Any, c_before: Any, p: Any, c: Any, h: Any) -> Any:
    if c.dtype == types.float32:
        return lambda gates, c_before, p, c, h: _forward_by_vector(gates, c_before, p, c, h)
    return lambda gates, c_before, p, c, h: _forward_by_unit(gates, c_before, p, c, h)


@overload(gates_backward, strict=False, jit_options=INLINED)
def _gates_backward(e: Any, gates: Any, c_before: Any, c: Any, carry: Any, p: Any, limit: Any) -> Any:
    if c.dtype == types.float32:
        return lambda e, gates, c_before, c, carry, p, limit: _backward_by_vector(
            e, gates, c_before, c, carry, p, limit
        )
    return lambda e, gates, c_before, c, carry, p, limit: _backward_by_unit(
        e, gates, c_before, c, carry, p, limit
    )


@overload(add_peephole_gradients, strict=False, jit_options=INLINED)
def _add_peephole_gradients(deltas: Any, c_before: Any, c: Any, dp: Any) -> Any:
    if c.dtype == types.float32:
        return lambda deltas, c_before, c, dp: _peepholes_by_vector(deltas, c_before, c, dp)
    return lambda deltas, c_before, c, dp: _peepholes_by_unit(deltas, c_before, c, dp)


@inlined
def _forward_by_vector(gates: Any, c_before: Array, p: Any, c: Array, h: Array) -> None:
    units = c.shape[0]
    whole = units - units % LANES
    for j in range(0, whole, LANES):
        _forward_at(gates, c_before, p, c, h, j, None)
    if whole < units:
        _forward_at(gates, c_before, p, c, h, whole, units - whole)


@inlined
def _backward_by_vector(
    e: Array, gates: Any, c_before: Array, c: Array, carry: Array, p: Any, limit: Any
) -> None:
    units = c.shape[0]
    whole = units - units % LANES
    for j in range(0, whole, LANES):
        _backward_at(e, gates, c_before, c, carry, p, limit, j, None)
    if whole < units:
        _backward_at(e, gates, c_before, c, carry, p, limit, whole, units - whole)


@inlined
def _peepholes_by_vector(deltas: Any, c_before: Array, c: Array, dp: Any) -> None:
    units = c.shape[0]
    whole = units - units % LANES
    for j in range(0, whole, LANES):
        _peepholes_at(deltas, c_before, c, dp, j, None)
    if whole < units:
        _peepholes_at(deltas, c_before, c, dp, whole, units - whole)


# Of a vector of units from unit j on `count` are computed; None: all.


@inlined
def _forward_at(gates: Any, c_before: Array, p: Any, c: Array, h: Array, j: Any, count: Any) -> None:
    net, before, weights = _gates_at(gates, j, count), load(c_before, j, count), _peepholes(p, j, count)
    active, state, output = cell_forward(net, before, weights)
    _put(active, gates, j, count)
    store(state, c, j, count)
    store(output, h, j, count)


@inlined
def _backward_at(
    e: Array, gates: Any, c_before: Array, c: Array, carry: Array, p: Any, limit: Any, j: Any, count: Any
) -> None:
    active, weights = _gates_at(gates, j, count), _peepholes(p, j, count)
    error, before, state = load(e, j, count), load(c_before, j, count), load(c, j, count)
    deltas, carried = cell_backward(error, active, before, state, load(carry, j, count), weights, limit)
    _put(deltas, gates, j, count)
    store(carried, carry, j, count)


@inlined
def _peepholes_at(deltas: Any, c_before: Array, c: Array, dp: Any, j: Any, count: Any) -> None:
    some = peephole_gradients(_gates_at(deltas, j, count), load(c_before, j, count), load(c, j, count))
    add_to(dp.i, j, some.i, count)
    add_to(dp.f, j, some.f, count)
    add_to(dp.o, j, some.o, count)


@inlined
def _gates_at(gates: Any, j: Any, count: Any) -> Any:
    z, i = load(gates.z, j, count), load(gates.i, j, count)
    return Gates(z, i, load(gates.f, j, count), load(gates.o, j, count))


@inlined
def _peepholes(p: Any, j: Any, count: Any) -> Any:
    return Peepholes(load(p.i, j, count), load(p.f, j, count), load(p.o, j, count))


@inlined
def _put(values: Any, gates: Any, j: Any, count: Any) -> None:
    store(values.z, gates.z, j, count)
    store(values.i, gates.i, j, count)
    store(values.f, gates.f, j, count)
    store(values.o, gates.o, j, count)
