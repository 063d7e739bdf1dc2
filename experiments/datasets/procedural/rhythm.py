"""Beats under a moving tempo, and rhythms that gain notes as density rises."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.datasets.procedural.trajectories import CONTROL_RATE, Trajectories

SLOTS = 16  # sixteenths of a bar of four beats
BEATS = 4  # beats of a bar

# How naturally a note starts on each sixteenth: the levels of the metrical hierarchy in 4/4.
METRE = np.array([4, 0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1, 0], dtype=np.float64)


class BeatClock:
    """Converts beats to seconds for one song.

    Parameters
    ----------
    song : Trajectories
        Its tempo curve in beats per minute is integrated; beat 0 falls on 0 s.
    swing : share of a beat that its first half takes, 0.5 to 0.7
    """

    def __init__(self, song: Trajectories, swing: float) -> None:
        rate = song.tempo / 60.0
        steps = 0.5 * (rate[1:] + rate[:-1]) / CONTROL_RATE
        self._beats = np.concatenate([[0.0], np.cumsum(steps)])
        self._times = song.times
        self._swing = swing

    @property
    def last(self) -> float:
        """Number of the beat at which the song ends (a fraction, as a rule)."""
        return float(self._beats[-1])

    def seconds(self, beats: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the times of `beats` (any shape, fractions allowed) in seconds, swung."""
        whole = np.floor(beats)
        part = beats - whole
        early = part * self._swing / 0.5
        late = self._swing + (part - 0.5) * (1.0 - self._swing) / 0.5
        swung = whole + np.where(part < 0.5, early, late)
        return np.asarray(np.interp(swung, self._beats, self._times), dtype=np.float64)


@dataclass(frozen=True)
class Motif:
    """A bar's rhythm and contour that a song comes back to.

    Attributes
    ----------
    priority : [SLOTS] the slot with the highest value sounds first as density rises
    contour : [SLOTS] steps of the scale above the middle of the melody's range
    """

    priority: NDArray[np.float64]
    contour: NDArray[np.int64]

    def onsets(self, count: int) -> NDArray[np.int64]:
        """Return the `count` slots of highest priority in order of time, [count]."""
        chosen = np.argsort(-self.priority, kind="stable")[: max(1, min(SLOTS, count))]
        return np.sort(chosen)


def draw_motif(rng: np.random.Generator, syncopation: float) -> Motif:
    """Draw a motif.

    Parameters
    ----------
    rng : numpy Generator
    syncopation : spread of the noise added to the metre; about 1 gives lively, 0 square rhythms

    Returns
    -------
    Motif whose contour wanders by steps and seldom leaps.
    """
    priority = METRE + syncopation * rng.standard_normal(SLOTS)
    steps = rng.choice([-2, -1, -1, 0, 1, 1, 2, 3], SLOTS)
    contour = np.cumsum(steps)
    centred = contour - int(np.round(contour.mean()))
    return Motif(priority, np.clip(centred, -5, 5).astype(np.int64))


def notes_per_bar(density: float, sparse: float, dense: float) -> int:
    """Return how many notes a part plays in a bar, between `sparse` (density 0) and `dense` (1).

    The count grows geometrically: twice as many notes are one step, as one more beat level is.
    """
    return round(float(sparse * (dense / sparse) ** density))
