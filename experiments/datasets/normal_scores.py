"""Normal scores: each feature by the rank of its value, so that long tails and outliers don't rule.

A value becomes the standard normal quantile of its rank (B. L. van der Waerden, "Order tests for the
two-sample problem and their power", Indagationes Mathematicae 14, 1952).  Ranks are those among the songs
of the auto-encoder, or the development songs if there are none; no target and no official test song
has a say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

POINTS = 1001
MOST = 3.0  # of a score; a value beyond all that were ranked gets it


@dataclass(frozen=True)
class NormalScores:
    """The quantiles that values are ranked by.

    Parameters
    ----------
    quantiles
        Evenly spaced from the smallest value to the largest, shape (points, features).
    """

    quantiles: Array

    @classmethod
    def fit(cls, songs: list[Array]) -> NormalScores:
        """Take the quantiles of all frames of some songs, each of shape (frames, features).

        Feature by feature: songs put together take as much memory as all data, and sorting as much again.
        """
        shares = np.linspace(0, 1, POINTS)
        of_each = [
            np.quantile(np.concatenate([rows[:, k] for rows in songs]), shares)
            for k in range(songs[0].shape[1])
        ]
        return cls(np.stack(of_each, axis=1))

    def apply(self, rows: Array) -> Array:
        """Return the scores of frames, shape (frames, features).

        A value that occurs more than once has the mean of its ranks, so a feature that doesn't vary is 0.
        """
        from scipy.special import ndtri  # no run without normal scores waits for it

        share = np.linspace(0, 1, len(self.quantiles))
        scored = np.empty(rows.shape)
        for k, (values, known) in enumerate(zip(rows.T, self.quantiles.T, strict=True)):
            first = 1 - np.interp(-values, -known[::-1], share)  # of equals: the lowest place,
            last = np.interp(values, known, share)  # and the highest
            scored[:, k] = np.clip(ndtri((first + last) / 2), -MOST, MOST)
        return scored
