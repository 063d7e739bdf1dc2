"""The cell's equations for all units of some rows, forward and backward.

The gates of a row lie side by side, z i f o; net inputs become activations in place, and backward
activations become deltas.  So every version but NumPy's first copies what it overwrites, and the
table says what part of its time that takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from benchmarks.ladder.rungs import Array, Ladder, Rung, Yardstick, fast, plain
from lstmcore import cell
from lstmcore.backends.cpu import math as cpu_math
from lstmcore.backends.cpu.gates import gates_backward, gates_forward, split_gates, split_peepholes
from lstmcore.cell import Gates, Peepholes

_ONE = np.float32(1)  # a bare 1.0 would make the arithmetic double
_LIMIT = np.float32(1)  # of the deltas


@fast
def _copy_row(source: Array, row: Array) -> None:
    for j in range(row.shape[0]):
        row[j] = source[j]


@fast
def _copy(source: Array, gates: Array) -> None:
    for n in range(gates.shape[0]):
        _copy_row(source[n], gates[n])


# ---- forward: source and gates [n, 4E], c_before, c and h [n, E], p [3, E]


def numpy_forward(source: Array, gates: Array, c_before: Array, p: Array, c: Array, h: Array) -> None:
    """Write the equations as expressions of whole arrays."""
    found, c[:], h[:] = cell.cell_forward(Gates(*np.split(source, 4, axis=1)), c_before, Peepholes(*p))
    np.concatenate(found, axis=1, out=gates)


def loop_forward(source: Array, gates: Array, c_before: Array, p: Array, c: Array, h: Array) -> None:
    """Go through rows and units, with the library's exp and tanh."""
    units = c.shape[1]
    for n in range(c.shape[0]):
        _copy_row(source[n], gates[n])
        for j in range(units):
            before = c_before[n, j]
            z = math.tanh(gates[n, j])
            i = _ONE / (_ONE + math.exp(-(gates[n, units + j] + p[0, j] * before)))
            f = _ONE / (_ONE + math.exp(-(gates[n, 2 * units + j] + p[1, j] * before)))
            c[n, j] = z * i + before * f
            o = _ONE / (_ONE + math.exp(-(gates[n, 3 * units + j] + p[2, j] * c[n, j])))
            h[n, j] = math.tanh(c[n, j]) * o
            gates[n, j], gates[n, units + j], gates[n, 2 * units + j], gates[n, 3 * units + j] = z, i, f, o


@fast
def branch_free_forward(source: Array, gates: Array, c_before: Array, p: Array, c: Array, h: Array) -> None:
    """Do the same, exp and tanh written out without branch or call."""
    units = c.shape[1]
    for n in range(c.shape[0]):
        _copy_row(source[n], gates[n])
        for j in range(units):
            net = Gates(gates[n, j], gates[n, units + j], gates[n, 2 * units + j], gates[n, 3 * units + j])
            peepholes = Peepholes(p[0, j], p[1, j], p[2, j])
            active, c[n, j], h[n, j] = cpu_math.cell_forward(net, c_before[n, j], peepholes)
            z, i, f, o = active
            gates[n, j], gates[n, units + j], gates[n, 2 * units + j], gates[n, 3 * units + j] = z, i, f, o


@fast
def row_by_row_forward(source: Array, gates: Array, c_before: Array, p: Array, c: Array, h: Array) -> None:
    """Hand the parts of each row to the engine's kernel, each an array of its own."""
    for n in range(c.shape[0]):
        _copy_row(source[n], gates[n])
        gates_forward(split_gates(gates[n]), c_before[n], split_peepholes(p), c[n], h[n])


# ---- backward: also e [n, E], the error of the outputs; carry_in and carry [n, E]


def numpy_backward(
    source: Array, gates: Array, c_before: Array, p: Array, c: Array, e: Array, carry_in: Array, carry: Array
) -> None:
    """Write the equations as expressions of whole arrays."""
    active = Gates(*np.split(source, 4, axis=1))
    deltas, carry[:] = cell.cell_backward(e, active, c_before, c, carry_in, Peepholes(*p), _LIMIT)
    np.concatenate(deltas, axis=1, out=gates)


def loop_backward(
    source: Array, gates: Array, c_before: Array, p: Array, c: Array, e: Array, carry_in: Array, carry: Array
) -> None:
    """Go through rows and units, with the library's tanh."""
    units = c.shape[1]
    for n in range(c.shape[0]):
        _copy_row(source[n], gates[n])
        for j in range(units):
            z, i = gates[n, j], gates[n, units + j]
            f, o = gates[n, 2 * units + j], gates[n, 3 * units + j]
            squashed = math.tanh(c[n, j])
            delta_o = o * (_ONE - o) * squashed * e[n, j]
            epsilon = o * (_ONE - squashed * squashed) * e[n, j] + p[2, j] * delta_o + carry_in[n, j]
            d_z = min(max(i * (_ONE - z * z) * epsilon, -_LIMIT), _LIMIT)
            d_i = min(max(i * (_ONE - i) * z * epsilon, -_LIMIT), _LIMIT)
            d_f = min(max(f * (_ONE - f) * c_before[n, j] * epsilon, -_LIMIT), _LIMIT)
            d_o = min(max(delta_o, -_LIMIT), _LIMIT)
            carry[n, j] = f * epsilon + p[0, j] * d_i + p[1, j] * d_f
            gates[n, j], gates[n, units + j] = d_z, d_i
            gates[n, 2 * units + j], gates[n, 3 * units + j] = d_f, d_o


@fast
def branch_free_backward(
    source: Array, gates: Array, c_before: Array, p: Array, c: Array, e: Array, carry_in: Array, carry: Array
) -> None:
    """Do the same, tanh written out without branch or call."""
    units = c.shape[1]
    for n in range(c.shape[0]):
        _copy_row(source[n], gates[n])
        for j in range(units):
            active = Gates(gates[n, j], gates[n, units + j], gates[n, 2 * units + j], gates[n, 3 * units + j])
            peepholes = Peepholes(p[0, j], p[1, j], p[2, j])
            deltas, carry[n, j] = cpu_math.cell_backward(
                e[n, j], active, c_before[n, j], c[n, j], carry_in[n, j], peepholes, _LIMIT
            )
            d_z, d_i, d_f, d_o = deltas
            gates[n, j], gates[n, units + j] = d_z, d_i
            gates[n, 2 * units + j], gates[n, 3 * units + j] = d_f, d_o


@fast
def row_by_row_backward(
    source: Array, gates: Array, c_before: Array, p: Array, c: Array, e: Array, carry_in: Array, carry: Array
) -> None:
    """Hand the parts of each row to the engine's kernel, each an array of its own."""
    for n in range(c.shape[0]):
        _copy_row(source[n], gates[n])
        _copy_row(carry_in[n], carry[n])
        gates_backward(e[n], split_gates(gates[n]), c_before[n], c[n], carry[n], split_peepholes(p), _LIMIT)


# ---- the ladders


def forward_ladder(rows: int, units: int) -> Ladder:
    """Make the ladder of the gates forward, in float32."""
    source, c_before, p = _operands(rows, units)
    operands = (source, np.empty_like(source), c_before, p, np.empty_like(c_before), np.empty_like(c_before))
    expected = dict(zip((1, 4, 5), _reference_forward(source, c_before, p), strict=True))
    versions = numpy_forward, loop_forward, branch_free_forward, row_by_row_forward
    return _ladder("forward", rows, units, operands, expected, versions)


def backward_ladder(rows: int, units: int) -> Ladder:
    """Make the ladder of the gates backward, in float32."""
    net, c_before, p = _operands(rows, units)
    activations, wide_c, _ = _reference_forward(net, c_before, p)
    source, c = activations.astype(np.float32), wide_c.astype(np.float32)
    e, carry = np.random.default_rng(2).standard_normal((2, rows, units)).astype(np.float32)
    gates = Gates(*np.split(source.astype(np.float64), 4, axis=1))
    deltas, carried = cell.cell_backward(e, gates, c_before, c, carry, Peepholes(*p), _LIMIT)
    operands = (source, np.empty_like(source), c_before, p, c, e, carry, np.empty_like(carry))
    expected = {1: np.concatenate(deltas, axis=1), 7: carried}
    versions = numpy_backward, loop_backward, branch_free_backward, row_by_row_backward
    return _ladder("backward", rows, units, operands, expected, versions)


def _operands(rows: int, units: int) -> tuple[Array, Array, Array]:
    """Make net inputs, cell states before and peepholes."""
    random = np.random.default_rng(1)
    source = random.uniform(-3, 3, (rows, 4 * units)).astype(np.float32)
    c_before = random.uniform(-1, 1, (rows, units)).astype(np.float32)
    return source, c_before, random.uniform(-0.1, 0.1, (3, units)).astype(np.float32)


def _reference_forward(source: Array, c_before: Array, p: Array) -> tuple[Array, Array, Array]:
    """Compute gates, cell states and outputs in float64."""
    net = Gates(*np.split(source.astype(np.float64), 4, axis=1))
    gates, c, h = cell.cell_forward(net, c_before, Peepholes(*p))
    return np.concatenate(gates, axis=1), c, h


def _ladder(
    way: str,
    rows: int,
    units: int,
    operands: tuple[Array, ...],
    expected: dict[int, Array],
    versions: tuple[Callable[..., object], ...],
) -> Ladder:
    expressions, loop, branch_free, row_by_row = versions
    rungs = (
        Rung("NumPy expressions", "each operation runs over whole arrays and makes a new one", expressions),
        Rung("a Numba loop", "one pass, and what lies between stays in registers; but exp and tanh are calls "
             "of the C library, a unit at a time, where NumPy has a tanh for vectors", plain(loop)),
        Rung("error_model, contract", "no check for division by zero behind each division; the calls are "
             "what takes the time", fast(loop)),
        Rung("branch-free exponential", "no call and no branch is left in the loop (cpu/math.py); but LLVM's "
             "vector code asks once, before the first row, whether the gates overlap; over all rows they do, "
             "and it goes on a unit at a time", branch_free),
        Rung("a call for each row", "it asks for a row, whose gates don't: a vector of units at once "
             "(cpu/lstm.py)", row_by_row),
    )  # fmt: skip
    source, gates = operands[0], operands[1].copy()
    return Ladder(
        title=f"Gates {way}, {rows} rows of {units} units",
        unit="ns/unit",
        amount=float(rows * units),
        operands=operands,
        expected=expected,
        tolerance=1e-6,
        rungs=rungs,
        yardstick=Yardstick("part that copies", lambda: _copy(source, gates), float(rows * units)),
    )
