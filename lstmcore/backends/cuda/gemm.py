"""Matrix products of a team of blocks: tiles in shared memory, and the rows of a time step.

A *team* is the blocks that compute one network.  No sum depends on how many they are: each
element of a result is added up by one thread, or in `PARTS` parts, in an order of its own.

The size of all shared memory is that of the pool, `REAL` numbers that every function uses from
the beginning; what one leaves there the next may overwrite after ``cuda.syncthreads()``.
"""

from __future__ import annotations

from typing import Any

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
PARTS = 4  # sums that a product in the time loop is computed in


def pool_for_tiles(across: int, depth: int) -> int:
    """Return how many numbers of shared memory `product` needs."""
    return 2 * depth * (REGISTERS * across + 1)


@device
def meet(sync: Array, at: Any, blocks: Any) -> None:
    """Wait until all blocks of the team are here; what they wrote before is seen after.

    ``sync[at]`` counts who came, ``sync[at + 1]`` numbers the meetings.  As in grid synchronisation
    of CUDA's cooperative groups, one thread of each block fences on both sides: its fence and the
    block's own barrier order the others' accesses too.
    """
    cuda.syncthreads()
    if blocks > 1:
        if cuda.threadIdx.x == 0:
            cuda.threadfence()
            number = cuda.atomic.add(sync, at + 1, 0)
            if cuda.atomic.add(sync, at, 1) == blocks - 1:
                cuda.atomic.add(sync, at, -blocks)
                cuda.threadfence()
                cuda.atomic.add(sync, at + 1, 1)
            else:
                while cuda.atomic.add(sync, at + 1, 0) == number:
                    pass
            cuda.threadfence()
        cuda.syncthreads()


@device
def product(
    ints: Array,  # maps of rows; a map that begins below 0 leaves rows as they are
    a: Array,  # [rows, inner], or [inner, rows] if `a_turned`
    a0: Any,  # where it begins
    a_width: Any,  # from one row in memory to the next
    a_map: Any,  # which row in memory each is
    a_turned: Any,
    b: Array,  # [columns, inner], or [inner, columns] if `b_turned`
    b0: Any,
    b_width: Any,
    b_map: Any,
    b_turned: Any,
    c: Array,  # out [rows, columns]
    c0: Any,
    c_width: Any,
    c_map: Any,
    add: Any,  # to what is there?
    bias0: Any,  # where in b the bias weights of its rows begin; below 0 if there are none
    bias: Any,
    rows: Any,
    columns: Any,
    inner: Any,
    rank: Any,
    blocks: Any,
) -> None:
    """Compute C = A Bᵀ, each block every so many tiles; Σ over `inner` runs in order."""
    pool = cuda.shared.array(0, REALS)
    total = cuda.local.array(SQUARE, REALS)
    left = cuda.local.array(REGISTERS, REALS)
    thread = cuda.threadIdx.x
    side = REGISTERS * ACROSS
    width = side + 1
    second = DEPTH * width
    down, right = thread // ACROSS, thread % ACROSS
    wide = (columns + side - 1) // side
    for tile in range(rank, (rows + side - 1) // side * wide, blocks):
        i0, j0 = tile // wide * side, tile % wide * side
        for r in range(SQUARE):
            total[r] = REAL(0)
        for k0 in range(0, inner, DEPTH):
            for e in range(thread, side * DEPTH, THREADS):
                if a_turned:
                    i, k = e % side, e // side
                else:
                    i, k = e // DEPTH, e % DEPTH
                value = REAL(0)
                if i0 + i < rows and k0 + k < inner:
                    row, column = (k0 + k, i0 + i) if a_turned else (i0 + i, k0 + k)
                    if a_map >= 0:
                        row = ints[a_map + row]
                    value = a[a0 + row * a_width + column]
                pool[k * width + i] = value
            for e in range(thread, side * DEPTH, THREADS):
                if b_turned:
                    j, k = e % side, e // side
                else:
                    j, k = e // DEPTH, e % DEPTH
                value = REAL(0)
                if j0 + j < columns and k0 + k < inner:
                    row, column = (k0 + k, j0 + j) if b_turned else (j0 + j, k0 + k)
                    if b_map >= 0:
                        row = ints[b_map + row]
                    value = b[b0 + row * b_width + column]
                pool[second + k * width + j] = value
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
                        row = j
                        if b_map >= 0:
                            row = ints[b_map + j]
                        value += bias * b[bias0 + row]
                    row = i
                    if c_map >= 0:
                        row = ints[c_map + i]
                    place = c0 + row * c_width + j
                    if add:
                        value += c[place]
                    c[place] = value


@device
def multiply(
    work: Array,
    spill: Any,  # where in `work` the rows of the matrix lie that aren't in shared memory
    width: Any,  # from one row of the matrix to the next
    resident: Any,  # rows in shared memory, from its beginning
    inner: Any,  # rows of the matrix, numbers in each of x
    columns: Any,  # of the matrix
    x0: Any,  # where in shared memory x lies [count, inner]
    count: Any,
    out0: Any,  # where in shared memory the partial sums go [PARTS, count, columns]
) -> None:
    """Multiply some vectors with the block's part of a matrix [inner, columns] in the time loop.

    Part p is the sum over rows p, p + PARTS, p + 2 PARTS and so on.  A thread computes four vectors
    times four columns.
    """
    pool = cuda.shared.array(0, REALS)
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
def sum_of_parts(out0: Any, count: Any, columns: Any, s: Any, j: Any) -> Any:
    """Return an element of what `multiply` computed."""
    pool = cuda.shared.array(0, REALS)
    value = pool[out0 + s * columns + j]
    for part in range(1, PARTS):
        value += pool[out0 + (part * count + s) * columns + j]
    return value
