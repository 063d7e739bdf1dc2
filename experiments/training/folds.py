"""Folds by a modulus: the song at index k of the development set belongs to fold k mod count.

With ``folds.group``, songs of one group are in one fold: the largest group first, each goes to the fold that
has the fewest songs so far.

With ``data.labelled_songs``, the annotations of so many songs are known, spread over the folds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from lstmcore.experiments.config import Experiment, Folds
from lstmcore.experiments.datasets import Dataset, Song, SongId
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.seeds import seed_for

Groups = Mapping[SongId, str]
"""A song's group, by the song."""


@dataclass(frozen=True)
class Split:
    """The development songs cut into folds.

    Parameters
    ----------
    folds
        Songs of each fold.
    team_test
        Number of the fold that is kept out as the team's own test set; None: all take turns to validate.
    stopping
        Whether early stopping watches the ``same`` fold that is scored, the ``next``, or, ``rotating``,
        each of the others in turn, another in each trial.
    groups
        Group of each song, of which none is in two folds; empty where songs are dealt out one by one.
    excerpt
        So many frames in the middle of a song are what is learnt from it; None: all.
    labelled
        Songs whose annotations are known to what learns; None: all.  All songs are scored.
    """

    folds: tuple[tuple[Song, ...], ...]
    team_test: int | None
    stopping: str = "same"
    groups: Groups = field(default_factory=dict)
    excerpt: int | None = None
    labelled: frozenset[SongId] | None = None

    @property
    def cross_validation(self) -> list[int]:
        """Numbers of the folds that take turns to validate."""
        return [k for k in range(len(self.folds)) if k != self.team_test]

    @property
    def team_test_songs(self) -> list[Song]:
        """Songs of the fold that is kept out, if one is."""
        return [] if self.team_test is None else list(self.folds[self.team_test])

    @property
    def fold_groups(self) -> list[dict[str, int]]:
        """How many songs of which groups each fold has; an empty list without groups."""
        return [dict(Counter(self.groups[s.song_id] for s in fold)) for fold in self.folds if self.groups]

    def validation(self, fold: int) -> list[Song]:
        """Songs that are scored when it is this fold's turn."""
        return list(self.folds[fold])

    def watched(self, fold: int, trial: int = 0) -> list[Song]:
        """Songs that early stopping of a trial watches when it is this fold's turn."""
        return self._known(self.watched_fold(fold, trial))

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
        return [s for k in self.cross_validation if k not in left_out for s in self._known(k)]

    def others(self, fold: int | None) -> list[Song]:
        """Songs to learn from of all folds but this one, and but the team's test set."""
        return [song for k in self.cross_validation if k != fold for song in self._known(k)]

    def beside(self, dataset: Dataset) -> list[list[Song]]:
        """Songs of each other data set that all networks learn from, too: each whole, or an excerpt of it."""
        sets = [other.development for other in dataset.also]
        if self.excerpt is None:
            return sets
        return [[song.excerpt(self.excerpt) for song in songs] for songs in sets]

    @property
    def left_over(self) -> list[Song]:
        """Songs of the cross-validation whose annotations nothing learns from."""
        known = {song.song_id for song in self.others(None)}
        return [s for k in self.cross_validation for s in self.folds[k] if s.song_id not in known]

    def _known(self, fold: int) -> list[Song]:
        """Songs of a fold whose annotations are known: each whole, or an excerpt of it."""
        songs = self.folds[fold]
        known = [s for s in songs if self.labelled is None or s.song_id in self.labelled]
        return known if self.excerpt is None else [song.excerpt(self.excerpt) for song in known]


def groups_of(dataset: Dataset, config: Folds) -> Groups:
    """Group of each development song in the column that ``folds.group`` names; empty if it names none."""
    if config.group is None:
        return {}
    return {song.song_id: dataset.metadata[song.song_id][config.group] for song in dataset.development}


def split_of(dataset: Dataset, experiment: Experiment) -> Split:
    """Cut the development songs of an experiment into its folds; InputError if they don't allow it."""
    cut = split(dataset.development, experiment.folds, groups_of(dataset, experiment.folds))
    return with_labelled(cut, experiment)


def with_labelled(cut: Split, experiment: Experiment) -> Split:
    """Return a split in which the annotations of ``data.labelled_songs`` songs are known, or of all.

    In each fold the experiment's seed draws an order; then the first song of each fold is taken, and so on
    in proportion to the folds' sizes.  So fewer songs are always some of more.

    Raises
    ------
    InputError
        If there are not as many songs, or not one for each fold.
    """
    count = experiment.data.labelled_songs
    if count is None:
        return cut
    turns = cut.cross_validation
    songs = sum(len(cut.folds[fold]) for fold in turns)
    if not len(turns) <= count <= songs:
        raise InputError(
            f"data.labelled_songs is {count}; expected a number from {len(turns)}, one for each fold that "
            f"takes turns to validate, to {songs}, all songs in them"
        )
    places = []
    for fold in turns:
        order = np.random.default_rng(seed_for(experiment.seed, "labelled songs", fold))
        members = cut.folds[fold]
        drawn = order.permutation(len(members))
        places += [(n / len(members), fold, members[k].song_id) for n, k in enumerate(drawn)]
    chosen = sorted(places, key=lambda place: place[:2])[:count]
    return replace(cut, labelled=frozenset(song for _, _, song in chosen))


def split(songs: list[Song], config: Folds, groups: Groups | None = None) -> Split:
    """Cut songs into folds.

    Parameters
    ----------
    songs
        In the order in which they are dealt out.
    config
        The section ``folds``.
    groups
        Songs that aren't to be parted; None or empty: they are dealt out one by one.

    Raises
    ------
    InputError
        If there are more folds than songs or groups.
    """
    team_test = None if config.team_test == "none" else config.team_test
    if len(songs) < config.count:
        there = "is 1 development song" if len(songs) == 1 else f"are {len(songs)} development songs"
        raise InputError(
            f"folds.count is {config.count} and there {there}; expected at least one song a fold"
        )
    if not groups:
        folds = tuple(tuple(songs[k :: config.count]) for k in range(config.count))
        return Split(folds, team_test, config.stopping)
    count = len({groups[song.song_id] for song in songs})
    if count < config.count:
        raise InputError(
            f"folds.count is {config.count} and the development songs have {count} "
            f"{'group' if count == 1 else 'groups'} by folds.group = {config.group!r}; "
            f"expected at least one group a fold: a count of {count} at most"
        )
    fold_of = dealt(songs, groups, [0] * config.count)
    return Split(_cut(songs, fold_of, config.count), team_test, config.stopping, groups)


def split_like(songs: list[Song], other: Split, groups: Groups | None = None) -> Split:
    """Cut songs into the folds of another split.

    A song that the other has keeps its fold, and so does a song of a group that the other has; the rest is
    dealt out in turn, or, where there are groups, group by group.

    Parameters
    ----------
    songs
        In the order in which new ones are dealt out.
    other
        The split to follow.
    groups
        Group of each of the songs, if `other` has groups.

    Raises
    ------
    InputError
        If a fold is left without songs.
    """
    count = len(other.folds)
    fold_of = {song.song_id: k for k, fold in enumerate(other.folds) for song in fold}
    new = [song for song in songs if song.song_id not in fold_of]
    if groups:
        of_group = {other.groups[song]: k for song, k in fold_of.items()}
        fold_of |= {s.song_id: of_group[groups[s.song_id]] for s in new if groups[s.song_id] in of_group}
        sizes = [sum(fold_of.get(s.song_id) == k for s in songs) for k in range(count)]
        fold_of |= dealt([s for s in new if s.song_id not in fold_of], groups, sizes)
    else:
        fold_of |= {song.song_id: n % count for n, song in enumerate(new)}
    folds = _cut(songs, fold_of, count)
    for k, fold in enumerate(folds):
        if not fold:
            raise InputError(f"fold {k} is left without songs; expected at least one song a fold")
    return Split(folds, other.team_test, other.stopping, groups or {})


def cut_anew(songs: list[Song], other: Split, groups: Groups | None = None) -> Split:
    """Cut the songs that take turns in another split into as many folds, dealt out anew.

    The team's test set stays as it is; songs that the other split lacks take turns, too.

    Parameters
    ----------
    songs
        In the order in which they are dealt out.
    other
        The split whose songs and number of folds are kept.
    groups
        Songs that aren't to be parted; None or empty: they are dealt out one by one.

    Raises
    ------
    InputError
        If there are more folds than groups.
    """
    turns, kept_out = other.cross_validation, {song.song_id for song in other.team_test_songs}
    taking_turns = [song for song in songs if song.song_id not in kept_out]
    if groups:
        count = len({groups[song.song_id] for song in taking_turns})
        if count < len(turns):
            raise InputError(
                f"{len(turns)} folds take turns, and their songs have {count} "
                f"{'group' if count == 1 else 'groups'}; expected at least one group a fold"
            )
        place = dealt(taking_turns, groups, [0] * len(turns))
    else:
        place = {song.song_id: n % len(turns) for n, song in enumerate(taking_turns)}
    fold_of = {song: turns[k] for song, k in place.items()}
    if other.team_test is not None:
        fold_of |= dict.fromkeys(kept_out, other.team_test)
    there = [song for song in songs if song.song_id in fold_of]
    return replace(other, folds=_cut(there, fold_of, len(other.folds)), groups=groups or {})


def dealt(songs: list[Song], groups: Groups, sizes: list[int]) -> dict[SongId, int]:
    """Fold of each song: groups, the largest first, go to the fold with the fewest songs.

    Of groups of one size that with the earliest song comes first, and of folds the one with the least number.

    Parameters
    ----------
    songs, groups
        The songs to deal out, and all songs' groups.
    sizes
        Songs that the folds have already.
    """
    members: dict[str, list[SongId]] = {}
    for song in songs:
        members.setdefault(groups[song.song_id], []).append(song.song_id)
    sizes = list(sizes)
    fold_of: dict[SongId, int] = {}
    for group in sorted(members.values(), key=len, reverse=True):  # which keeps the order of equals
        fold = sizes.index(min(sizes))
        sizes[fold] += len(group)
        fold_of |= dict.fromkeys(group, fold)
    return fold_of


def _cut(songs: list[Song], fold_of: Mapping[SongId, int], count: int) -> tuple[tuple[Song, ...], ...]:
    return tuple(tuple(s for s in songs if fold_of[s.song_id] == k) for k in range(count))
