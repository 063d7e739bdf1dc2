"""The product of a time step: h R for ten sequences forward, D Rᵀ backward, one sequence alone.

Each version adds a [n, K] times b [K, M] to out [n, M].  With n = 10 there is little work for each
value of b, and b (640 kB) doesn't fit into the first-level cache: what counts is how often b is
read, and how many sums are on the way at once.
"""

from __future__ import annotations

import numpy as np

from benchmarks.ladder.rungs import Array, Ladder, Rung, Yardstick, fast, plain
from lstmcore.backends.cpu import gemm as cpu_products
from lstmcore.jit import inlined

_STEPS = 60  # time steps of a song: so often a packed matrix is used
_LARGE = 1024  # side of the matrices whose product is the yardstick


def plain_loops(a: Array, b: Array, out: Array) -> None:
    """Go through the result, element by element: the definition."""
    for s in range(a.shape[0]):
        for j in range(b.shape[1]):
            total = out[s, j]
            for k in range(a.shape[1]):
                total += a[s, k] * b[k, j]  # jumps a whole row of b each time
            out[s, j] = total


def along_rows(a: Array, b: Array, out: Array) -> None:
    """Go along the rows of b and out: the same loops in another order."""
    for s in range(a.shape[0]):
        for k in range(a.shape[1]):
            for j in range(b.shape[1]):
                out[s, j] += a[s, k] * b[k, j]


@inlined
def _five_rows(
    o0: Array, o1: Array, o2: Array, o3: Array, o4: Array, b: Array, a: Array, s: int, k: int
) -> None:
    # Twenty factors that stay in registers; four rows of b, each its own array for LLVM's sake.
    b0, b1, b2, b3 = b[k], b[k + 1], b[k + 2], b[k + 3]
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
def _one_row(out: Array, b0: Array, b1: Array, b2: Array, b3: Array, a: Array, k: int) -> None:
    p0, p1, p2, p3 = a[k], a[k + 1], a[k + 2], a[k + 3]
    for j in range(out.shape[0]):
        out[j] += p0 * b0[j] + p1 * b1[j] + p2 * b2[j] + p3 * b3[j]


@fast
def blocks(a: Array, b: Array, out: Array) -> None:
    """Take five rows of out and four of b at a time, along the columns."""
    rows, steps = a.shape
    whole = steps - steps % 4
    for k in range(0, whole, 4):
        s = 0
        while s + 5 <= rows:
            _five_rows(out[s], out[s + 1], out[s + 2], out[s + 3], out[s + 4], b, a, s, k)
            s += 5
        while s < rows:
            _one_row(out[s], b[k], b[k + 1], b[k + 2], b[k + 3], a[s], k)
            s += 1
    for k in range(whole, steps):
        for s in range(rows):
            for j in range(out.shape[1]):
                out[s, j] += a[s, k] * b[k, j]


class _Blas:
    """NumPy's BLAS, which can't add to a matrix: the product goes into one of its own first."""

    def __init__(self, out: Array) -> None:
        self._product = np.empty_like(out)

    def __call__(self, a: Array, b: Array, out: Array) -> None:
        np.dot(a, b, self._product)
        out += self._product


class _Packed:
    """The engine's product: b packed once, then used in every time step."""

    def __init__(self, b: Array, rows: int) -> None:
        self._width = cpu_products.panel_width(b.dtype, rows)
        self._memory = np.empty(cpu_products.packed_size(*b.shape, self._width), b.dtype)
        cpu_products.pack(b, self._memory, self._width)
        self._panels = cpu_products.packed(self._memory, *b.shape, self._width)
        self._turn = 0

    def forth(self, a: Array, b: Array, out: Array) -> None:
        """Take the panels from the first to the last in every step."""
        cpu_products.add_product(a, self._panels, out, 0)

    def there_and_back(self, a: Array, b: Array, out: Array) -> None:
        """Take them from the last to the first in every other step."""
        cpu_products.add_product(a, self._panels, out, self._turn)
        self._turn += 1

    def song(self, a: Array, b: Array, out: Array) -> None:
        """Pack b and multiply with it in all time steps of a song."""
        cpu_products.pack(b, self._memory, self._width)
        for _ in range(_STEPS):
            self.there_and_back(a, b, out)


def _row_by_matrix(a: Array, b: Array, out: Array) -> None:
    cpu_products.add_row_product(a[0], b, out[0])


def products_ladder(rows: int, steps: int, columns: int) -> Ladder:
    """Make the ladder of a product [rows, steps] · [steps, columns] in float32."""
    random = np.random.default_rng(1)
    a = random.uniform(-1, 1, (rows, steps)).astype(np.float32)
    b = random.uniform(-0.1, 0.1, (steps, columns)).astype(np.float32)
    out = random.uniform(-1, 1, (rows, columns)).astype(np.float32)
    large = random.standard_normal((_LARGE, _LARGE)).astype(np.float32)
    packed, alone = _Packed(b, rows), rows == 1
    as_it_lies = Rung(
        "the matrix as it lies",
        "one row meets every value of b once, in the order of memory, all sums in registers: packing "
        "would cost more than it gains",
        _row_by_matrix,
    )
    rungs = (
        Rung("plain loops", "one sum at a time, each addition waits for the last; b is read by columns, a "
             "line of the cache for every value", plain(plain_loops)),
        Rung("loop order", "the innermost loop goes along rows: neighbours in memory, sums that don't wait "
             "for each other, so that LLVM computes a vector of them at once", plain(along_rows)),
        Rung("multiply-add", "contract allows a * b + c in one instruction with one rounding; loading and "
             "storing out for each of them is what takes the time",
             fast(along_rows)),
        Rung("blocks of 5 rows x 4 steps", "out is loaded and stored once for four values of k"
             + ("; there are no five rows for a value of b to serve" if alone
                else ", and each value of b serves five rows"), blocks),
        Rung("np.dot", "BLAS takes a single row as a vector, and is then bound to reading b, as everybody is"
             if alone else "BLAS packs its operands anew in every call, which few rows don't pay back",
             _Blas(out), beside=True),
        Rung("panels and tiles", "sums stay in registers over all k; b lies in panels in the order it is "
             "read in; written in LLVM's own language, for no plain loop is compiled to it", packed.forth),
        Rung("there and back", "a step begins with the panels that the one before ended with: the "
             "second-level cache still holds them, though not all of b", packed.there_and_back),
        Rung("the same with packing", f"b is packed anew for each song, and used in {_STEPS} steps",
             packed.song, times=_STEPS, beside=True),
        *([as_it_lies] if alone else []),
    )  # fmt: skip
    return Ladder(
        title=f"Product of a time step, {rows} x {steps} x {columns}",
        unit="GFLOP/s",
        amount=2.0 * rows * steps * columns,
        operands=(a, b, out),
        expected={2: out + a.astype(np.float64) @ b},
        tolerance=2e-6,
        rungs=rungs,
        yardstick=Yardstick("share of sgemm", lambda: np.dot(large, large), 2.0 * _LARGE**3),
    )
