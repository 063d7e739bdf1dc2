"""Scores of predictions against annotations: r, RMSE and CCC, by song and pooled.

``per_song`` is the challenge's form: computed for each song, then mean and standard
deviation (divisor N − 1) over songs.  ``pooled`` takes all frames of all songs together,
which is mostly a score of the differences between songs.  Songs that were rated once, as a whole, have
one value each, the mean of their predictions; ``songs`` takes those of all songs together.

Pearson's r of a constant curve is undefined.  It is counted as 0 (a flat curve tells
nothing about the course of a song), and the number of such songs is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.datasets import Song

Curve = NDArray[np.float64]

METRICS = ("r", "rmse", "ccc")
SCOPES = ("per_song", "pooled", "songs")


def pearson(prediction: Curve, annotation: Curve) -> float | None:
    """Pearson's correlation coefficient of two curves, shape (frames,); None if one is constant."""
    a, b = prediction - prediction.mean(), annotation - annotation.mean()
    if _is_constant(prediction) or _is_constant(annotation):
        return None
    return float(np.vdot(a, b) / np.sqrt(np.vdot(a, a) * np.vdot(b, b)))


def rmse(prediction: Curve, annotation: Curve) -> float:
    """Root of the mean squared error of two curves, shape (frames,)."""
    return float(np.sqrt(np.mean((prediction - annotation) ** 2)))


def ccc(prediction: Curve, annotation: Curve) -> float:
    """Lin's concordance correlation coefficient of two curves, shape (frames,).

    2 s_xy / (s_x² + s_y² + (x̄ − ȳ)²) with divisor N (Lin, Biometrics 45, 1989): 0 if one
    curve is constant; 1 for two equal constants.  As for r, what varies by rounding alone is constant.
    """
    if _is_constant(prediction) or _is_constant(annotation):
        return float(_is_constant(np.concatenate([prediction, annotation])))
    covariance = np.mean((prediction - prediction.mean()) * (annotation - annotation.mean()))
    spread = prediction.var() + annotation.var() + (prediction.mean() - annotation.mean()) ** 2
    return float(2 * covariance / spread)


def _is_constant(curve: Curve) -> bool:
    """Whether a curve varies by no more than rounding."""
    return bool(np.ptp(curve) <= 1e-9 * max(1.0, float(np.abs(curve).max())))


_FUNCTIONS: dict[str, Callable[[Curve, Curve], float | None]] = {"r": pearson, "rmse": rmse, "ccc": ccc}


@dataclass(frozen=True)
class Score:
    """One number of the result: a row of ``metrics.json``.

    ``undefined`` counts the songs whose r is undefined and was taken as 0.
    """

    system: str
    set: str
    target: str
    metric: str
    scope: str
    mean: float
    std: float | None
    songs: int
    undefined: int

    def as_row(self) -> dict[str, str | float | int | None]:
        """Return the row as JSON can hold it."""
        return asdict(self)


def score(
    system: str,
    group: str,
    targets: Sequence[str],
    songs: list[Song],
    predictions: list[NDArray[np.float64]],
) -> list[Score]:
    """Score one system on one set of songs.

    Parameters
    ----------
    system, group
        Names of the system and the set.
    targets
        Names of what is annotated.
    songs
        Annotated songs.
    predictions
        Of each song, shape (frames, targets).

    Returns
    -------
    list of Score
        For each target, metric and scope.
    """
    rows = []
    for k, target in enumerate(targets):
        for scope in SCOPES[2:] if rated_once(songs) else SCOPES[:2]:
            for metric in METRICS:
                values = _values(metric, scope, k, songs, predictions)
                undefined = sum(v is None for v in values)
                numbers = np.array([0.0 if v is None else v for v in values])
                std = float(numbers.std(ddof=1)) if scope == "per_song" and len(numbers) > 1 else None
                mean = float(numbers.mean())
                rows.append(Score(system, group, target, metric, scope, mean, std, len(songs), undefined))
    return rows


def compared(song: Song, prediction: NDArray[np.float64], k: int) -> tuple[Curve, Curve]:
    """Return what is compared of a song in one target: prediction and annotation, shape (frames,)."""
    values, annotated = prediction[:, k], song.annotation[:, k]
    return (values.mean(keepdims=True), annotated[:1]) if song.rated_once else (values, annotated)


def rated_once(songs: list[Song]) -> bool:
    """Whether songs were rated as a whole, and have one value each."""
    return any(song.rated_once for song in songs)


def _values(
    metric: str, scope: str, k: int, songs: list[Song], predictions: list[NDArray[np.float64]]
) -> list[float | None]:
    """Return the metric of each song, or of all frames together as the only value, for a target."""
    pairs = [compared(song, p, k) for song, p in zip(songs, predictions, strict=True)]
    if scope == "pooled" or rated_once(songs):
        pairs = [(np.concatenate([p for p, _ in pairs]), np.concatenate([a for _, a in pairs]))]
    return [_FUNCTIONS[metric](p, a) for p, a in pairs]


def criterion(metric: str, scope: str, songs: list[Song], predictions: list[NDArray[np.float64]]) -> float:
    """One number to choose by: the metric's mean over targets, turned so that higher is better.

    Of songs that were rated once there is one value each, whatever the scope.
    """
    targets = range(predictions[0].shape[1])
    values = [v or 0.0 for k in targets for v in _values(metric, scope, k, songs, predictions)]
    mean = float(np.mean(values))
    return -mean if metric == "rmse" else mean
