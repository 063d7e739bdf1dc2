"""Standardisation to zero mean and unit standard deviation, from the training set alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstmcore.checks import finite, numbers
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

    Raises
    ------
    EngineError
        If they don't fit each other, a value is not finite, or a scale is not above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import Standardiser
    >>> scaler = Standardiser.fit(np.array([[0.0], [2.0]]))
    >>> scaler.apply(np.array([[1.0]]))
    array([[0.]])
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("mean", "scale"):
            values = numbers(name, getattr(self, name), np.float64)
            if values.ndim != 1:
                raise EngineError(f"{name} has shape {values.shape}; expected a number for each column")
            finite(name, values)
            object.__setattr__(self, name, values)
        if self.mean.shape != self.scale.shape:
            raise EngineError(f"{len(self.mean)} means and {len(self.scale)} scales; expected as many")
        if not (self.scale > 0).all():
            raise EngineError(
                f"column {int(self.scale.argmin())} has the scale {self.scale.min()}; expected above 0"
            )

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
        values = numbers("rows", rows, np.float64)
        if values.ndim != 2 or len(values) == 0 or not np.isfinite(values).all():
            raise EngineError(f"can't standardise shape {values.shape}: expected finite rows and columns")
        with np.errstate(over="ignore", invalid="ignore"):  # the constructor refuses what isn't finite
            mean = values.mean(0)
            scale = values.std(0)
        rounding = 1e-12 * np.abs(values).max(0)
        return cls(mean, np.where(scale > rounding, scale, 1.0))

    def apply(self, rows: ArrayLike) -> NDArray[np.float64]:
        """Standardise, shape (frames, columns)."""
        return (self._rows(rows) - self.mean) / self.scale

    def invert(self, rows: ArrayLike) -> NDArray[np.float64]:
        """Go back to the original scale, shape (frames, columns)."""
        return self._rows(rows) * self.scale + self.mean

    def _rows(self, rows: ArrayLike) -> NDArray[np.float64]:
        values = numbers("rows", rows, np.float64)
        if values.ndim != 2 or values.shape[1] != len(self.mean):
            raise EngineError(f"rows have shape {values.shape}; expected (frames, {len(self.mean)})")
        return values
