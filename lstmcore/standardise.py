"""Standardisation to zero mean and unit standard deviation, from the training set alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstmcore.errors import EngineError


@dataclass(frozen=True)
class Standardiser:
    """Means and scales of the columns of a matrix.

    Parameters
    ----------
    mean
        Shape (columns,), float64.
    scale
        Standard deviation (divisor N, as in the field's other tools for features), or 1
        for a constant column, shape (columns,), float64.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(cls, rows: ArrayLike) -> Standardiser:
        """Take means and standard deviations of all frames of the training set.

        Parameters
        ----------
        rows
            Shape (frames, columns).

        Returns
        -------
        Standardiser
            A column that doesn't vary, or only by rounding, gets the scale 1: it becomes 0
            instead of a division by zero.

        Raises
        ------
        EngineError
            If there is no row or a value is not finite.
        """
        values = np.asarray(rows, np.float64)
        if values.ndim != 2 or len(values) == 0 or not np.isfinite(values).all():
            raise EngineError(f"can't standardise shape {values.shape}: expected finite rows and columns")
        mean = values.mean(0)
        scale = values.std(0)
        rounding = 1e-12 * np.abs(values).max(0)
        return cls(mean, np.where(scale > rounding, scale, 1.0))

    def apply(self, rows: ArrayLike) -> NDArray[np.float64]:
        """Standardise, shape (frames, columns)."""
        return (np.asarray(rows, np.float64) - self.mean) / self.scale

    def invert(self, rows: ArrayLike) -> NDArray[np.float64]:
        """Go back to the original scale, shape (frames, columns)."""
        return np.asarray(rows, np.float64) * self.scale + self.mean
