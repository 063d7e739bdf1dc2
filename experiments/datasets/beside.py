"""Other data sets that networks learn from, too: their songs with the features and targets of the first's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lstmcore.experiments.datasets.song import Dataset, Song
from lstmcore.experiments.errors import InputError, did_you_mean

_SAME_HOP = 1e-3  # seconds


def beside(first: Dataset, other: Dataset, where: str) -> Dataset:
    """Return a data set with the columns of another, in their order.

    Parameters
    ----------
    first
        Says which features and targets, and how far apart frames are.
    other
        Its annotated songs are learnt from beside those of `first`.
    where
        Names `other`, for the error.

    Raises
    ------
    InputError
        If it lacks a feature or a target, or its frames are not as far apart.
    """
    features = _columns(first.feature_names, other.feature_names, "feature", where)
    targets = _columns(first.targets, other.targets, "target", where)
    hops = first.hop_seconds, other.hop_seconds
    if hops[0] is not None and hops[1] is not None and abs(hops[0] - hops[1]) > _SAME_HOP:
        raise InputError(
            f"{where}: frames are {hops[1]:g} s apart, and those of data {hops[0]:g} s; expected the same"
        )

    def of(song: Song) -> Song:
        lead_in = None if song.lead_in is None else song.lead_in[:, features]
        return replace(
            song,
            features=song.features[:, features],
            targets=song.annotation[:, targets],
            lead_in=lead_in,
        )

    return replace(
        other,
        development=[of(song) for song in other.development],
        unlabelled=[],
        official_test=[],
        feature_names=first.feature_names,
        targets=first.targets,
    )


def _columns(wanted: Sequence[str], there: Sequence[str], what: str, where: str) -> list[int]:
    """Return where the columns are that are wanted."""
    place = {name: k for k, name in enumerate(there)}
    missing = [name for name in wanted if name not in place]
    if missing:
        more = f" ({len(missing)} such {what}s)" if len(missing) > 1 else ""
        raise InputError(
            f"{where}: no {what} {missing[0]!r}{more}; expected the {what}s of data, by their names"
            f"{did_you_mean(missing[0], list(there))}"
        )
    return [place[name] for name in wanted]


def note_on(dataset: Dataset, where: str, root: str | None) -> str:
    """Say what is learnt from beside the experiment's own songs."""
    named = where if root is None else f"{where}, {root}"
    return (
        f"Networks learn from {len(dataset.development)} songs of another data set, too ({named}), in every "
        "fold, each set standardised by itself; none of these songs stops a training or is scored, and "
        "auto-encoder and regressions know nothing of them."
    )
