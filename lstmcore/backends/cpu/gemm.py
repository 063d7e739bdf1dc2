"""Matrix products: the right factor laid out in panels, the result computed tile by tile.

A panel holds some columns of a matrix side by side, padded with zeros to a whole number of
vectors: what a tile reads of it is contiguous.  A matrix that many rows are multiplied with is
packed once, transposed on the way where need be.  A panel is two vectors wide; if there are
only one to three rows, four or eight, because that many independent sums keep the arithmetic busy.

Every element of a product is added up in the order of k, whatever the number of rows: a
sequence's outputs have the same bits alone and among others.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import DTypeLike

from lstmcore.backends.cpu.tiles import (
    VECTOR_BYTES,
    add_row,
    add_tile,
    copy_vectors,
    fetch,
    lanes,
    transpose_square,
)
from lstmcore.jit import inlined, kernel, woven

Array = Any

_CHUNK = 48  # rows that stay in the second-level cache while all panels pass
_SQUARE = 8  # rows that are packed at a time
_HEIGHT = 6  # rows of a tile, or a few more where there are registers: then twelve sums at least
_TALLEST = 11 if VECTOR_BYTES == 64 else _HEIGHT
_FRAMES = 120  # frames of a block in a product over frames: each block is a sum of its own


def panel_width(dtype: DTypeLike, rows: int) -> int:
    """Columns of a panel that suits a product of so many rows."""
    vectors = 8 if rows == 1 else 4 if rows <= 3 else 2
    return vectors * lanes(dtype)


def packed_size(steps: int, columns: int, width: int) -> int:
    """Length of the memory that a matrix [steps, columns] needs in panels of some width."""
    return -(-columns // width) * width * steps


kernel_packed_size = inlined(packed_size)


def block_size(rows: int, columns: int, width: int) -> int:
    """Length of the memory that `product_over_frames` needs for a result [rows, columns]."""
    return _FRAMES * (width + columns) + packed_size(columns, rows, width)


def packed(
    memory: Array,  # [at least packed_size]
    steps: Any,
    columns: Any,
    width: Any,
) -> Any:
    """Return the panels of a matrix [steps, columns] that lie in memory, packed before or to be packed."""
    count = (columns + width - 1) // width
    return memory[: count * steps * width].reshape((count, steps, width))


kernel_packed = woven(packed)


@kernel
def pack(
    b: Array,  # [K, M]
    memory: Array,  # [at least packed_size]
    width: Any,
) -> None:
    """Lay b out in panels [M / width, K, width]: `packed` returns them."""
    pack_rows(b, memory, width, 0, b.shape[0])


@kernel
def pack_rows(
    b: Array,  # [K, M]
    memory: Array,  # [at least packed_size]
    width: Any,
    first: Any,  # the first row that is laid out
    last: Any,  # behind the last
) -> None:
    """Lay some rows of b out in panels [M / width, K, width]."""
    steps, columns = b.shape
    panels = kernel_packed(memory, steps, columns, width)
    pair = 2 * (VECTOR_BYTES // b.itemsize)
    for top in range(first, last, _SQUARE):
        bottom = min(top + _SQUARE, last)
        for left in range(0, panels.shape[0] * width, pair):
            target = panels[left // width, :, left % width :]
            if left + pair <= columns:
                for k in range(top, bottom):
                    copy_vectors(b[k, left:], target[k], 2)
            else:
                for k in range(top, bottom):
                    for j in range(left, left + pair):
                        target[k, j - left] = b[k, j] if j < columns else 0


@kernel
def pack_transposed(
    b: Array,  # [M, K]
    memory: Array,  # [at least packed_size]
    width: Any,
) -> None:
    """Lay the transpose of b out in panels [M / width, K, width]."""
    columns, steps = b.shape
    panels = kernel_packed(memory, steps, columns, width)
    side = VECTOR_BYTES // b.itemsize
    whole = steps - steps % side
    for q in range(panels.shape[0]):
        panel, first, filled = panels[q], q * width, 0
        while filled < width and first + filled + side <= columns:
            filled += side
        for k in range(0, whole, side):  # what is written lies together
            for left in range(0, filled, side):
                transpose_square(b[first + left :, k:], panel[k:, left:])
        for k in range(steps):
            for j in range(0 if k >= whole else filled, width):
                panel[k, j] = b[first + j, k] if first + j < columns else 0


@kernel
def add_product(
    a: Array,  # [n, K]
    panels: Array,  # of b: [M / width, K, width]
    out: Array,  # added to [n, M]
    turn: Any,  # odd: the last panel first
) -> None:
    """Add a · b to `out`.

    Who multiplies with the same panels again and again takes them in turn from the first to the
    last and back: the cache then still holds what comes first.
    """
    rows, width, count = a.shape[0], panels.shape[2], panels.shape[0]
    vector = VECTOR_BYTES // a.itemsize
    for top in range(0, rows, _CHUNK):
        bottom = min(top + _CHUNK, rows)
        for q in range(count):
            p = count - 1 - q if turn % 2 else q
            columns = out[:, p * width : (p + 1) * width]
            if width > 2 * vector:
                _wide(a, panels[p], columns, top, bottom, vector)
            elif columns.shape[1] > vector:
                _narrow(a, panels[p], columns, top, bottom)
            else:  # of the last panel only half is filled
                _narrow_half(a, panels[p], columns, top, bottom)


def _tiles(vectors: int) -> Any:
    """Make the function that computes so many vectors of a narrow panel for some rows."""

    @inlined
    def compute(
        a: Array,  # [n, K]
        b: Array,  # panel two vectors wide [K, width]
        out: Array,  # columns of the result, added to [n, up to width]
        top: Any,  # first row
        bottom: Any,  # behind the last row
    ) -> None:
        # About equal heights: one or two rows alone are too few sums to keep the arithmetic busy.
        s, tiles = top, (bottom - top + _TALLEST - 1) // _TALLEST
        if vectors == 2:
            tiles = max(tiles, (bottom - top) // _HEIGHT)
        while s < bottom:
            height = (bottom - s + tiles - 1) // tiles
            if height == 11:
                add_tile(a[s:], b, out[s:], 11, vectors)
            elif height == 10:
                add_tile(a[s:], b, out[s:], 10, vectors)
            elif height == 9:
                add_tile(a[s:], b, out[s:], 9, vectors)
            elif height == 8:
                add_tile(a[s:], b, out[s:], 8, vectors)
            elif height == 7:
                add_tile(a[s:], b, out[s:], 7, vectors)
            elif height == 6:
                add_tile(a[s:], b, out[s:], 6, vectors)
            elif height == 5:
                add_tile(a[s:], b, out[s:], 5, vectors)
            elif height == 4:
                add_tile(a[s:], b, out[s:], 4, vectors)
            elif height == 3:
                add_tile(a[s:], b, out[s:], 3, vectors)
            elif height == 2:
                add_tile(a[s:], b, out[s:], 2, vectors)
            else:
                add_tile(a[s:], b, out[s:], 1, vectors)
            s += height
            tiles -= 1

    return compute


_narrow, _narrow_half = _tiles(2), _tiles(1)


@inlined
def _wide(
    a: Array,  # [n, K]
    b: Array,  # panel four or eight vectors wide [K, width]
    out: Array,  # columns of the result, added to [n, up to width]
    top: Any,  # first row
    bottom: Any,  # behind the last row
    vector: Any,  # columns of a vector
) -> None:
    columns = out.shape[1]
    s = top
    while s < bottom:
        left = 0
        if bottom - s >= 3:
            taken = 3
            while left < columns:
                add_tile(a[s:], b[:, left:], out[s:, left:], 3, 4)
                left += 4 * vector
        elif bottom - s == 2:
            taken = 2
            while left < columns:
                add_tile(a[s:], b[:, left:], out[s:, left:], 2, 4)
                left += 4 * vector
        else:
            taken = 1
            while columns - left >= 8 * vector:
                add_tile(a[s:], b[:, left:], out[s:, left:], 1, 8)
                left += 8 * vector
            while columns - left > 2 * vector:
                add_tile(a[s:], b[:, left:], out[s:, left:], 1, 4)
                left += 4 * vector
            if left < columns:
                add_tile(a[s:], b[:, left:], out[s:, left:], 1, 2)
        s += taken


@kernel
def product(
    a: Array,  # [n, K]
    panels: Array,  # of b: [M / width, K, width]
    begin: Array,  # [M]
    out: Array,  # overwritten [n, M]
) -> None:
    """Overwrite each row of `out` with `begin` and add a · b, some rows at a time: they stay in the cache."""
    for top in range(0, a.shape[0], _CHUNK):
        bottom = min(top + _CHUNK, a.shape[0])
        for s in range(top, bottom):
            for j in range(begin.shape[0]):
                out[s, j] = begin[j]
        add_product(a[top:bottom], panels, out[top:bottom], 0)


@kernel
def add_row_product(
    a: Array,  # [K]
    b: Array,  # [K, M], M at least a vector
    out: Array,  # added to [M]
) -> None:
    """Add a · b to `out`: one row, and a matrix as it lies, since packing it would cost more."""
    vector, columns, left = VECTOR_BYTES // a.itemsize, out.shape[0], 0
    while left < columns:
        vectors = (columns - left + vector - 1) // vector
        if vectors > 10:
            add_row(a, b, out, left, 13)
            left += 13 * vector
        elif vectors > 7:
            add_row(a, b, out, left, 10)
            left += 10 * vector
        elif vectors > 4:
            add_row(a, b, out, left, 7)
            left += 7 * vector
        else:
            add_row(a, b, out, left, 4)
            left += 4 * vector


@kernel
def product_over_frames(
    e: Array,  # [N, M]
    x: Array,  # [N, K]
    memory: Array,  # scratch [at least block_size of M and K]; between two calls it holds what was summed up
    width: Any,  # of a narrow panel
    fresh: Any,  # whether these frames are the first
    final: Any,  # whether they are the last: only then `out` is written
    upper: Any,  # the first row of `out` that is wanted, a multiple of `width`
    lower: Any,  # behind the last
    out: Array,  # overwritten [M, K]
) -> None:
    """Sum up over frames the outer products, eᵀ x: some rows of it.

    It is computed as xᵀ e, some columns of e at a time, which are read where they lie: x is the smaller one
    to transpose, and the columns of e are whole panels.
    """
    columns = x.shape[1]
    one_block = fresh and final and x.shape[0] <= _FRAMES  # of no strip is anything kept: they share a place
    edge = memory[: _FRAMES * width].reshape((_FRAMES, width))
    turned, sums = memory[_FRAMES * width :], memory[_FRAMES * (width + columns) :]
    for first in range(0, x.shape[0], _FRAMES):
        end = min(first + _FRAMES, x.shape[0])
        block = turned[: columns * (end - first)].reshape((columns, end - first))
        _transpose(x[first:end], block)
        for left in range(upper, lower, width):
            place = 0 if one_block else left * columns
            strip = sums[place : place + columns * width].reshape((columns, width))
            if fresh and first == 0:
                for k in range(columns):
                    for j in range(width):
                        strip[k, j] = 0
            if left + width < lower:
                _fetch_columns(e[first:end, left + width : left + 2 * width])
            else:
                _fetch_columns(e[end : end + _FRAMES, upper : upper + width])
            if left + width <= e.shape[1]:
                _narrow(block, e[first:end, left : left + width], strip, 0, columns)
            else:  # nothing may be read behind the last column
                for n in range(end - first):
                    for j in range(width):
                        edge[n, j] = e[first + n, left + j] if left + j < e.shape[1] else 0
                _narrow(block, edge[: end - first, :width], strip, 0, columns)
            if final and end == x.shape[0]:
                right = min(left + width, lower)
                _transpose(strip[:, : right - left], out[left:right])


@inlined
def _fetch_columns(
    e: Array,  # [N, up to two vectors]
) -> None:
    """Have some columns come while others are computed: the processor doesn't guess so few of a row."""
    vector, columns = VECTOR_BYTES // e.itemsize, e.shape[1]
    for n in range(e.shape[0]):
        for j in range(min(vector, columns) - 1, columns, vector):
            fetch(e, n, j)


@inlined
def _transpose(
    e: Array,  # [N, M]
    chunk: Array,  # out [M, N]
) -> None:
    frames, columns = e.shape
    side = VECTOR_BYTES // e.itemsize
    whole, whole_columns = frames - frames % side, columns - columns % side
    for n in range(0, whole, side):
        for j in range(0, whole_columns, side):
            transpose_square(e[n:, j:], chunk[j:, n:])
    for n in range(frames):
        for j in range(whole_columns if n < whole else 0, columns):
            chunk[j, n] = e[n, j]


@kernel
def column_sums(
    rows: Array,  # [N, E]
    factor: Any,
    first: Any,  # the first column that is wanted
    last: Any,  # behind the last
    sums: Array,  # factor · Σ rows, added to [E]
) -> None:
    """Sum up some columns over frames: the gradient of the bias weights."""
    wanted = sums[first:last]
    for n in range(rows.shape[0]):
        row = rows[n, first:last]
        for j in range(wanted.shape[0]):  # from 0, or LLVM doesn't vectorise
            wanted[j] += factor * row[j]
