"""No song stands on both sides: what is learnt from, what stops it and what is scored share no song.

Folds are cut so that it is so.  A run looks again, at the songs that are handed over, for no score would
tell: those of songs learnt from are only better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from lstmcore.experiments.config import Experiment
from lstmcore.experiments.datasets import Dataset, Song, song_order
from lstmcore.experiments.errors import InputError, listed
from lstmcore.experiments.training.folds import Groups, Split

Sides = Mapping[str, Sequence[Song]]
"""Songs by what they are for."""
# An ablation that cuts folds anew by groups leaves the team's test set as it is: it may share their groups.
TEAM_TEST = "team_test"
_NAMED = 5  # songs or groups in a message


def check_apart(where: str, sides: Sides, groups: Groups | None = None) -> None:
    """Raise InputError if two sets have a song in common, or songs of one group.

    Parameters
    ----------
    where
        Whose sets they are, for the message.
    sides
        Songs of each set.
    groups
        Group of each song that has one, looked at but for the team's test set; None or empty: songs stand
        for themselves.
    """
    songs = {name: {song.song_id for song in members} for name, members in sides.items()}
    for one, other in combinations(songs, 2):
        common = sorted(songs[one] & songs[other], key=song_order)
        if common:
            raise _both(where, "song", [str(song) for song in common], one, other)
        if groups and TEAM_TEST not in (one, other):
            here, there = ({groups[s] for s in songs[name] if s in groups} for name in (one, other))
            if here & there:
                raise _both(where, "group", sorted(map(repr, here & there)), one, other)


def check_unlabelled(experiment: Experiment, dataset: Dataset, split: Split) -> None:
    """Raise InputError if pre-training would hear songs that it is to know nothing of.

    Those are the official test songs and, unless ``data.unlabelled`` is ``all``, those of the folds, but for
    what ``data.labelled_songs`` leaves over.
    """
    sides: dict[str, Sequence[Song]] = {"official_test": dataset.official_test}
    if experiment.data.unlabelled != "all":
        left_over = {song.song_id for song in split.left_over}
        sides["the folds"] = [s for fold in split.folds for s in fold if s.song_id not in left_over]
    for name, songs in sides.items():
        check_apart("pre-training", {"the songs without annotations": dataset.unlabelled, name: songs})


def _both(where: str, kind: str, found: list[str], one: str, other: str) -> InputError:
    more = len(found) - _NAMED
    named = listed([*found[:_NAMED], *([f"{more} more"] if more > 0 else [])])
    what = f"{kind} {named} is" if len(found) == 1 else f"{kind}s {named} are"
    return InputError(
        f"{where}: {what} both in {one} and in {other}; expected each on one side: the score of what was "
        "learnt from says nothing. This is a fault of lstmcore: please report it, with config.toml"
    )
