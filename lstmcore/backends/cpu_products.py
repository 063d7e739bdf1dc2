"""Matrix products of few rows, for the steps of the time loop.

With some ten sequences side by side a step multiplies a matrix of ten rows.  A general
library packs its operands first, which such a product doesn't pay back.  Here the rows are taken
as they lie: a few rows of the result and four rows of `b` at a time, along the columns, so that
each value read of `b` serves all rows of the block and each sum stays in the first-level cache.
"""

from __future__ import annotations

from typing import Any

from lstmcore.backends.jit import inlined, kernel

Array = Any

_STEP = 4  # rows of b at a time; the blocks below are written for it


@inlined
def _five_rows(
    o0: Array,  # rows of the result, added to [M] each
    o1: Array,
    o2: Array,
    o3: Array,
    o4: Array,
    b0: Array,  # four rows of b [M] each
    b1: Array,
    b2: Array,
    b3: Array,
    a: Array,  # [n, K]
    s: Any,  # first of the five rows of a
    k: Any,  # first of the four columns of a
) -> None:
    p0, p1, p2, p3 = a[s, k], a[s, k + 1], a[s, k + 2], a[s, k + 3]
    q0, q1, q2, q3 = a[s + 1, k], a[s + 1, k + 1], a[s + 1, k + 2], a[s + 1, k + 3]
    r0, r1, r2, r3 = a[s + 2, k], a[s + 2, k + 1], a[s + 2, k + 2], a[s + 2, k + 3]
    t0, t1, t2, t3 = a[s + 3, k], a[s + 3, k + 1], a[s + 3, k + 2], a[s + 3, k + 3]
    u0, u1, u2, u3 = a[s + 4, k], a[s + 4, k + 1], a[s + 4, k + 2], a[s + 4, k + 3]
    for j in range(o0.shape[0]):
        c0, c1, c2, c3 = b0[j], b1[j], b2[j], b3[j]
        o0[j] += p0 * c0 + p1 * c1 + p2 * c2 + p3 * c3
        o1[j] += q0 * c0 + q1 * c1 + q2 * c2 + q3 * c3
        o2[j] += r0 * c0 + r1 * c1 + r2 * c2 + r3 * c3
        o3[j] += t0 * c0 + t1 * c1 + t2 * c2 + t3 * c3
        o4[j] += u0 * c0 + u1 * c1 + u2 * c2 + u3 * c3


@inlined
def _two_rows(
    o0: Array,  # rows of the result, added to [M] each
    o1: Array,
    b0: Array,  # four rows of b [M] each
    b1: Array,
    b2: Array,
    b3: Array,
    a: Array,  # [n, K]
    s: Any,  # first of the two rows of a
    k: Any,  # first of the four columns of a
) -> None:
    p0, p1, p2, p3 = a[s, k], a[s, k + 1], a[s, k + 2], a[s, k + 3]
    q0, q1, q2, q3 = a[s + 1, k], a[s + 1, k + 1], a[s + 1, k + 2], a[s + 1, k + 3]
    for j in range(o0.shape[0]):
        c0, c1, c2, c3 = b0[j], b1[j], b2[j], b3[j]
        o0[j] += p0 * c0 + p1 * c1 + p2 * c2 + p3 * c3
        o1[j] += q0 * c0 + q1 * c1 + q2 * c2 + q3 * c3


@inlined
def _one_row(
    o0: Array,  # row of the result, added to [M]
    b0: Array,  # four rows of b [M] each
    b1: Array,
    b2: Array,
    b3: Array,
    a: Array,  # [n, K]
    s: Any,  # row of a
    k: Any,  # first of the four columns of a
) -> None:
    p0, p1, p2, p3 = a[s, k], a[s, k + 1], a[s, k + 2], a[s, k + 3]
    for j in range(o0.shape[0]):
        o0[j] += p0 * b0[j] + p1 * b1[j] + p2 * b2[j] + p3 * b3[j]


@inlined
def _remainder(
    out: Array,  # row of the result, added to [M]
    b: Array,  # row of b [M]
    factor: Any,
) -> None:
    for j in range(out.shape[0]):
        out[j] += factor * b[j]


@kernel
def add_product(
    a: Array,  # [n, K]
    b: Array,  # [K, M]
    out: Array,  # added to [n, M]
) -> None:
    """Add a · b to `out`."""
    rows, columns = a.shape
    whole = columns - columns % _STEP
    for k in range(0, whole, _STEP):
        b0, b1, b2, b3 = b[k], b[k + 1], b[k + 2], b[k + 3]
        s = 0
        while s + 5 <= rows:
            _five_rows(out[s], out[s + 1], out[s + 2], out[s + 3], out[s + 4], b0, b1, b2, b3, a, s, k)
            s += 5
        while s + 2 <= rows:
            _two_rows(out[s], out[s + 1], b0, b1, b2, b3, a, s, k)
            s += 2
        if s < rows:
            _one_row(out[s], b0, b1, b2, b3, a, s, k)
    for k in range(whole, columns):
        for s in range(rows):
            _remainder(out[s], b[k], a[s, k])
