"""How far a song lies from the songs that a model learnt from.

A song is the mean of its features over time, after the normal scores if the model has them.  Its distance
from the training songs is Mahalanobis' with probabilistic principal components (M. E. Tipping, C. M. Bishop,
"Probabilistic principal component analysis", J. R. Stat. Soc. B 61, 1999): of features that are standardised,
along the leading axes in units of the variance there, and of what lies beside them in units of the mean
variance of the rest; divided by the number of features, so that about 1 is usual.  What is usual is known
from the training songs' own distances, each from the songs of the other folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from lstmcore import Standardiser
from lstmcore.experiments.datasets import Song, SongId
from lstmcore.experiments.jobs.job import Tensors
from lstmcore.experiments.training.folds import Split

Array = NDArray[np.float64]

PREFIX = "novelty_"
FAR = 0.98  # of the training songs lie nearer: a song worth a warning

_FEWEST_SONGS = 6
_SHARE_OF_VARIANCE = 0.9  # on the leading axes
_SONGS_AN_AXIS = 5  # at least: variances along axes of fewer are too small
_LEAST_VARIANCE = 1e-3  # of standardised features
_QUANTILES = 101
_FARTHEST = 1e6  # standard deviations; beyond, it is all the same


@dataclass(frozen=True)
class Novelty:
    """Where the training songs lie, and how far they are from each other.

    Parameters
    ----------
    centre, scale
        Mean and standard deviation of the songs' means, shape (features,).
    axes
        Leading axes of what is standardised, shape (axes, features).
    variances
        Along each of them, and then the mean variance of the rest, shape (axes + 1,).
    distances
        Evenly spaced quantiles of the training songs' own distances, from the least to the largest.
    """

    centre: Array
    scale: Array
    axes: Array
    variances: Array
    distances: Array

    @classmethod
    def fit(cls, folds: Sequence[Array]) -> Novelty | None:
        """Learn from training songs.

        Parameters
        ----------
        folds
            Mean features of the songs of each fold, shape (songs, features).

        Returns
        -------
        Novelty or None
            None for too few songs to tell.
        """
        filled = [fold for fold in folds if len(fold)]
        if len(filled) < 2 or sum(map(len, filled)) < _FEWEST_SONGS:
            return None
        quantiles = np.quantile(np.concatenate(_from_others(filled)), np.linspace(0, 1, _QUANTILES))
        located = _located(np.concatenate(filled))
        return cls(located.centre, located.scale, located.axes, located.variances, quantiles)

    @classmethod
    def of(cls, tensors: Tensors) -> Novelty | None:
        """Take it from a model's arrays; models of before have none."""
        found = {field.name: tensors.get(PREFIX + field.name) for field in fields(cls)}
        arrays = {name: array.astype(np.float64) for name, array in found.items() if array is not None}
        return cls(**arrays) if len(arrays) == len(found) else None

    def as_tensors(self) -> Tensors:
        """Return it as arrays of a model."""
        return {PREFIX + field.name: getattr(self, field.name) for field in fields(self)}

    def distance(self, songs: Array) -> Array:
        """Return how far songs lie from the training songs; about 1 is usual.

        Parameters
        ----------
        songs
            Means of their features, shape (songs, features).
        """
        with np.errstate(over="ignore", invalid="ignore"):  # cut off at once, or of a damaged model
            x = np.clip((songs - self.centre) / self.scale, -_FARTHEST, _FARTHEST)
            along = x @ self.axes.T
            beside = np.maximum((x**2).sum(1) - (along**2).sum(1), 0) / self.variances[-1]
            return np.asarray(np.sqrt(((along**2 / self.variances[:-1]).sum(1) + beside) / x.shape[1]))

    def share_nearer(self, distance: float) -> float:
        """Return the share of the training songs that lie nearer to the others, from 0 to 1."""
        return float(np.interp(distance, self.distances, np.linspace(0, 1, len(self.distances))))


def _located(songs: Array) -> Novelty:
    """Find centre, scales and axes of songs; their own distances aren't known yet."""
    standard = Standardiser.fit(songs)
    _, singular, axes = np.linalg.svd(standard.apply(songs), full_matrices=False)
    variances = singular**2 / max(len(songs) - 1, 1)
    enough = np.searchsorted(np.cumsum(variances), _SHARE_OF_VARIANCE * variances.sum()) + 1
    count = int(max(1, min(enough, len(songs) // _SONGS_AN_AXIS, len(variances))))
    width = songs.shape[1]
    rest = max(variances[count:].sum() / max(width - count, 1), _LEAST_VARIANCE)
    leading = np.append(np.maximum(variances[:count], rest), rest)
    return Novelty(standard.mean, standard.scale, axes[:count], leading, np.zeros(1))


def _from_others(folds: Sequence[Array]) -> list[Array]:
    """Return how far the songs of each fold lie from those of the others."""
    return [
        _located(np.concatenate([*folds[:k], *folds[k + 1 :]])).distance(fold) for k, fold in enumerate(folds)
    ]


def distances_of(split: Split, others: Sequence[Song]) -> dict[SongId, float]:
    """Return how far songs lie from those that their networks learnt from; about 1 is usual.

    Parameters
    ----------
    split
        The development songs: each from those of the other folds.
    others
        Songs that nothing was learnt from: from all of them.

    Returns
    -------
    dict
        By song; empty for too few songs to tell.
    """
    folds = [fold for fold in split.folds if len(fold)]
    if len(folds) < 2 or sum(map(len, folds)) < _FEWEST_SONGS:
        return {}
    means = [np.stack([song.features.mean(0) for song in fold]) for fold in folds]
    found = {
        song.song_id: float(distance)
        for fold, distances in zip(folds, _from_others(means), strict=True)
        for song, distance in zip(fold, distances, strict=True)
    }
    if others:
        distances = _located(np.concatenate(means)).distance(
            np.stack([song.features.mean(0) for song in others])
        )
        found |= {song.song_id: float(d) for song, d in zip(others, distances, strict=True)}
    return found


def novelty_of(split: Split) -> Novelty | None:
    """Learn from the development songs, whose folds tell which are apart from which."""
    return Novelty.fit(
        [np.stack([song.features.mean(0) for song in fold]) for fold in split.folds if len(fold)]
    )
