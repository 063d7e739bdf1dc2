"""Folds by a modulus: the song at index k of the development set belongs to fold k mod count."""

from __future__ import annotations

from dataclasses import dataclass

from lstmcore.experiments.config import Folds
from lstmcore.experiments.datasets import Song
from lstmcore.experiments.errors import InputError


@dataclass(frozen=True)
class Split:
    """The development songs cut into folds.

    Parameters
    ----------
    folds
        Songs of each fold.
    team_test
        Number of the fold that is kept out as the team's own test set.
    stopping
        Whether early stopping watches the ``same`` fold that is scored, the ``next``, or, ``rotating``,
        each of the others in turn, another in each trial.
    """

    folds: tuple[tuple[Song, ...], ...]
    team_test: int
    stopping: str = "same"

    @property
    def cross_validation(self) -> list[int]:
        """Numbers of the folds that take turns to validate."""
        return [k for k in range(len(self.folds)) if k != self.team_test]

    @property
    def team_test_songs(self) -> list[Song]:
        """Songs of the fold that is kept out."""
        return list(self.folds[self.team_test])

    def validation(self, fold: int) -> list[Song]:
        """Songs that are scored when it is this fold's turn."""
        return list(self.folds[fold])

    def watched(self, fold: int, trial: int = 0) -> list[Song]:
        """Songs that early stopping of a trial watches when it is this fold's turn."""
        return list(self.folds[self.watched_fold(fold, trial)])

    def watched_fold(self, fold: int, trial: int = 0) -> int:
        """Return which fold early stopping of a trial watches when it is this fold's turn."""
        if self.stopping == "same":
            return fold
        turns = self.cross_validation
        further = trial % (len(turns) - 1) if self.stopping == "rotating" else 0
        return turns[(turns.index(fold) + 1 + further) % len(turns)]

    def training(self, fold: int, trial: int = 0) -> list[Song]:
        """Songs that the network of a trial is trained on when it is this fold's turn."""
        left_out = (fold, self.watched_fold(fold, trial))
        return [s for k in self.cross_validation if k not in left_out for s in self.folds[k]]

    def others(self, fold: int | None) -> list[Song]:
        """Songs of all folds but this one, and but the team's test set."""
        return [song for k in self.cross_validation if k != fold for song in self.folds[k]]


def split(songs: list[Song], config: Folds) -> Split:
    """Cut songs into folds.

    Raises
    ------
    InputError
        If there are more folds than songs.
    """
    if len(songs) < config.count:
        raise InputError(
            f"folds.count is {config.count} and there are {len(songs)} development songs; "
            "expected at least one song a fold"
        )
    folds = tuple(tuple(songs[k :: config.count]) for k in range(config.count))
    return Split(folds, config.team_test, config.stopping)


def split_like(songs: list[Song], other: Split) -> Split:
    """Cut songs into the folds of another split.

    A song that the other has keeps its fold; the rest is dealt out in turn.

    Raises
    ------
    InputError
        If a fold is left without songs.
    """
    count = len(other.folds)
    fold_of = {song.song_id: k for k, fold in enumerate(other.folds) for song in fold}
    new = [song for song in songs if song.song_id not in fold_of]
    fold_of |= {song.song_id: n % count for n, song in enumerate(new)}
    folds = tuple(tuple(s for s in songs if fold_of[s.song_id] == k) for k in range(count))
    for k, fold in enumerate(folds):
        if not fold:
            raise InputError(f"fold {k} is left without songs; expected at least one song a fold")
    return Split(folds, other.team_test, other.stopping)
