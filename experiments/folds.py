"""Folds by a modulus: the song at index k of the development set belongs to fold k mod count."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.config import Folds
from experiments.datasets import Song
from experiments.errors import InputError


@dataclass(frozen=True)
class Split:
    """The development songs cut into folds.

    Parameters
    ----------
    folds
        Songs of each fold.
    team_test
        Number of the fold that is kept out as the team's own test set.
    """

    folds: tuple[tuple[Song, ...], ...]
    team_test: int

    @property
    def cross_validation(self) -> list[int]:
        """Numbers of the folds that take turns to validate."""
        return [k for k in range(len(self.folds)) if k != self.team_test]

    @property
    def team_test_songs(self) -> list[Song]:
        """Songs of the fold that is kept out."""
        return list(self.folds[self.team_test])

    def validation(self, fold: int) -> list[Song]:
        """Songs that validate when it is this fold's turn."""
        return list(self.folds[fold])

    def training(self, fold: int | None) -> list[Song]:
        """Songs to train on when a fold validates; with None, of all folds but the team's test set."""
        used = [k for k in self.cross_validation if k != fold]
        return [song for k in used for song in self.folds[k]]


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
    return Split(folds, config.team_test)
