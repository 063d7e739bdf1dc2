"""Frames at equal distances: how far apart those of songs are, and which of two tables go together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.errors import InputError

Array = NDArray[np.float64]

_JITTER = 0.25  # of a hop that a rounded time stamp may lie beside its place


class Stamps(NamedTuple):
    """Time stamps of a song that rise, in seconds, and where each of them is written."""

    times: Array
    where: Callable[[int], str]


def hop_of_song(song: str, stamps: Stamps) -> float | None:
    """Seconds from one frame to the next; None of a single frame.

    Raises
    ------
    InputError
        If frames aren't evenly apart; the first one that isn't is named.
    """
    times = stamps.times
    if len(times) < 2:
        return None
    steps = np.diff(times)
    usual = float(np.median(steps))
    hop = float(times[-1] - times[0]) / (len(times) - 1)
    places = times[0] + hop * np.arange(len(times))
    if (np.abs(times - places) <= _JITTER * hop).all():
        return hop
    wrong = np.abs(steps - usual) > _JITTER * usual
    k = int(wrong.argmax() if wrong.any() else np.abs(times - places).argmax() - 1) + 1
    raise InputError(
        f"{stamps.where(k)}: song {song}: {times[k]:g} s comes {times[k] - times[k - 1]:g} s after "
        "the frame before "
        f"it, and most come {usual:g} s after; expected the same between all frames of all songs"
    )


def common_hop(songs: Mapping[str, Stamps]) -> float | None:
    """Seconds from one frame to the next, the same in all songs; None if none has two frames.

    Raises
    ------
    InputError
        If there are several hops.
    """
    hops = {song: hop for song, stamps in songs.items() if (hop := hop_of_song(song, stamps)) is not None}
    if not hops:
        return None
    longest = max(hops, key=lambda song: len(songs[song].times))  # its mean is least touched by rounding
    hop = hops[longest]
    for song, other in hops.items():
        if abs(other - hop) * (len(songs[song].times) - 1) > _JITTER * min(hop, other):
            raise InputError(
                f"{songs[song].where(0)}: the frames of song {song} are {other:g} s apart, and those of song "
                f"{longest} {hop:g} s ({songs[longest].where(0)}); expected the same in all songs"
            )
    return round(hop, 9)


def nearest(wanted: Array, times: Array, tolerance: float) -> NDArray[np.int64]:
    """Find the nearest of some times that rise, for each that is wanted.

    Parameters
    ----------
    wanted, times
        Seconds.
    tolerance
        Seconds that the nearest may be away.

    Returns
    -------
    ndarray
        Positions in `times`, -1 where there is none so near.
    """
    after = np.clip(np.searchsorted(times, wanted), 0, len(times) - 1)
    before = np.maximum(after - 1, 0)
    closer = np.abs(times[before] - wanted) <= np.abs(times[after] - wanted)
    found = np.where(closer, before, after)
    return np.where(np.abs(times[found] - wanted) <= tolerance * (1 + 1e-6), found, -1)
