"""The matrix products of the CPU backend against NumPy's, for every shape of tile and every edge."""

import numpy as np
import pytest

from lstmcore.backends.cpu_products import (
    add_product,
    block_size,
    pack,
    pack_transposed,
    packed_size,
    panel_width,
    product_over_frames,
)

SHAPES = [(1, 1), (7, 9), (16, 16), (33, 50), (8, 16), (25, 100), (150, 25)]
ROWS = [*range(1, 14), 17, 49, 61]
TOLERANCE = {np.float32: 2e-6, np.float64: 1e-14}


def _matrix(rows, columns, dtype, seed):
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(dtype)


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
        add_product(a, packing(matrix, memory, width), out, rows)
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
        add_product(rows, pack(b, memory, width), out, len(rows))
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
    memory, out = np.full(block_size(columns, width), np.nan, dtype), np.ones((rows, columns), dtype)
    product_over_frames(e, x, memory, width, out)
    expected = 1 + e.astype(np.float64).T @ x.astype(np.float64)
    _assert_close(out, expected, 1 + np.abs(e).T @ np.abs(x), dtype)
