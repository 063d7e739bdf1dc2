"""Scales, chord progressions, voice leading and added dissonance for the synthetic songs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The diatonic modes from dark to bright: each differs from the one before by one raised degree.
MODES: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("phrygian", (0, 1, 3, 5, 7, 8, 10)),
    ("aeolian", (0, 2, 3, 5, 7, 8, 10)),
    ("dorian", (0, 2, 3, 5, 7, 9, 10)),
    ("mixolydian", (0, 2, 4, 5, 7, 9, 10)),
    ("ionian", (0, 2, 4, 5, 7, 9, 11)),
)

# Four-bar progressions as scale degrees (0 is the tonic); no diminished triad among them.
PROGRESSIONS: dict[str, tuple[tuple[int, int, int, int], ...]] = {
    "phrygian": ((0, 1, 0, 6), (0, 1, 2, 1), (0, 5, 1, 0)),
    "aeolian": ((0, 5, 2, 6), (0, 3, 5, 4), (0, 6, 5, 6)),
    "dorian": ((0, 3, 0, 3), (0, 6, 3, 0), (0, 2, 3, 6)),
    "mixolydian": ((0, 6, 3, 0), (0, 3, 6, 3), (0, 4, 3, 0)),
    "ionian": ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 4, 0)),
}


@dataclass(frozen=True)
class Chord:
    """A triad of a mode on one of its degrees.

    Attributes
    ----------
    scale : [7] the mode's pitch classes above the tonic's, in semitones from C
    root, third, fifth : pitch classes, semitones from C
    seventh : pitch class of the diatonic seventh
    """

    scale: tuple[int, ...]
    root: int
    third: int
    fifth: int
    seventh: int

    @property
    def tones(self) -> tuple[int, int, int]:
        """The pitch classes of the triad."""
        return self.root, self.third, self.fifth


def mode_name(mode: float) -> str:
    """Return the diatonic mode for a mode parameter between 0 (darkest) and 1 (brightest)."""
    index = int(np.clip(np.floor(mode * len(MODES)), 0, len(MODES) - 1))
    return MODES[index][0]


def chord_of(tonic: int, mode: float, progression: int, bar: int) -> Chord:
    """Return the chord of one bar.

    Parameters
    ----------
    tonic : pitch class of the key, 0 to 11
    mode : mode parameter, 0 to 1
    progression : which of the mode's progressions the song uses (any integer >= 0)
    bar : number of the bar within the song

    Returns
    -------
    Chord
    """
    name = mode_name(mode)
    steps = dict(MODES)[name]
    pool = PROGRESSIONS[name]
    degree = pool[progression % len(pool)][bar % 4]
    scale = tuple((tonic + step) % 12 for step in steps)
    root, third, fifth, seventh = (scale[(degree + skip) % 7] for skip in (0, 2, 4, 6))
    return Chord(scale, root, third, fifth, seventh)


def nearest(pitch_class: int, pitch: float) -> int:
    """Return the MIDI pitch of class `pitch_class` that lies nearest to `pitch`."""
    return int(pitch_class + 12 * round((pitch - pitch_class) / 12.0))


def voice(chord: Chord, previous: list[int], centre: float) -> list[int]:
    """Place a triad and its doubled root so that the voices move little.

    Parameters
    ----------
    chord : what to place
    previous : MIDI pitches of the chord before, ascending; empty at the start
    centre : MIDI pitch about which the chord should lie

    Returns
    -------
    Four MIDI pitches, ascending, no two the same.
    """
    best: list[int] = []
    least = np.inf
    for lowest in range(3):
        for octave in (-12, 0, 12):
            placed = _close_position(chord, lowest, centre + octave - 6)
            cost = 0.5 * abs(float(np.mean(placed)) - centre)
            if previous:
                cost += float(np.mean(np.abs(np.subtract(placed, previous)))) * 0.5
            if cost < least:
                best, least = placed, cost
    return best


def _close_position(chord: Chord, lowest: int, floor: float) -> list[int]:
    tones = chord.tones[lowest:] + chord.tones[:lowest]
    placed = [nearest(tones[0], floor)]
    for tone in (*tones[1:], tones[0]):
        placed.append(placed[-1] + ((tone - placed[-1]) % 12 or 12))
    return placed


def tensions(chord: Chord, voicing: list[int], dissonance: float) -> list[tuple[int, float]]:
    """Return the tones that dissonance adds to a chord.

    The further dissonance rises, the rougher the intervals that enter, and each grows from silence: the
    diatonic seventh, the second above the root, the tritone, the minor second against the top voice.

    Returns
    -------
    List of (MIDI pitch, velocity 0 to 1).
    """
    top = voicing[-1]
    root = nearest(chord.root, float(np.mean(voicing)))
    candidates = (
        (0.25, nearest(chord.seventh, top)),
        (0.38, root + 2),
        (0.52, root + 6),
        (0.62, top + 1),
    )
    added = [(pitch, min(1.0, 2.5 * (dissonance - threshold))) for threshold, pitch in candidates]
    return [(pitch, velocity) for pitch, velocity in added if velocity > 0.04]


def ladder(chord: Chord, low: float, high: float) -> NDArray[np.int64]:
    """Return the scale's MIDI pitches between `low` and `high`, ascending."""
    pitches = np.arange(int(np.floor(low)), int(np.ceil(high)) + 1)
    return pitches[np.isin(pitches % 12, chord.scale)]


def snap(pitch: int, chord: Chord) -> int:
    """Return the chord tone nearest to a MIDI pitch."""
    choices = [nearest(tone, pitch) for tone in chord.tones]
    return min(choices, key=lambda choice: (abs(choice - pitch), choice))
