"""Linear regression of songs' frames: least squares with a rank, and a ridge that chooses its penalty.

Frames enter as the triangular factor of a QR decomposition of the rows (1, features, targets), song after
song, so that the design matrix is never there as a whole: of many songs it is large.  All else follows from
the factor without forming products, which would lose half the digits (G. H. Golub, C. F. Van Loan,
"Matrix Computations", 4th edition, sections 5.3 and 6.1.4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore import Standardiser
from lstmcore.experiments.datasets import Song
from lstmcore.experiments.training.folds import Groups, dealt
from lstmcore.experiments.training.sets import standardiser_of

Array = NDArray[np.float64]

# Features are computed in single precision: what varies by less, beside what varies most, is their rounding.
RANK_TOLERANCE = float(np.finfo(np.float32).eps)
PENALTIES = 10.0 ** np.arange(-6, 6.5, 0.5)
"""Of a ridge, beside the mean squared error: a standardised feature alone is shrunk by 1 + penalty.

Beyond the least there is little but least squares, and beyond the largest nothing but the mean."""
GROUPS = 5
_ROWS = 4096  # of the design matrix at once, or of one with memory a third

Part = Callable[[Array], Array]
"""Makes as many columns of a song's features, shape (frames before + frames, features)."""


def frame(heard: Array) -> Array:
    """Leave the features as they are."""
    return heard


def memory(window: int) -> tuple[Part, Part, Part]:
    """Return what a regression with memory sees: the frame, the mean of the last frames, that of all so far.

    Parameters
    ----------
    window
        How many are the last, the frame itself included.
    """

    def lately(heard: Array) -> Array:
        sums = np.cumsum(np.concatenate([np.zeros_like(heard[:1]), heard]), axis=0)
        end = np.arange(1, len(heard) + 1)
        begin = np.maximum(end - window, 0)
        means: Array = (sums[end] - sums[begin]) / (end - begin)[:, None]
        return means

    def so_far(heard: Array) -> Array:
        means: Array = np.cumsum(heard, axis=0) / np.arange(1, len(heard) + 1)[:, None]
        return means

    return frame, lately, so_far


@dataclass(frozen=True)
class Regression:
    """A fitted regression.

    Parameters
    ----------
    parts
        What is seen of a song's features.
    inputs
        Standardises each of the parts.
    weights
        Of the standardised columns of all parts, shape (parts × features, targets).
    level
        Of a frame with mean features, shape (targets,).
    penalties
        One a target; 0 of least squares.
    """

    parts: tuple[Part, ...]
    inputs: tuple[Standardiser, ...]
    weights: Array
    level: Array
    penalties: tuple[float, ...]

    def predict(self, song: Song) -> Array:
        """Predict a song, shape (frames, targets)."""
        return _design(song, self.parts, self.inputs) @ self.weights + self.level


class Frames:
    """Frames of annotated songs, dealt out to groups of whole songs.

    Parameters
    ----------
    songs
        At least one.
    parts
        What the regression sees of a song's features.
    kept_together
        Songs that are left out together when a penalty is tried, by song; empty: none need be.
    """

    def __init__(
        self, songs: list[Song], parts: tuple[Part, ...] = (frame,), kept_together: Groups | None = None
    ) -> None:
        self._parts = parts
        self._inputs = tuple(standardiser_of(songs, partial(_part, part)) for part in parts)
        self._targets = songs[0].annotation.shape[1]
        left_out_together = _grouped(songs, kept_together or {})
        self._groups = [_factor(group, parts, self._inputs) for group in left_out_together]
        self._sizes = [sum(song.frames for song in group) for group in left_out_together]

    def least_squares(self) -> Regression:
        """Ordinary least squares; of several solutions the one with the least norm."""
        weights, level = _Solver(self._groups, self._targets).without_penalty()
        return Regression(self._parts, self._inputs, weights, level, (0.0,) * self._targets)

    def ridge(self) -> Regression:
        """Fit a ridge regression.

        Its penalty, one for each target, is that of `PENALTIES` with the least squared error on groups of
        songs left out in turn; of one song alone, which can't tell, the largest.
        """
        errors = np.zeros((len(PENALTIES), self._targets))
        for k, left_out in enumerate(self._groups if len(self._groups) > 1 else []):
            others = _Solver([group for n, group in enumerate(self._groups) if n != k], self._targets)
            frames = sum(self._sizes) - self._sizes[k]
            errors += [_squared_error(left_out, *others.solve(frames * p)) for p in PENALTIES]
        best = len(PENALTIES) - 1 - errors[::-1].argmin(0)  # of equals the largest
        solver, frames = _Solver(self._groups, self._targets), sum(self._sizes)
        fits = [solver.solve(frames * penalty) for penalty in PENALTIES[best]]
        weights = np.column_stack([fit[0][:, k] for k, fit in enumerate(fits)])
        level = np.array([fit[1][k] for k, fit in enumerate(fits)])
        return Regression(self._parts, self._inputs, weights, level, tuple(PENALTIES[best].tolist()))


def _grouped(songs: list[Song], kept_together: Groups) -> list[list[Song]]:
    """Deal songs out to the groups that are left out in turn; a single group can only be parted."""
    together = {kept_together[song.song_id] for song in songs} if kept_together else set()
    if len(together) > 1:
        count = min(GROUPS, len(together))
        place = dealt(songs, kept_together, [0] * count)
        return [[song for song in songs if place[song.song_id] == k] for k in range(count)]
    count = min(GROUPS, len(songs))
    return [songs[k::count] for k in range(count)]


def _part(part: Part, song: Song, columns: slice) -> Array:
    """Return some columns of one part of what is seen of a song."""
    return part(song.heard[:, columns])[song.frames_before :]


def _design(song: Song, parts: tuple[Part, ...], inputs: tuple[Standardiser, ...]) -> Array:
    """Standardised columns of all parts, shape (frames, parts × features)."""
    whole = slice(None)
    return np.hstack([i.apply(_part(part, song, whole)) for part, i in zip(parts, inputs, strict=True)])


def _factor(songs: list[Song], parts: tuple[Part, ...], inputs: tuple[Standardiser, ...]) -> Array:
    """Factor R of the rows (1, standardised columns, targets) of songs; RᵀR is their product."""
    width = 1 + len(parts) * songs[0].features.shape[1] + songs[0].annotation.shape[1]
    factor: Array = np.empty((0, width))
    waiting: list[Array] = []
    for number, song in enumerate(songs):
        ones = np.ones(song.frames)
        waiting.append(np.column_stack([ones, _design(song, parts, inputs), song.annotation]))
        if sum(map(len, waiting)) >= _ROWS // len(parts) or number == len(songs) - 1:
            factor = _triangular([factor, *waiting])
            waiting = []
    return factor


def _triangular(parts: Sequence[Array]) -> Array:
    """Factor R of matrices, or factors, one below the other."""
    # NumPy's types know this mode no better than the others, which give two matrices.
    factor: Any = np.linalg.qr(np.concatenate(parts), mode="r")
    return np.asarray(factor, np.float64)


class _Solver:
    """Solves for the weights of frames that are given as factors, whose last columns are targets."""

    def __init__(self, factors: Sequence[Array], targets: int) -> None:
        whole = _triangular(factors)
        first = whole.shape[1] - targets
        self._features, self._targets = whole[0, 1:first], whole[0, first:]
        self._size = whole[0, 0]
        # Below the first row are the deviations from the means, for the first column is 1 everywhere.
        left, self._singular, self._right = np.linalg.svd(whole[1:, 1:first], full_matrices=False)
        self._projected = left.T @ whole[1:, first:]

    def without_penalty(self) -> tuple[Array, Array]:
        """Weights and level of least squares; directions below the tolerance have no weight."""
        s = self._singular
        kept = s > RANK_TOLERANCE * s.max(initial=0)
        return self._weights(np.divide(1, s, out=np.zeros_like(s), where=kept))

    def solve(self, penalty: float) -> tuple[Array, Array]:
        """Weights and level with a penalty on the sum of the squared weights."""
        return self._weights(self._singular / (self._singular**2 + penalty))

    def _weights(self, inverse: Array) -> tuple[Array, Array]:
        weights = self._right.T @ (inverse[:, None] * self._projected)
        return weights, (self._targets - self._features @ weights) / self._size


def _squared_error(factor: Array, weights: Array, level: Array) -> Array:
    """Sum of squared errors of each target on the frames of a factor."""
    fitted = factor[:, : 1 + len(weights)] @ np.vstack([level, weights])
    errors: Array = ((factor[:, 1 + len(weights) :] - fitted) ** 2).sum(0)
    return errors
