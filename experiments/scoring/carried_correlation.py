"""Whether networks are misled by a correlation of two targets that other songs haven't got.

The paper suspects it of arousal and valence: its development songs have a high correlation and its test
songs don't, so "the models are picking up on this particularity", with "unwanted effects" (sec. 3).  A
network that takes much arousal for much valence errs in one direction: where it predicts much arousal, it
predicts too much valence.  So the measure, of any two targets, is Pearson's r of the error of the second
(prediction less annotation) with the prediction of the first.  In cross-validation, on songs like those it
was trained on, little of it is expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.scoring.metrics import pearson
from lstmcore.experiments.scoring.statistics import LEVEL, bootstrap_correlations, percentile_interval
from lstmcore.experiments.scoring.systems import Predictions

Frames = NDArray[np.float64]
Bounds = tuple[float, float] | None


class Pair(NamedTuple):
    """Two targets of a data set; ``told`` names them where there are others."""

    names: tuple[str, str]
    columns: list[int]
    told: str = ""


def pairs_of(targets: Sequence[str]) -> list[Pair]:
    """Return all pairs of targets, in their order; of one target none."""
    return [
        Pair((first, second), [k, n], f" ({first}, {second})" if len(targets) > 2 else "")
        for (k, first), (n, second) in combinations(enumerate(targets), 2)
    ]


@dataclass(frozen=True)
class CarriedRow:
    """Correlations in the predictions of one system for a set of songs, over all frames.

    ``annotated`` and ``predicted`` are r of the first target with the second; ``error`` is r of the second's
    error with the predicted first, and ``low`` and ``high`` bound its 95 % bootstrap interval over songs.
    """

    system: str
    set: str
    songs: int
    annotated: float | None
    predicted: float | None
    error: float | None
    low: float | None
    high: float | None
    first: str
    second: str


@dataclass(frozen=True)
class Misled:
    """What `CarriedRow` says of a test set; ``misled`` is None where it can't be decided."""

    set: str
    misled: bool | None
    sentence: str
    first: str
    second: str


@dataclass(frozen=True)
class Carried:
    """A row, and the r of its error in resamples of songs."""

    row: CarriedRow
    drawn: Frames


def carried(predictions: Predictions, pair: Pair, generator: np.random.Generator) -> Carried:
    """Measure one system's predictions of a set.

    Parameters
    ----------
    predictions
        What it says of the songs.
    pair
        The two targets.
    generator
        Draws the songs of the bootstrap.

    Returns
    -------
    Carried
        The row and its resamples.
    """
    songs, (one, other) = predictions.songs, pair.columns
    annotated = np.concatenate([song.annotation[:, pair.columns] for song in songs])
    predicted = np.concatenate([v[:, pair.columns] for v in predictions.values])
    pairs = [
        np.column_stack([v[:, one], v[:, other] - song.annotation[:, other]])
        for song, v in zip(songs, predictions.values, strict=True)
    ]
    drawn = bootstrap_correlations(pairs, generator)
    low, high = percentile_interval(drawn, LEVEL) or (None, None)
    error = pearson(*np.concatenate(pairs).T)
    row = CarriedRow(
        predictions.system,
        predictions.group,
        len(songs),
        pearson(*annotated.T),
        pearson(*predicted.T),
        error,
        low,
        high,
        *pair.names,
    )
    return Carried(row, drawn)


def judge(home: Carried, test: Carried, differ: bool | None, title: str) -> Misled:
    """Return whether the networks are misled in a test set.

    They are where three things are shown: the two targets correlate less there than in the training songs;
    the error of the second rises with the predicted first; and more so than in cross-validation.

    Parameters
    ----------
    home, test
        The cross-validation and the test set.
    differ
        Whether the annotations' correlation is shown to be lower than in the training songs.
    title
        Name of the test set for people.

    Returns
    -------
    Misled
        The verdict and its sentence.
    """
    bounds = percentile_interval(test.drawn - home.drawn, LEVEL)
    return verdict(home.row, test.row, bounds, differ, title)


def verdict(at_home: CarriedRow, row: CarriedRow, bounds: Bounds, differ: bool | None, title: str) -> Misled:
    """Return whether networks are misled in a test set, from what was measured.

    Parameters
    ----------
    at_home, row
        In cross-validation and in the test set.
    bounds
        Of the r of the error in the test set less that in cross-validation: its 95 % interval.
    differ, title
        As for `judge`.

    Returns
    -------
    Misled
        The verdict and its sentence.
    """
    names = row.first, row.second
    if bounds is None or row.low is None or row.error is None or at_home.error is None or differ is None:
        return Misled(row.set, None, f"{title}: whether the networks are misled by it can't be told.", *names)
    misled = differ and row.low > 0 and bounds[0] > 0
    figures = (
        f"the error of {row.system} in {row.second} goes with the {row.first} it predicts with r = "
        f"{row.error:.2f} ({row.low:.2f} to {row.high:.2f}), in cross-validation with {at_home.error:.2f}; "
        f"difference {row.error - at_home.error:.2f} ({bounds[0]:.2f} to {bounds[1]:.2f})"
    )
    if misled:
        said = "the correlation of the training songs misleads the networks"
    elif differ:
        said = "that the correlation of the training songs misleads the networks isn't shown"
    else:
        said = "the networks aren't shown to be misled, nor is there a lower correlation to be misled by"
    return Misled(row.set, misled, f"{title}: {said}: {figures}.", *names)
