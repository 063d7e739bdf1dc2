"""The matrix products of the CPU backend against NumPy's, for every shape of tile and every edge."""

import numpy as np
import pytest

from lstmcore.backends.cpu.gemm import (
    add_product,
    add_row_product,
    block_size,
    pack,
    pack_transposed,
    packed,
    packed_size,
    panel_width,
    product,
    product_over_frames,
)

SHAPES = [(1, 1), (7, 9), (16, 16), (33, 50), (8, 16), (25, 100), (150, 25)]
ROWS = [*range(1, 14), 17, 49, 61]
TOLERANCE = {np.float32: 2e-6, np.float64: 1e-14}


def _matrix(rows, columns, dtype, seed):
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(dtype)


def _panels(b, memory, width):
    pack(b, memory, width)
    return packed(memory, *b.shape, width)


def _assert_close(found, expected, magnitude, dtype):
    assert found.dtype == dtype
    assert np.abs(found - expected).max() <= TOLERANCE[dtype] * magnitude.max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize(("steps", "columns"), SHAPES)
def test_a_product_is_added_whatever_the_shape(steps, columns, rows, dtype):
    a, b, before = (
        _matrix(rows, steps, dtype, 1),
        _matrix(steps, columns, dtype, 2),
        _matrix(rows, columns, dtype, 3),
    )
    expected = before.astype(np.float64) + a.astype(np.float64) @ b.astype(np.float64)
    magnitude = np.abs(before) + np.abs(a) @ np.abs(b)
    width = panel_width(dtype, rows)
    for packing, matrix in ((pack, b), (pack_transposed, np.ascontiguousarray(b.T))):
        memory = np.full(packed_size(steps, columns, width), np.nan, dtype)
        # A frame of NaN around the result shows that nothing beside it is touched.
        framed = np.full((rows + 2, columns + 2), np.nan, dtype)
        out = framed[1:-1, 1:-1]
        out[:] = before
        packing(matrix, memory, width)
        add_product(a, packed(memory, steps, columns, width), out, rows)
        _assert_close(out, expected, magnitude, dtype)
        framed[1:-1, 1:-1] = np.nan
        assert np.isnan(framed).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_has_the_same_bits_alone_and_among_others(dtype):
    a, b = _matrix(13, 33, dtype, 1), _matrix(33, 50, dtype, 2)

    def product(rows):
        width = panel_width(dtype, len(rows))
        memory = np.empty(packed_size(33, 50, width), dtype)
        out = np.zeros((len(rows), 50), dtype)
        add_product(rows, _panels(b, memory, width), out, len(rows))
        return out

    together = product(a)
    for count in (1, 2, 3, 5, 6, 8, 11):
        np.testing.assert_array_equal(product(a[2 : 2 + count]), together[2 : 2 + count])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("frames", "rows", "columns"), [(1, 1, 1), (5, 7, 9), (130, 61, 17), (1100, 48, 33), (960, 100, 25)]
)
def test_a_product_over_frames(frames, rows, columns, dtype):
    e, x = _matrix(frames, rows, dtype, 1), _matrix(frames, columns, dtype, 2)
    width = panel_width(dtype, 60)
    memory, out = (
        np.full(block_size(rows, columns, width), np.nan, dtype),
        np.full((rows, columns), np.nan, dtype),
    )
    product_over_frames(e, x, memory, width, True, True, 0, rows, out)
    expected, magnitude = e.astype(np.float64).T @ x.astype(np.float64), np.abs(e).T @ np.abs(x)
    _assert_close(out, expected, magnitude, dtype)
    # Again in portions, the last rows by another thread with a memory of its own.
    again, portion, cut = np.full_like(out, np.nan), 240, rows // 2 // width * width
    for first, last in ((0, cut), (cut, rows)):
        memory[:] = np.nan
        for start in range(0, frames, portion):
            some = slice(start, start + portion)
            final = start + portion >= frames
            product_over_frames(e[some], x[some], memory, width, start == 0, final, first, last, again)
    np.testing.assert_array_equal(again, out)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [16, 17, 25, 31, 33, 64, 65, 100, 112, 113, 150, 160, 200, 210, 225, 430])
def test_a_row_times_a_matrix_as_it_lies(columns, dtype):
    row, b, before = _matrix(1, 37, dtype, 1), _matrix(37, columns, dtype, 2), _matrix(1, columns, dtype, 3)
    framed = np.full(columns + 2, np.nan, dtype)
    framed[1:-1] = before[0]
    add_row_product(row[0], b, framed[1:-1])
    width = panel_width(dtype, 1)
    memory = np.empty(packed_size(37, columns, width), dtype)
    add_product(row, _panels(b, memory, width), before, 0)
    np.testing.assert_array_equal(framed[1:-1], before[0])  # the same bits as with packed panels
    assert np.isnan(framed[[0, -1]]).all()


@pytest.mark.parametrize("rows", [1, 5, 130])
def test_a_product_begins_with_the_same_in_every_row(rows):
    a, b, begin = (_matrix(*shape, np.float64, 1) for shape in ((rows, 9), (9, 21), (1, 21)))
    width = panel_width(np.float64, 60)
    out = np.full((rows, 21), np.nan)
    product(a, _panels(b, np.empty(packed_size(9, 21, width)), width), begin[0], out)
    _assert_close(out, begin + a @ b, np.abs(begin) + np.abs(a) @ np.abs(b), np.float64)
