"""Peaks of curves: those that stand out by a contrast, as MIRtoolbox 1.6.1's mirpeaks picks them.

The rules are those of Lartillot's MIRtoolbox; the code is our own.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmcore.features.kernels import peaks_of_rows

Scope = Literal["global", "local"]


class Peaks(NamedTuple):
    """Peaks of rows, row after row.

    Attributes
    ----------
    places
        Shape (peaks,): the column of each peak, rising in each row.
    counts
        Shape (rows,): how many of them are each row's.
    """

    places: NDArray[np.int64]
    counts: NDArray[np.int64]


def pick_peaks(
    curves: NDArray[np.float64],
    contrast: float = 0.1,
    *,
    first: bool = True,
    last: bool = True,
    scope: Scope = "global",
    limits: tuple[float, float] | None = None,
) -> Peaks:
    """Pick the peaks that stand out from their surroundings.

    Curves are scaled so that their minimum is 0 and their maximum 1.  A peak rises above
    the sample before and does not lie below the one after, is at least `contrast` high, and
    stands out by `contrast` from the lowest point on either side before a higher peak.  A
    plateau counts at its first sample.  A constant curve has none.

    Parameters
    ----------
    curves
        Shape (rows, n), or (n,) for a single one; finite.
    contrast
        Between 0 and 1.
    first, last
        Whether the first and the last sample of a row may be peaks.
    scope
        "global": one scale for all rows.  "local": one for each row; a row of only negative
        values has no peak.
    limits
        Minimum and maximum of the scale, where `curves` are a part of all rows; "global" only.

    Returns
    -------
    Peaks
        Their places and the number of them in each row.

    Raises
    ------
    ValueError
        If `curves` is empty or has more than 2 dimensions, or if `scope` is unknown.

    Notes
    -----
    Valleys of curves are the peaks of ``-curves``.  Source: mirpeaks of Lartillot's
    MIRtoolbox 1.6.1, its default normalisation and contrast.
    """
    if curves.ndim not in (1, 2) or curves.size == 0:
        raise ValueError(f"curves of shape {curves.shape}; rows of at least one sample are expected")
    rows = np.ascontiguousarray(np.atleast_2d(curves), dtype=np.float64)
    scales = _scales(rows, scope, limits)
    counts = np.empty(len(rows), np.int64)
    length = rows.shape[1]
    places = np.empty(len(rows) * ((length + 1) // 2) + length, np.int64)
    total = peaks_of_rows(rows, scales, contrast, first, last, np.empty(length), places, counts)
    return Peaks(places[:total].copy(), counts)


def _scales(
    rows: NDArray[np.float64], scope: Scope, limits: tuple[float, float] | None
) -> NDArray[np.float64]:
    if scope == "global":
        low, high = limits or (float(rows.min()), float(rows.max()))
        return np.tile(np.array([low, high]), (len(rows), 1))
    if scope != "local":
        raise ValueError(f"unknown scope {scope!r}; 'global' or 'local' is expected")
    scales = np.stack([rows.min(axis=1), rows.max(axis=1)], axis=1)
    scales[scales[:, 1] < 0] = 0.0  # no room between minimum and maximum: no peaks
    return scales


def refine_peak(positions: NDArray[np.float64], curve: NDArray[np.float64], place: int) -> float:
    """Find the position of a peak between samples: the top of the parabola through three of them.

    Parameters
    ----------
    positions
        Shape (n,): where the samples of the curve lie, rising.
    curve
        Shape (n,).
    place
        Sample at which the peak was picked, 1 … n - 2.

    Returns
    -------
    float
        In the unit of `positions`.

    Raises
    ------
    ValueError
        If `place` has no neighbour on one side.
    """
    if not 0 < place < len(curve) - 1:
        raise ValueError(f"place {place} of {len(curve)} samples; one with two neighbours is expected")
    before, top, after = (float(value) for value in curve[place - 1 : place + 2])
    shift = (after - before) / (2 * (2 * top - after - before))
    neighbour = place + 1 if shift >= 0 else place - 1
    return float(positions[place] + abs(shift) * (positions[neighbour] - positions[place]))
