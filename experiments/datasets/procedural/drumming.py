"""Drum patterns: which drum is struck on which sixteenth of a bar."""

from __future__ import annotations

from typing import NamedTuple

from lstmcore.experiments.datasets.procedural.rhythm import SLOTS, Motif, notes_per_bar

DRUMS = ("kick", "snare", "hat")
BACKBEAT = (4, 12)
FILL_SLOTS = (12, 13, 14, 15)


class Stroke(NamedTuple):
    """One stroke: the drum, its sixteenth within the bar (0 to 15), its velocity (0 to 1)."""

    drum: str
    slot: int
    velocity: float


def drum_bar(number: int, density: float, brightness: float, groove: Motif) -> list[Stroke]:
    """Return the strokes of one bar.

    Parameters
    ----------
    number : number of the bar; every eighth one ends with a fill when the music is dense
    density : 0 to 1
    brightness : 0 to 1, brings the cymbal forward
    groove : the song's own rhythm, from which the kick takes its off-beats

    Returns
    -------
    List of Stroke.
    """
    fill = number % 8 == 7 and density > 0.45
    strokes = [Stroke("kick", slot, 1.0 if slot % 8 == 0 else 0.8) for slot in _kick(density, groove)]
    strokes += [Stroke("snare", slot, 0.9) for slot in BACKBEAT if not (fill and slot in FILL_SLOTS)]
    if fill:
        strokes += [Stroke("snare", slot, 0.5 + 0.12 * k) for k, slot in enumerate(FILL_SLOTS)]
    step = 4 if density < 0.3 else 2 if density < 0.72 else 1
    loudness = 0.35 + 0.6 * brightness
    strokes += [
        Stroke("hat", slot, loudness * (1.0 if slot % 4 == 0 else 0.7)) for slot in range(0, SLOTS, step)
    ]
    return strokes


def _kick(density: float, groove: Motif) -> list[int]:
    """Return the kick's slots: the first beat always, the groove's others off the backbeat."""
    extra = [int(slot) for slot in groove.onsets(notes_per_bar(density, 2.0, 7.0))]
    return sorted({0, 8} | {slot for slot in extra if slot not in BACKBEAT and slot % 2 == 0})
