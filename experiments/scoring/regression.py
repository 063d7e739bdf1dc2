"""Linear regression of songs' frames: least squares with a rank, and a ridge that chooses its penalty.

Frames enter song after song, each group of them as one small matrix (`solvers`), so that the design matrix is
never there as a whole: of many songs it is large.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from lstmcore import Standardiser
from lstmcore.experiments.datasets import Song
from lstmcore.experiments.scoring.solvers import FactorSolver, ProductSolver
from lstmcore.experiments.training.folds import Groups, dealt
from lstmcore.experiments.training.sets import standardiser_of

Array = NDArray[np.float64]

PENALTIES = 10.0 ** np.arange(-6, 6.5, 0.5)
"""Of a ridge, beside the mean squared error: a standardised feature alone is shrunk by 1 + penalty.

Beyond the least there is little but least squares, and beyond the largest nothing but the mean."""
GROUPS = 5
_ROWS = 4096  # of the design matrix at once, or of one with memory a third

Solver = type[FactorSolver] | type[ProductSolver]

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
        return design(song, self.parts, self.inputs) @ self.weights + self.level


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
        self._inputs = standardisers(songs, parts)
        self._targets = songs[0].annotation.shape[1]
        left_out_together = _grouped(songs, kept_together or {})
        # With memory there are three times as many columns, and a decomposition takes 27 times as long.
        self._solver: Solver = FactorSolver if len(parts) == 1 else ProductSolver
        self._groups = [_kept(group, parts, self._inputs, self._solver) for group in left_out_together]
        self._sizes = [sum(song.frames for song in group) for group in left_out_together]

    @cached_property
    def _whole(self) -> FactorSolver | ProductSolver:
        """Solver of all frames."""
        return self._solver(self._groups, self._targets)

    def least_squares(self) -> Regression:
        """Ordinary least squares, without memory; of several solutions the one with the least norm."""
        solver = self._whole
        assert isinstance(solver, FactorSolver), "without a penalty products have too few digits"
        weights, level = solver.without_penalty()
        return Regression(self._parts, self._inputs, weights, level, (0.0,) * self._targets)

    def ridge(self) -> Regression:
        """Fit a ridge regression.

        Its penalty, one for each target, is that of `PENALTIES` with the least squared error on groups of
        songs left out in turn; of one song alone, which can't tell, the largest.
        """
        errors = np.zeros((len(PENALTIES), self._targets))
        for k, left_out in enumerate(self._groups if len(self._groups) > 1 else []):
            others = self._solver([group for n, group in enumerate(self._groups) if n != k], self._targets)
            fits = others.solve((sum(self._sizes) - self._sizes[k]) * PENALTIES)
            errors += self._solver.squared_errors(left_out, fits)
        best = len(PENALTIES) - 1 - errors[::-1].argmin(0)  # of equals the largest
        fits = self._whole.solve(sum(self._sizes) * PENALTIES[best])
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


def standardisers(songs: list[Song], parts: tuple[Part, ...]) -> tuple[Standardiser, ...]:
    """Return what standardises each of the parts to the songs that are learnt from."""
    return tuple(standardiser_of(songs, partial(_part, part)) for part in parts)


def design(song: Song, parts: tuple[Part, ...], inputs: tuple[Standardiser, ...]) -> Array:
    """Standardised columns of all parts, shape (frames, parts × features)."""
    whole = slice(None)
    return np.hstack([i.apply(_part(part, song, whole)) for part, i in zip(parts, inputs, strict=True)])


def _kept(
    songs: list[Song], parts: tuple[Part, ...], inputs: tuple[Standardiser, ...], solver: Solver
) -> Array:
    """Keep the rows (1, standardised columns, targets) of songs as a solver needs them."""
    found: Array | None = None
    waiting: list[Array] = []
    for number, song in enumerate(songs):
        ones = np.ones(song.frames)
        waiting.append(np.column_stack([ones, design(song, parts, inputs), song.annotation]))
        if sum(map(len, waiting)) >= _ROWS // len(parts) or number == len(songs) - 1:
            found = solver.kept(found, waiting)
            waiting = []
    assert found is not None  # of one song at least
    return found
