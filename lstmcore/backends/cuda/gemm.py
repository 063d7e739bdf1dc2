"""Matrix products of a team of blocks: tiles in shared memory, and the rows of a time step.

No sum depends on how many blocks a team has: each element of a result is added up by one thread, or
in `PARTS` parts that are added up by one, in an order of its own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import cuda

from lstmcore.backends.cuda.compile import device
from lstmcore.backends.cuda.memory import four, own_function, shared

Array = Any

REAL: Any = np.float32  # given its meaning by the precision compiled for
REALS: Any = None  # and Numba's name of it, for arrays
LONGS: Any = None  # Numba's name of places in global memory
THREADS: Any = 256  # a block's
ACROSS: Any = 16  # its threads in a square
# A thread computes so many rows and columns of a tile, in groups of four that lie together.
REGISTERS: Any = 8
GROUPS: Any = 2
SQUARE: Any = 64  # REGISTERS²
DEPTH: Any = 16  # of a tile's factors
HELD: Any = 8  # numbers of each factor that a thread holds: REGISTERS ACROSS DEPTH / THREADS
# A product in the time loop is added up in PARTS parts: part p is the sum over rows p, p + PARTS, ...
QUARTERS: Any = 4
LEAVES: Any = 8  # parts of a quarter
PARTS: Any = 32
NARROW: Any = 64  # up to so many columns, a thread computes one part, else a quarter of them
BLOCK = 48  # sums of a thread: twelve vectors, four columns
AWAY = 16  # numbers of a part's rows that aren't in shared memory, on their way at once


class Matrix(NamedTuple):
    """A matrix in memory, by rows."""

    values: Any  # numbers in global memory
    first: Any  # where in them it begins
    width: Any  # from one row in memory to the next
    rows: Any  # where in `ints` the map of its rows in memory begins; below 0: as they are


class Shape(NamedTuple):
    """The shape of a product A B: A [rows, inner], B [inner, columns]."""

    rows: Any
    columns: Any
    inner: Any


class More(NamedTuple):
    """What is added to a product."""

    there: Any  # what is there?
    bias0: Any  # where in the values of b the bias weights of its columns begin; below 0: there are none
    bias: Any


class Panel(NamedTuple):
    """A block's part of a recurrent matrix [inner, columns], which stays where it is during the time loop.

    The first rows lie at the beginning of shared memory, the others in `work`.
    """

    inner: Any
    columns: Any
    width: Any  # from one row to the next: what four divides
    resident: Any  # rows in shared memory
    spill: Any  # where in `work` the others begin


@device
def times_transposed(
    a: Any,  # Matrix [rows, inner]
    b: Any,  # Matrix [columns, inner]
    c: Any,  # Matrix, out [rows, columns]
    shape: Any,  # Shape
    more: Any,  # More
    ints: Any,  # maps of rows
    team: Any,  # Team
) -> None:
    """Compute C = A Bᵀ."""
    own_function()
    gemm(a, True, b, True, c, shape, more, ints, team)


@device
def transposed_times(
    a: Any,  # Matrix [inner, rows]
    b: Any,  # Matrix [inner, columns]
    c: Any,  # Matrix, out [rows, columns]
    shape: Any,  # Shape
    more: Any,  # More
    ints: Any,  # maps of rows
    team: Any,  # Team
) -> None:
    """Compute C = Aᵀ B."""
    own_function()
    gemm(a, False, b, False, c, shape, more, ints, team)


@device
def times(
    a: Any,  # Matrix [rows, inner]
    b: Any,  # Matrix [inner, columns]
    c: Any,  # Matrix, out [rows, columns]
    shape: Any,  # Shape
    more: Any,  # More
    ints: Any,  # maps of rows
    team: Any,  # Team
) -> None:
    """Compute C = A B."""
    own_function()
    gemm(a, True, b, False, c, shape, more, ints, team)


@device
def gemm(
    a: Any,  # Matrix: the left factor, or what it is the transpose of
    along_a: Any,  # do its rows in memory run along the inner dimension?
    b: Any,  # Matrix: the right factor likewise
    along_b: Any,
    c: Any,  # Matrix, out [rows, columns]
    shape: Any,  # Shape
    more: Any,  # More
    ints: Any,  # maps of rows
    team: Any,  # Team
) -> None:
    """Compute a product, each block every so many tiles; Σ over `inner` runs in order."""
    pool = shared(REALS)
    total = cuda.local.array(SQUARE, REALS)
    left, right = cuda.local.array(REGISTERS, REALS), cuda.local.array(REGISTERS, REALS)
    held_a, held_b = cuda.local.array(HELD, REALS), cuda.local.array(HELD, REALS)
    rows_a, rows_b = cuda.local.array(HELD, LONGS), cuda.local.array(HELD, LONGS)
    thread = cuda.threadIdx.x
    rows, columns, inner = shape
    side = REGISTERS * ACROSS
    width = side + 4
    second = DEPTH * width
    above, before = 4 * (thread // ACROSS), 4 * (thread % ACROSS)
    wide = (columns + side - 1) // side
    for tile in range(team.rank, (rows + side - 1) // side * wide, team.blocks):
        i0, j0 = tile // wide * side, tile % wide * side
        for r in range(SQUARE):
            total[r] = REAL(0)
        if along_a:
            find_rows(rows_a, a, i0, rows, ints)
        if along_b:
            find_rows(rows_b, b, j0, columns, ints)
        hold(held_a, a, along_a, rows_a, i0, 0, rows, inner, ints)
        hold(held_b, b, along_b, rows_b, j0, 0, columns, inner, ints)
        k0 = 0
        while k0 < inner:
            for n in range(HELD):  # behind the end come zeros; to look at a number is to wait for it
                i, k = place_of(n, along_a)
                pool[k * width + i] = held_a[n] if k0 + k < inner else REAL(0)
                j, k = place_of(n, along_b)
                pool[second + k * width + j] = held_b[n] if k0 + k < inner else REAL(0)
            k0 += DEPTH
            if k0 < inner:  # these come while the others are computed with
                hold(held_a, a, along_a, rows_a, i0, k0, rows, inner, ints)
                hold(held_b, b, along_b, rows_b, j0, k0, columns, inner, ints)
            cuda.syncthreads()
            place = 0
            while place < second:
                for g in range(GROUPS):
                    at = place + 4 * g * ACROSS
                    left[4 * g], left[4 * g + 1], left[4 * g + 2], left[4 * g + 3] = four(pool, at + above)
                    right[4 * g], right[4 * g + 1], right[4 * g + 2], right[4 * g + 3] = four(
                        pool, second + at + before
                    )
                for r in range(REGISTERS):
                    for s in range(REGISTERS):
                        total[r * REGISTERS + s] += left[r] * right[s]
                place += width
            cuda.syncthreads()
        if more.bias0 >= 0:
            for n in range(REGISTERS):
                j = min(j0 + n // 4 * 4 * ACROSS + before + n % 4, columns - 1)
                right[n] = more.bias * b.values[more.bias0 + row_of(b, j, ints)]
            for r in range(REGISTERS):
                for n in range(REGISTERS):
                    total[r * REGISTERS + n] += right[n]
        for r in range(REGISTERS):
            i = i0 + r // 4 * 4 * ACROSS + above + r % 4
            if i < rows:
                place = c.first + row_of(c, i, ints) * c.width
                if more.there:
                    for n in range(REGISTERS):
                        j = min(j0 + n // 4 * 4 * ACROSS + before + n % 4, columns - 1)
                        right[n] = c.values[place + j]
                    for n in range(REGISTERS):
                        total[r * REGISTERS + n] += right[n]
                for n in range(REGISTERS):
                    j = j0 + n // 4 * 4 * ACROSS + before + n % 4
                    if j < columns:
                        c.values[place + j] = total[r * REGISTERS + n]


@device
def place_of(
    n: Any,  # which of the numbers that this thread holds
    along: Any,  # do the factor's rows in memory run along its depth?
) -> Any:
    """Return where in a tile's factor a number of this thread's stands: along its side, and in its depth.

    Threads that follow each other have what lies together in memory.
    """
    e = cuda.threadIdx.x + n * THREADS
    side = REGISTERS * ACROSS
    if along:
        return e // DEPTH, e % DEPTH
    return e % side, e // side


@device
def find_rows(
    found: Array,  # out [HELD]
    factor: Any,  # Matrix
    first: Any,  # where along the side the tile begins
    end: Any,  # of the side
    ints: Any,  # maps of rows
) -> None:
    """Find where the rows of a factor that a thread holds numbers of begin; they run along its depth."""
    for n in range(HELD):
        i, _ = place_of(n, True)
        found[n] = factor.first + row_of(factor, min(first + i, end - 1), ints) * factor.width


@device
def hold(
    held: Array,  # out [HELD]
    factor: Any,  # Matrix
    along: Any,  # do its rows in memory run along its depth?
    rows: Array,  # then these are where they begin [HELD]
    first: Any,  # where along the side the tile begins
    depth: Any,  # and where in the depth
    end: Any,  # of the side; what is behind it may be anything, for nobody wants the result
    inner: Any,  # end of the depth; what is behind it may be anything, too
    ints: Any,  # maps of rows
) -> None:
    """Load a thread's part of a tile's factor into registers: all are on their way before one is used."""
    values, width, start, last = factor.values, factor.width, factor.first, inner - 1
    for n in range(HELD):
        i, k = place_of(n, along)
        k = min(depth + k, last)
        if along:
            held[n] = values[rows[n] + k]
        elif factor.rows < 0:
            held[n] = values[start + k * width + min(first + i, end - 1)]
        else:
            held[n] = values[start + ints[factor.rows + k] * width + min(first + i, end - 1)]


@device
def row_of(
    matrix: Any,  # Matrix
    row: Any,
    ints: Any,  # maps of rows
) -> Any:
    """Return which row of a matrix's memory a row is."""
    if matrix.rows >= 0:
        row = ints[matrix.rows + row]
    return row


@device
def in_fours(
    count: Any,
) -> Any:
    """Return how many numbers a row of so many takes whose beginnings four divides."""
    return (count + 3) // 4 * 4


@device
def padded(
    count: Any,
) -> Any:
    """Return how far rows of so many numbers lie apart in shared memory.

    Four divides it, and neither what one thread reads at once nor what its neighbours read meets in a bank.
    """
    return ((count + 3) // 4 | 1) * 4


@device
def multiply(
    panel: Any,  # Panel
    x0: Any,  # where in shared memory the vectors lie [inner, tall]
    tall: Any,  # what four divides
    count: Any,  # of the vectors
    out0: Any,  # where in shared memory the results go: `place_of_sum` says how
    work: Any,  # where the panel's rows lie that aren't in shared memory
) -> None:
    """Multiply some vectors with the block's part of a recurrent matrix in the time loop."""
    pool, columns = shared(REALS), panel.columns
    few, some = columns <= NARROW, count * columns
    if few:
        multiply_few(panel, x0, tall, count, out0, work)
    else:
        multiply_many(panel, x0, tall, count, out0, work)
    cuda.syncthreads()
    for e in range(cuda.threadIdx.x, some, THREADS):
        place, value = place_of_sum(out0, columns, e), REAL(0)
        for quarter in range(QUARTERS):
            if few:
                part = REAL(0)
                for leaf in range(LEAVES):
                    part += pool[place + quarter * LEAVES + leaf]
            else:
                part = pool[place + quarter * some]
            value += part
        pool[place] = value


@device
def place_of_sum(
    out0: Any,  # where in shared memory the results of `multiply` begin
    columns: Any,
    e: Any,  # which of them [count, columns]
) -> Any:
    """Return where in shared memory a result of `multiply` lies."""
    return out0 + e * (PARTS + 1) if columns <= NARROW else out0 + e


@device
def multiply_few(
    panel: Any,  # Panel
    x0: Any,  # where in shared memory the vectors lie [inner, tall]
    tall: Any,
    count: Any,  # of the vectors
    out0: Any,  # where in shared memory the partial sums go [count, columns, PARTS + 1]
    work: Any,  # where the panel's rows lie that aren't in shared memory
) -> None:
    """Multiply with few columns: a thread computes a part of four vectors times four columns.

    Neighbours have neighbouring parts.  The sums of a vector and column lie an odd number apart from the
    next, so that neither who writes nor who adds them up meets the neighbours in one bank.
    """
    pool, sums, columns = shared(REALS), cuda.local.array(16, REALS), panel.columns
    quads, tiles = (columns + 3) // 4, (count + 3) // 4
    piece, j, s = cuda.threadIdx.x % PARTS, cuda.threadIdx.x // PARTS, 0
    while j >= quads:
        j, s = j - quads, s + 1
    while s < tiles:
        for r in range(16):
            sums[r] = REAL(0)
        multiply_part(sums, panel, piece, 4 * j, x0 + 4 * s, tall, False, False, work)
        out = out0 + (4 * s * columns + 4 * j) * (PARTS + 1) + piece
        for i in range(4):
            if 4 * s + i < count:
                for k in range(4):
                    if 4 * j + k < columns:
                        pool[out + k * (PARTS + 1)] = sums[4 * i + k]
            out += columns * (PARTS + 1)
        j, piece = j + THREADS // PARTS, piece + THREADS % PARTS
        if piece >= PARTS:
            j, piece = j + 1, piece - PARTS
        while j >= quads:
            j, s = j - quads, s + 1


@device
def multiply_many(
    panel: Any,  # Panel
    x0: Any,  # where in shared memory the vectors lie [inner, tall]
    tall: Any,
    count: Any,  # of the vectors
    out0: Any,  # where in shared memory the partial sums go [QUARTERS, count, columns]
    work: Any,  # where the panel's rows lie that aren't in shared memory
) -> None:
    """Multiply with many columns: a thread computes a quarter of up to twelve vectors times four columns.

    It does so one part after the other, and neighbours have neighbouring columns.
    """
    pool, columns = shared(REALS), panel.columns
    total, sums = cuda.local.array(BLOCK, REALS), cuda.local.array(BLOCK, REALS)
    quads, tiles = (columns + 3) // 4, (count + 3) // 4
    together = 3 if QUARTERS * quads * ((tiles + 1) // 2) > THREADS else 2
    groups = (tiles + together - 1) // together
    j, s, quarter = cuda.threadIdx.x, 0, 0
    while True:
        while j >= quads:
            j, s = j - quads, s + 1
        while s >= groups:
            s, quarter = s - groups, quarter + 1
        if quarter >= QUARTERS:
            break
        s0 = 4 * together * s
        two, three = s0 + 4 < count, together > 2 and s0 + 8 < count
        for r in range(BLOCK):
            total[r] = REAL(0)
        for leaf in range(LEAVES):
            for r in range(BLOCK):
                sums[r] = REAL(0)
            part = quarter * LEAVES + leaf
            multiply_part(sums, panel, part, 4 * j, x0 + s0, tall, two, three, work)
            for r in range(BLOCK):
                total[r] += sums[r]
        last = min(count, s0 + 4 * together)
        out = out0 + (quarter * count + s0) * columns + 4 * j
        for i in range(BLOCK // 4):
            if s0 + i < last:
                for k in range(4):
                    if 4 * j + k < columns:
                        pool[out + k] = total[4 * i + k]
            out += columns
        j += THREADS


@device
def multiply_part(
    sums: Array,  # in and out: 16, 32 or 48
    panel: Any,  # Panel
    part: Any,
    j0: Any,  # first column
    x0: Any,  # where in shared memory the first vector lies
    tall: Any,
    two: Any,  # are there more than four vectors?
    three: Any,  # and more than eight?
    work: Any,  # where the panel's rows lie that aren't in shared memory
) -> None:
    """Add a part of the sums.  Rows that aren't in shared memory come while the others are computed with."""
    pool, away, coming = shared(REALS), cuda.local.array(AWAY, REALS), cuda.local.array(AWAY, REALS)
    inner, _, width, resident, spill = panel
    x, m, step = x0 + part * tall, part * width + j0, PARTS * width
    end, far, last = resident * width, spill + j0, spill + (inner - resident) * width
    if resident < inner:
        here = max(0, (resident - part + PARTS - 1) // PARTS)
        far += (part + here * PARTS - resident) * width
        fetch(coming, work, far, step, last, spill)
    while m < end:
        m0, m1, m2, m3 = four(pool, m)
        add_products(sums, 0, x, m0, m1, m2, m3)
        if two:
            add_products(sums, 16, x + 4, m0, m1, m2, m3)
        if three:
            add_products(sums, 32, x + 8, m0, m1, m2, m3)
        m += step
        x += PARTS * tall
    while resident < inner and far < last:
        for n in range(AWAY):
            away[n] = coming[n]
        fetch(coming, work, far + AWAY // 4 * step, step, last, spill)
        for n in range(AWAY // 4):
            if far < last:
                m0, m1, m2, m3 = away[4 * n], away[4 * n + 1], away[4 * n + 2], away[4 * n + 3]
                add_products(sums, 0, x, m0, m1, m2, m3)
                if two:
                    add_products(sums, 16, x + 4, m0, m1, m2, m3)
                if three:
                    add_products(sums, 32, x + 8, m0, m1, m2, m3)
            far += step
            x += PARTS * tall


@device
def fetch(
    coming: Array,  # out [AWAY]
    work: Any,  # where a panel's rows lie that aren't in shared memory
    far: Any,  # where the next of them begins that a part needs
    step: Any,  # and from one to the next
    last: Any,  # where they all end
    other: Any,  # where there is something in any case
) -> None:
    """Load the next rows, four columns of each: all are on their way before one is used."""
    for n in range(AWAY // 4):
        place = far + n * step
        place = place if place < last else other
        coming[4 * n], coming[4 * n + 1], coming[4 * n + 2], coming[4 * n + 3] = four(work, place)


@device
def add_products(
    sums: Array,  # in and out
    r: Any,  # where those of the vectors begin
    x: Any,  # where in shared memory a number of each of four vectors lies
    m0: Any,  # and a row of the matrix
    m1: Any,
    m2: Any,
    m3: Any,
) -> None:
    """Add the products of four vectors and a row of four columns."""
    v0, v1, v2, v3 = four(shared(REALS), x)
    sums[r], sums[r + 1], sums[r + 2], sums[r + 3] = (
        sums[r] + v0 * m0,
        sums[r + 1] + v0 * m1,
        sums[r + 2] + v0 * m2,
        sums[r + 3] + v0 * m3,
    )
    sums[r + 4], sums[r + 5], sums[r + 6], sums[r + 7] = (
        sums[r + 4] + v1 * m0,
        sums[r + 5] + v1 * m1,
        sums[r + 6] + v1 * m2,
        sums[r + 7] + v1 * m3,
    )
    sums[r + 8], sums[r + 9], sums[r + 10], sums[r + 11] = (
        sums[r + 8] + v2 * m0,
        sums[r + 9] + v2 * m1,
        sums[r + 10] + v2 * m2,
        sums[r + 11] + v2 * m3,
    )
    sums[r + 12], sums[r + 13], sums[r + 14], sums[r + 15] = (
        sums[r + 12] + v3 * m0,
        sums[r + 13] + v3 * m1,
        sums[r + 14] + v3 * m2,
        sums[r + 15] + v3 * m3,
    )
