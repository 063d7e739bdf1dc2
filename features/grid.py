"""The grid, 2 Hz unless chosen otherwise: row k describes the window from 0.5 k to 0.5 k + 1 seconds.

The time stamp is the start of the window, as in the feature files of the DEAM data
set.  A window counts only when all of its low-level frames exist, so a clip of 45 s
has 88 rows, 0.0 to 43.5 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas

WINDOW_SECONDS = 1.0
HOP_SECONDS = 0.5
RATE_HZ = 2.0
TIME_COLUMN = "frameTime"


def grid_times(rows: int, hop_seconds: float = HOP_SECONDS) -> NDArray[np.float64]:
    """Time stamps of the first rows of the grid.

    Parameters
    ----------
    rows
        How many, at least 0.
    hop_seconds
        Distance of the rows.

    Returns
    -------
    NDArray
        Window starts in seconds, shape (rows,): 0.0, 0.5, 1.0, …

    Raises
    ------
    ValueError
        If `rows` is negative.
    """
    if rows < 0:
        raise ValueError(f"{rows} rows; 0 or more are expected")
    return hop_seconds * np.arange(rows, dtype=np.float64)


def grid_table(
    values: NDArray[Any], names: Sequence[str], hop_seconds: float = HOP_SECONDS
) -> pandas.DataFrame:
    """Put rows of features under their names and times.

    Parameters
    ----------
    values
        Shape (rows, features); not copied.
    names
        One a feature.
    hop_seconds
        Distance of the rows.

    Returns
    -------
    pandas.DataFrame
        ``frameTime`` (seconds, float64), then the features in the type they came in.

    Raises
    ------
    ValueError
        If the number of names is not that of the features.
    """
    import pandas

    table = pandas.DataFrame(values, columns=list(names), copy=False)
    table.insert(0, TIME_COLUMN, grid_times(len(values), hop_seconds))
    return table
