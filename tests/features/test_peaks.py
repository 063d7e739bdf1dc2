"""Peak picking: contrast, edges, plateaus, scales, and the top between samples."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from lstmcore.features.peaks import pick_peaks, refine_peak

CURVES = arrays.arrays(np.float64, st.integers(1, 40), elements=st.integers(-8, 8).map(float))


@pytest.mark.parametrize(
    ("curve", "contrast", "expected"),
    [
        ([0, 5, 0, 9, 0], 0.1, [1, 3]),
        ([0, 9, 8.5, 9.5, 0], 0.1, [3]),  # too shallow between them: only the higher one
        ([0, 9.5, 8.5, 9, 0], 0.1, [1]),
        ([0, 9, 7, 9, 0], 0.1, [1, 3]),
        ([0, 10, 9.5, 10, 0], 0.1, [1]),  # of equals the first
        ([0, 4, 4, 4, 0], 0.1, [1]),  # a plateau counts at its first sample
        ([0, 0.5, 0, 10, 0], 0.1, [3]),  # too low
        ([5, 5, 5], 0.1, []),
        ([3, 1, 2], 0.1, [0, 2]),
        ([7], 0.1, []),
    ],
)
def test_peaks_of_small_curves(curve: list[float], contrast: float, expected: list[int]) -> None:
    assert pick_peaks(np.array(curve, float), contrast).places.tolist() == expected


def test_edges_count_where_they_may() -> None:
    curve = np.array([3.0, 1.0, 2.0])
    assert pick_peaks(curve, first=False).places.tolist() == [2]
    assert pick_peaks(curve, last=False).places.tolist() == [0]
    assert pick_peaks(curve, first=False, last=False).places.tolist() == []
    assert pick_peaks(-curve, first=False, last=False).places.tolist() == [1]  # a valley


def test_one_scale_for_all_rows_or_one_for_each() -> None:
    curves = np.array([[0.0, 100.0, 0.0, 0.0], [0.0, 1.0, 0.0, 2.0], [-3.0, -2.0, -3.0, -3.0]])
    together = pick_peaks(curves)
    assert together.counts.tolist() == [1, 0, 0]
    apart = pick_peaks(curves, scope="local")
    assert apart.counts.tolist() == [1, 2, 0]  # a row of only negative values has none
    assert apart.places.tolist() == [1, 1, 3]
    part = pick_peaks(curves[1:2], limits=(0.0, 100.0))
    assert part.counts.tolist() == [0]


def lowest_before_a_higher(curve: NDArray[np.float64], step: int, edge: float) -> NDArray[np.float64]:
    """Of each sample: the lowest point on one side before a higher one, or the end (`edge`)."""
    out = np.empty(len(curve))
    for i in range(len(curve)):
        low, j = np.inf, i + step
        while 0 <= j < len(curve) and curve[j] <= curve[i]:
            low, j = min(low, curve[j]), j + step
        out[i] = low if 0 <= j < len(curve) else min(low, edge)
    return out


@given(
    curve=CURVES, contrast=st.sampled_from([0.01, 0.1, 0.3]), edges=st.tuples(st.booleans(), st.booleans())
)
@settings(deadline=None)
def test_what_is_picked_stands_out_and_what_stands_out_is_picked(
    curve: NDArray[np.float64], contrast: float, edges: tuple[bool, bool]
) -> None:
    curve = curve + 1e-7 * np.arange(len(curve))  # no two samples alike
    places = pick_peaks(curve, contrast, first=edges[0], last=edges[1]).places
    if np.ptp(curve) == 0:
        assert len(places) == 0
        return
    scaled = (curve - curve.min()) / np.ptp(curve)
    left = lowest_before_a_higher(scaled, -1, -np.inf if edges[0] else np.inf)
    right = lowest_before_a_higher(scaled, 1, -np.inf if edges[1] else np.inf)
    expected = (scaled >= contrast) & (scaled - left >= contrast) & (scaled - right >= contrast)
    assert places.tolist() == np.flatnonzero(expected).tolist()


def test_the_top_of_a_parabola() -> None:
    positions = np.arange(5) / 10
    for top in (0.17, 0.2, 0.23):
        assert refine_peak(positions, 3 - (positions - top) ** 2, 2) == pytest.approx(top)
    with pytest.raises(ValueError, match="place 0 of 5 samples"):
        refine_peak(positions, positions, 0)


def test_what_is_no_curve_is_refused() -> None:
    for shape in ((0,), (3, 0), (2, 2, 2)):
        with pytest.raises(ValueError, match="rows of at least one sample are expected"):
            pick_peaks(np.zeros(shape))
    with pytest.raises(ValueError, match="unknown scope 'frame'"):
        pick_peaks(np.zeros(3), scope="frame")
