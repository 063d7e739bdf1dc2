"""Smoothing of predictions: a centred moving average along each song."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.errors import InputError


def check_smoothing(seconds: float, hop_seconds: float | None) -> None:
    """Raise InputError for a window that holds one prediction only."""
    if seconds and hop_seconds is None:
        raise InputError(
            f"predictions.smoothing is {seconds:g}, and no song has two frames to smooth over; "
            "expected 0 (none)"
        )
    if hop_seconds is not None and 0 < seconds < 2 * hop_seconds:
        raise InputError(
            f"predictions.smoothing is {seconds:g}, which reaches no other prediction; expected 0 (none) or "
            f"at least {2 * hop_seconds:g} s: there is one prediction every {hop_seconds:g} s"
        )


def smoothed(curves: NDArray[np.float64], seconds: float, hop_seconds: float | None) -> NDArray[np.float64]:
    """Average each frame with all frames of its song at most half of some seconds away.

    At the ends of the song the window holds what there is of it, so it's no longer centred.

    Parameters
    ----------
    curves
        Predictions of one song, shape (networks, frames, targets).
    seconds
        Width of the window; below two hops nothing changes.
    hop_seconds
        Between two frames; None, unknown, where nothing is smoothed.

    Returns
    -------
    ndarray
        Likewise.
    """
    if not seconds or hop_seconds is None:
        return curves
    reach = math.floor(seconds / (2 * hop_seconds) + 1e-9)  # 0.6 s at 0.1 s: 3 frames, not 2.9999
    if reach == 0:
        return curves
    frames = curves.shape[1]
    at = np.arange(frames)
    begin, end = np.maximum(at - reach, 0), np.minimum(at + reach + 1, frames)
    sums = np.cumsum(np.pad(curves, ((0, 0), (1, 0), (0, 0))), axis=1)
    means: NDArray[np.float64] = (sums[:, end] - sums[:, begin]) / (end - begin)[:, None]
    return means
