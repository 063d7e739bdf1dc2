"""Scores song by song, and two systems compared on the same songs.

What a report says of a difference, and what ``lstmcore table`` says of two runs, comes from here. Both are
paired: a song is scored by both systems. ``song_scores.csv`` holds these scores of a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lstmcore.experiments.datasets import SongId
from lstmcore.experiments.scoring.metrics import METRICS, ccc, compared, pearson, rated_once, rmse
from lstmcore.experiments.scoring.statistics import (
    FEWEST_SONGS,
    LEVEL,
    RESAMPLES,
    Array,
    percentile_interval,
    resamples,
)
from lstmcore.experiments.scoring.systems import Predictions

if TYPE_CHECKING:  # takes as long to import as all else together
    import pandas as pd

SONG_SCORES = "song_scores.csv"
"""Name of the file in a run's folder."""
SWAPS = 10_000
"""Random exchanges of the two systems' songs, of which the test is made."""
_MEANS = ("predicted", "annotated")
COLUMNS = (*METRICS, *_MEANS)
"""Columns of a song's row for one target."""


@dataclass(frozen=True)
class BySong:
    """Scores of one system on a set of songs, for one target.

    Parameters
    ----------
    songs
        The songs.
    values
        r (NaN: undefined), RMSE and CCC of each song, then the means of prediction and annotation; shape
        (songs, 5).
    whole
        Whether songs were rated as a whole: then there is one value a song, and scores are of all songs
        together.
    """

    songs: tuple[SongId, ...]
    values: Array
    whole: bool

    def of(self, songs: Sequence[SongId]) -> BySong:
        """Return the scores of some of the songs, in the order given."""
        place = {song: k for k, song in enumerate(self.songs)}
        return BySong(tuple(songs), self.values[[place[song] for song in songs]], self.whole)

    def column(self, name: str) -> Array:
        """Return one of `COLUMNS`, shape (songs,)."""
        return self.values[:, COLUMNS.index(name)]

    def score(self, metric: str) -> float:
        """Return the score of all songs: the mean over songs, or that of one value a song."""
        return float(_scores(metric, self.whole, self.values[None])[0])


@dataclass(frozen=True)
class Difference:
    """One system's score less another's, on the same songs.

    ``low`` and ``high`` bound its 95 % interval, a bootstrap over songs; ``p`` is two-sided, of random
    exchanges of the two systems' songs.  None where there are fewer songs than that takes.
    """

    metric: str
    songs: int
    one: float
    other: float
    low: float | None
    high: float | None
    p: float | None

    @property
    def value(self) -> float:
        """The difference."""
        return self.one - self.other

    @property
    def shown(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high

    @property
    def better(self) -> bool:
        """Whether the one scores better than the other, be it shown or not."""
        return self.value < 0 if self.metric == "rmse" else self.value > 0


def by_song(predictions: Predictions, k: int) -> BySong:
    """Score what a system predicts of each song in its k-th target."""
    songs, whole = predictions.songs, rated_once(predictions.songs)
    rows = []
    for song, values in zip(songs, predictions.values, strict=True):
        predicted, annotated = compared(song, values, k)
        r = None if whole else pearson(predicted, annotated)
        scores = (np.nan if r is None else r, rmse(predicted, annotated))
        rows.append(
            (*scores, np.nan if whole else ccc(predicted, annotated), predicted.mean(), annotated.mean())
        )
    return BySong(tuple(song.song_id for song in songs), np.array(rows, np.float64), whole)


def song_table(predictions: list[Predictions], targets: Sequence[str]) -> pd.DataFrame:
    """Make the table of scores by song: a row for each set, system, song and target."""
    import pandas as pd

    parts = []
    for one in predictions:
        for k, target in enumerate(targets):
            found = by_song(one, k)
            frame = pd.DataFrame(found.values, columns=list(COLUMNS))
            frame.insert(0, "set", one.group)
            frame.insert(1, "system", one.system)
            frame.insert(2, "song_id", [*found.songs])
            frame.insert(3, "target", target)
            parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def difference(
    metric: str, one: BySong, other: BySong, generator: np.random.Generator, *, test: bool = False
) -> Difference:
    """Compare two systems on the songs that both have, in their order in `one`.

    The interval is the percentile interval of resampled songs. The test exchanges the two systems' values
    of songs at random: if neither is better, any such exchange is as likely as what was found (B. Efron and
    R. Tibshirani, An Introduction to the Bootstrap, 1993, ch. 15).

    Parameters
    ----------
    metric
        One of `METRICS`.
    one, other
        Scores by song.
    generator
        Draws songs and exchanges.
    test
        Whether p is wanted.
    """
    common = [song for song in one.songs if song in set(other.songs)]
    a, b, whole = one.of(common).values, other.of(common).values, one.whole
    scores = [float(_scores(metric, whole, x[None])[0]) for x in (a, b)]
    low = high = p = None
    if len(common) >= FEWEST_SONGS:
        drawn = resamples(len(common), RESAMPLES, generator)
        values = _scores(metric, whole, a[None], drawn) - _scores(metric, whole, b[None], drawn)
        low, high = percentile_interval(values, LEVEL) or (None, None)
        p = _exchanged(metric, whole, a, b, generator) if test else None
    return Difference(metric, len(common), scores[0], scores[1], low, high, p)


def interval(metric: str, one: BySong, generator: np.random.Generator) -> tuple[float, float] | None:
    """Return the 95 % interval of a score, a bootstrap over songs; None for too few songs."""
    if len(one.songs) < FEWEST_SONGS:
        return None
    drawn = resamples(len(one.songs), RESAMPLES, generator)
    return percentile_interval(_scores(metric, one.whole, one.values[None], drawn), LEVEL)


def _exchanged(metric: str, whole: bool, a: Array, b: Array, generator: np.random.Generator) -> float:
    """Return p of the exchanges, in blocks: there may be many songs."""
    found = abs(float(_scores(metric, whole, a[None])[0] - _scores(metric, whole, b[None])[0]))
    as_large, block = 1, 1000
    for _ in range(0, SWAPS, block):
        swapped = (generator.random((block, len(a))) < 0.5)[:, :, None]
        one, other = np.where(swapped, b, a), np.where(swapped, a, b)
        drawn = np.abs(_scores(metric, whole, one) - _scores(metric, whole, other))
        as_large += int((drawn >= found * (1 - 1e-9)).sum())
    return as_large / (SWAPS + 1)


def _scores(metric: str, whole: bool, values: Array, weights: Array | None = None) -> Array:
    """Score samples: either other values in each, shape (samples, songs, 5), or other weights of songs."""
    if weights is None:
        weights = np.ones((1, values.shape[1]))
    weights = weights / weights.sum(1, keepdims=True)

    def mean(x: Array) -> Array:
        return np.asarray((weights * x).sum(1))

    if not whole:
        return mean(np.nan_to_num(values[:, :, METRICS.index(metric)]))
    x, y = values[:, :, COLUMNS.index("predicted")], values[:, :, COLUMNS.index("annotated")]
    if metric == "rmse":
        return np.sqrt(mean((x - y) ** 2))
    x_mean, y_mean = mean(x), mean(y)
    both = mean(x * y) - x_mean * y_mean
    xx, yy = mean(x * x) - x_mean**2, mean(y * y) - y_mean**2
    below = np.sqrt(np.maximum(xx * yy, 0)) if metric == "r" else (xx + yy + (x_mean - y_mean) ** 2) / 2
    defined = (xx > 1e-12) & (yy > 1e-12)
    return np.where(defined, both / np.where(defined, below, 1), 0.0)
