"""Matrix products of a team of blocks: tiles in shared memory, and the rows of a time step.

No sum depends on how many blocks a team has: each element of a result is added up by one thread, or
in `PARTS` parts, in an order of its own.

The size of all shared memory is that of the pool, `REAL` numbers that every function uses from
the beginning; what one leaves there the next may overwrite after ``cuda.syncthreads()``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from lstmcore.backends.cuda.compile import device

Array = Any

REAL: Any = np.float32  # given its meaning by the precision compiled for
REALS: Any = None  # and Numba's name of it, for arrays
THREADS: Any = 256  # a block's
ACROSS: Any = 16  # its threads in a square
# A thread computes so many rows and columns of a tile.
REGISTERS = 4
SQUARE = REGISTERS * REGISTERS
DEPTH: Any = 16  # of a tile's factors
HELD: Any = 4  # numbers of each factor that a thread holds: REGISTERS ACROSS DEPTH / THREADS
PARTS = 4  # sums that a product in the time loop is computed in


class Matrix(NamedTuple):
    """A matrix in memory, by rows, or what is the transpose of it."""

    values: Array  # flat
    first: Any  # where it begins
    width: Any  # from one row in memory to the next
    rows: Any  # where in `ints` the map of its rows in memory begins; below 0: as they are
    transposed: Any


class Shape(NamedTuple):
    """The shape of a product A B: A [rows, inner], B [inner, columns]."""

    rows: Any
    columns: Any
    inner: Any


class Panel(NamedTuple):
    """A block's part of a recurrent matrix [inner, columns], which stays where it is during the time loop.

    The first rows lie at the beginning of shared memory, the others in `work`.
    """

    inner: Any
    columns: Any
    width: Any  # from one row to the next
    resident: Any  # rows in shared memory
    spill: Any  # where in `work` the others begin


@device
def gemm(
    a: Any,  # Matrix [rows, inner]
    b: Any,  # Matrix [inner, columns]
    c: Any,  # Matrix, out [rows, columns]
    shape: Any,  # Shape
    add: Any,  # to what is there?
    bias0: Any,  # where in the values of b the bias weights of its columns begin; below 0: there are none
    bias: Any,
    ints: Array,  # maps of rows
    team: Any,  # Team
) -> None:
    """Compute C = A B, each block every so many tiles; Σ over `inner` runs in order."""
    pool = cuda.shared.array(0, REALS)
    total = cuda.local.array(SQUARE, REALS)
    left = cuda.local.array(REGISTERS, REALS)
    held_a, held_b = cuda.local.array(HELD, REALS), cuda.local.array(HELD, REALS)
    thread = cuda.threadIdx.x
    rows, columns, inner = shape
    side = REGISTERS * ACROSS
    width = side + 1
    second = DEPTH * width
    down, right = thread // ACROSS, thread % ACROSS
    wide = (columns + side - 1) // side
    for tile in range(team.rank, (rows + side - 1) // side * wide, team.blocks):
        i0, j0 = tile // wide * side, tile % wide * side
        for r in range(SQUARE):
            total[r] = REAL(0)
        hold(held_a, a, False, i0, 0, rows, inner, ints)
        hold(held_b, b, True, j0, 0, columns, inner, ints)
        for k0 in range(0, inner, DEPTH):
            for n in range(HELD):
                i, k = place_of(n, a.transposed)
                pool[k * width + i] = held_a[n]
                j, k = place_of(n, not b.transposed)
                pool[second + k * width + j] = held_b[n]
            if k0 + DEPTH < inner:  # these come while the others are computed with
                hold(held_a, a, False, i0, k0 + DEPTH, rows, inner, ints)
                hold(held_b, b, True, j0, k0 + DEPTH, columns, inner, ints)
            cuda.syncthreads()
            for k in range(DEPTH):  # behind the end there are zeros
                for r in range(REGISTERS):
                    left[r] = pool[k * width + down + r * ACROSS]
                for s in range(REGISTERS):
                    factor = pool[second + k * width + right + s * ACROSS]
                    for r in range(REGISTERS):
                        total[r * REGISTERS + s] += left[r] * factor
            cuda.syncthreads()
        for r in range(REGISTERS):
            for s in range(REGISTERS):
                i, j = i0 + down + r * ACROSS, j0 + right + s * ACROSS
                if i < rows and j < columns:
                    value = total[r * REGISTERS + s]
                    if bias0 >= 0:
                        value += bias * b.values[bias0 + row_of(b, j, ints)]
                    place = c.first + row_of(c, i, ints) * c.width + j
                    if add:
                        value += c.values[place]
                    c.values[place] = value


@device
def place_of(
    n: Any,  # which of the numbers that this thread holds
    down: Any,  # do threads that follow each other hold what stands in one column of the factor's depth?
) -> Any:
    """Return where in a tile's factor a number of this thread's stands: along its side, and in its depth."""
    e = cuda.threadIdx.x + n * THREADS
    side = REGISTERS * ACROSS
    if down:
        return e % side, e // side
    return e // DEPTH, e % DEPTH


@device
def hold(
    held: Array,  # out [HELD]
    factor: Any,  # Matrix
    second: Any,  # whether it is the right one, whose side runs along its columns
    first: Any,  # where along the side the tile begins
    depth: Any,  # and where in the depth
    end: Any,  # of the side
    inner: Any,  # end of the depth
    ints: Array,  # maps of rows
) -> None:
    """Load a thread's part of a tile's factor into registers: all are on their way before one is used."""
    for n in range(HELD):
        i, k = place_of(n, factor.transposed != second)
        row, column = min(first + i, end - 1), min(depth + k, inner - 1)
        if second:
            row, column = column, row
        held[n] = element(factor, row, column, ints)
        if first + i >= end or depth + k >= inner:
            held[n] = REAL(0)


@device
def row_of(
    matrix: Any,  # Matrix
    row: Any,
    ints: Array,  # maps of rows
) -> Any:
    """Return which row of a matrix's memory a row is."""
    if matrix.rows >= 0:
        row = ints[matrix.rows + row]
    return row


@device
def element(
    matrix: Any,  # Matrix
    row: Any,
    column: Any,
    ints: Array,  # maps of rows
) -> Any:
    """Return an element."""
    if matrix.transposed:
        row, column = column, row
    return matrix.values[matrix.first + row_of(matrix, row, ints) * matrix.width + column]


@device
def multiply(
    panel: Any,  # Panel
    x0: Any,  # where in shared memory the vectors lie [count, inner]
    count: Any,  # of the vectors
    out0: Any,  # where in shared memory the partial sums go [PARTS, count, columns]
    work: Array,  # where the panel's rows lie that aren't in shared memory
) -> None:
    """Multiply some vectors with the block's part of a recurrent matrix in the time loop.

    Part p is the sum over rows p, p + PARTS, p + 2 PARTS and so on.  A thread computes four vectors
    times four columns.
    """
    pool = cuda.shared.array(0, REALS)
    inner, columns, width, resident, spill = panel
    quarter, tiles = (columns + 3) // 4, (count + 3) // 4
    last, last_vector = columns - 1, count - 1
    for item in range(cuda.threadIdx.x, PARTS * tiles * quarter, THREADS):
        j0 = item % quarter
        part, tile = item // quarter // tiles, item // quarter % tiles
        j1, j2, j3 = min(j0 + quarter, last), min(j0 + 2 * quarter, last), min(j0 + 3 * quarter, last)
        s0 = 4 * tile
        s1, s2, s3 = min(s0 + 1, last_vector), min(s0 + 2, last_vector), min(s0 + 3, last_vector)
        x00, x01, x02, x03 = x0 + s0 * inner, x0 + s1 * inner, x0 + s2 * inner, x0 + s3 * inner
        t00 = t01 = t02 = t03 = t10 = t11 = t12 = t13 = REAL(0)
        t20 = t21 = t22 = t23 = t30 = t31 = t32 = t33 = REAL(0)
        for k in range(part, resident, PARTS):
            row = k * width
            m0, m1, m2, m3 = pool[row + j0], pool[row + j1], pool[row + j2], pool[row + j3]
            x = pool[x00 + k]
            t00, t01, t02, t03 = t00 + x * m0, t01 + x * m1, t02 + x * m2, t03 + x * m3
            x = pool[x01 + k]
            t10, t11, t12, t13 = t10 + x * m0, t11 + x * m1, t12 + x * m2, t13 + x * m3
            x = pool[x02 + k]
            t20, t21, t22, t23 = t20 + x * m0, t21 + x * m1, t22 + x * m2, t23 + x * m3
            x = pool[x03 + k]
            t30, t31, t32, t33 = t30 + x * m0, t31 + x * m1, t32 + x * m2, t33 + x * m3
        first = resident + (part - resident) % PARTS
        for k in range(first, inner, PARTS):
            row = spill + (k - resident) * width
            m0, m1, m2, m3 = work[row + j0], work[row + j1], work[row + j2], work[row + j3]
            x = pool[x00 + k]
            t00, t01, t02, t03 = t00 + x * m0, t01 + x * m1, t02 + x * m2, t03 + x * m3
            x = pool[x01 + k]
            t10, t11, t12, t13 = t10 + x * m0, t11 + x * m1, t12 + x * m2, t13 + x * m3
            x = pool[x02 + k]
            t20, t21, t22, t23 = t20 + x * m0, t21 + x * m1, t22 + x * m2, t23 + x * m3
            x = pool[x03 + k]
            t30, t31, t32, t33 = t30 + x * m0, t31 + x * m1, t32 + x * m2, t33 + x * m3
        # Where columns or vectors run out, several write the same number to the same place.
        out = out0 + (part * count + s0) * columns
        pool[out + j0], pool[out + j1], pool[out + j2], pool[out + j3] = t00, t01, t02, t03
        out = out0 + (part * count + s1) * columns
        pool[out + j0], pool[out + j1], pool[out + j2], pool[out + j3] = t10, t11, t12, t13
        out = out0 + (part * count + s2) * columns
        pool[out + j0], pool[out + j1], pool[out + j2], pool[out + j3] = t20, t21, t22, t23
        out = out0 + (part * count + s3) * columns
        pool[out + j0], pool[out + j1], pool[out + j2], pool[out + j3] = t30, t31, t32, t33


@device
def sum_of_parts(
    out0: Any,  # where in shared memory the partial sums lie [PARTS, count, columns]
    count: Any,
    columns: Any,
    s: Any,  # which vector
    j: Any,  # which column
) -> Any:
    """Return an element of what `multiply` computed."""
    pool = cuda.shared.array(0, REALS)
    value = pool[out0 + s * columns + j]
    for part in range(1, PARTS):
        value += pool[out0 + (part * count + s) * columns + j]
    return value
