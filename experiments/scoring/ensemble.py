"""The ensemble: which networks are averaged.

Networks are chosen on the team's own test set by RMSE or by CCC (mean over
targets), in one of two ways.

best_k
    Networks are ranked by their own score; the first k are averaged, for every k, and the
    k whose average scores best is taken (the smallest of equals).  ``ensemble.networks``
    fixes k instead.
greedy
    Start with the best network; add the one whose addition to the average helps most, each
    at most once, until none helps (or ``ensemble.networks`` are chosen).

The scores of a chosen ensemble on the team's test set flatter it, since it was chosen
there; cross-validation and the official test set don't.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.config import Ensemble
from lstmcore.experiments.datasets import Song
from lstmcore.experiments.scoring.metrics import criterion

Frames = NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """The networks of an ensemble.

    Parameters
    ----------
    members
        Positions among all networks, in the order they were chosen.
    criterion
        ``rmse`` or ``ccc``, or the runs whose networks these are together; ``all`` for all networks.
    value
        The ensemble's score on the team's test set; None for networks put together, and for all.
    """

    members: list[int]
    criterion: str
    value: float | None


def split_songs(frames: Frames, songs: Sequence[Song]) -> list[Frames]:
    """Cut predictions of all frames into one array per song."""
    ends = np.cumsum([song.frames for song in songs])
    return list(np.split(frames, ends[:-1]))


def choose(predictions: Frames, songs: list[Song], metric: str, config: Ensemble) -> Choice:
    """Choose networks on the team's test set.

    Parameters
    ----------
    predictions
        Of all networks, shape (networks, frames, targets).
    songs
        The team's test songs.
    metric
        ``rmse`` or ``ccc``.
    config
        The ``ensemble`` section.

    Returns
    -------
    Choice
        The networks to average.
    """

    def value(members: list[int]) -> float:
        return criterion(metric, config.scope, songs, split_songs(predictions[members].mean(0), songs))

    most = min(config.networks or len(predictions), len(predictions))
    if config.choice == "greedy":
        members = _greedy(len(predictions), value, most, config.networks is not None)
    else:
        ranked = sorted(range(len(predictions)), key=lambda k: (-value([k]), k))
        sizes = [most] if config.networks else range(1, most + 1)
        members = ranked[: max(sizes, key=lambda n: (value(ranked[:n]), -n))]
    best = value(members)
    return Choice(members, metric, -best if metric == "rmse" else best)


def _greedy(count: int, value: Callable[[list[int]], float], most: int, exactly: bool) -> list[int]:
    members: list[int] = []
    best = -np.inf
    while len(members) < most:
        left = [k for k in range(count) if k not in members]
        gains = [value([*members, k]) for k in left]
        top = int(np.argmax(gains))
        if gains[top] <= best and not exactly:
            break
        members, best = [*members, left[top]], gains[top]
    return members
