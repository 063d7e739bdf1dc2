"""Features of the set ``song_means`` over time: means of FS1's means over a window around each frame.

DEAM's table has one row per song, the mean over its whole feature file of each ``_amean`` column.  Of a song
whose frames are at hand, each frame gets the mean over a window of about such a length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.config import MEANS
from lstmcore.experiments.datasets.feature_tables import FrameTables, SongMeans, Table
from lstmcore.features import feature_names

Array = NDArray[np.float64]

FRAMES = "FS1"
"""The feature set whose frames the means are taken of."""

MEAN_NAMES = tuple(name for name in feature_names(FRAMES) if name.endswith("_amean"))
"""The 130 columns of DEAM's table."""

_RASTA = "audspecRasta_lengthL1norm_sma_amean"
# In music it is about 1, and its mean at most 3.3 in each of DEAM's 1802 songs.  RASTA filters the logarithm
# of a spectrum: a step from digital silence, such as an MP3 file begins with, takes it to 30, for some tenths
# of a second, and would shift the means of 27 columns over a whole window.
_MOST_RASTA = 3.0
_ROUNDING_SECONDS = 1e-6


def means_around(
    times: Array, rows: Array, seconds: float, counted: NDArray[np.bool_] | None = None
) -> Array:
    """Average rows over a window around each, cut off at the ends of the song.

    Parameters
    ----------
    times
        Of the rows, rising, in seconds, shape (frames,).
    rows
        Shape (frames, features).
    seconds
        Length of the window: rows at most half of it away count.
    counted
        Which rows count, shape (frames,); in a window without any, all of them do.  None: all.

    Returns
    -------
    ndarray
        Shape (frames, features).
    """
    reach = seconds / 2 + _ROUNDING_SECONDS
    first, end = np.searchsorted(times, times - reach), np.searchsorted(times, times + reach, "right")
    some = np.ones(len(times), bool) if counted is None else counted
    number = _between(some[:, None].astype(np.float64), first, end)
    centre = rows.mean(0, dtype=np.float64)  # sums over an hour of what is left lose no digits
    with np.errstate(invalid="ignore"):  # 0 of 0, which the others replace
        means = centre + _between(np.where(some[:, None], rows - centre, 0.0), first, end) / number
    if (number == 0).any():
        return np.where(number == 0, means_around(times, rows, seconds), means)
    return np.asarray(means)


def _between(rows: Array, first: NDArray[np.intp], end: NDArray[np.intp]) -> Array:
    """Sum the rows from some on to others."""
    sums = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0, dtype=np.float64)])
    return np.asarray(sums[end] - sums[first])


def window_means(times: Array, frames: Array, names: Sequence[str], seconds: float) -> Array:
    """Take the means of a song's frames of FS1 around each of them.

    Frames in which sound breaks out of digital silence don't count where others are near.

    Parameters
    ----------
    times
        Of the frames in seconds, shape (frames,).
    frames
        All columns of FS1, shape (frames, 260).
    names
        Columns wanted, of `MEAN_NAMES`.
    seconds
        Length of the window.

    Returns
    -------
    ndarray
        Shape (frames, names).
    """
    place = {name: k for k, name in enumerate(feature_names(FRAMES))}
    counted = frames[:, place[_RASTA]] <= _MOST_RASTA
    chosen = np.asarray(frames[:, [place[name] for name in names]], np.float64)
    return means_around(times, chosen, seconds, counted)


class WindowMeans:
    """The means that a table has of songs, and window means of other songs whose frames of FS1 are at hand.

    Parameters
    ----------
    table
        ``song_mean_features.csv``, with columns of `MEAN_NAMES`; None: there is none.
    frames
        FS1 over time of the others.
    seconds
        Length of the window.
    """

    name = MEANS

    def __init__(self, table: SongMeans | None, frames: FrameTables, seconds: float) -> None:
        self.names = list(MEAN_NAMES) if table is None else table.names
        self._table, self._frames, self._seconds = table, frames, seconds

    def songs(self) -> set[int]:
        """Numbers of the songs with a row in the table, a feature file or audio."""
        return self._frames.songs() | (set() if self._table is None else self._table.songs())

    def table(self, song: int, stamps: list[int] | None) -> Table:
        """Repeat a song's means, or take window means at the time stamps of its frames."""
        if self._table is not None and song in self._table.songs():
            return self._table.table(song, stamps)
        own, rows = self._frames.table(song, stamps)
        return own, window_means(np.array(own) / 1000, rows, self.names, self._seconds)
