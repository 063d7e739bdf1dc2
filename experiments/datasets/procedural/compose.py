"""From parameter curves to a score: chords, bass, melody, arpeggio and drums as timed notes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.datasets.procedural import harmony
from lstmcore.experiments.datasets.procedural.drumming import DRUMS, drum_bar
from lstmcore.experiments.datasets.procedural.rhythm import (
    BEATS,
    SLOTS,
    BeatClock,
    Motif,
    draw_motif,
    notes_per_bar,
)
from lstmcore.experiments.datasets.procedural.styles import PARTS, Style
from lstmcore.experiments.datasets.procedural.trajectories import Trajectories

MIDDLE = {"pad": 59.0, "lead": 69.0, "arpeggio": 66.0, "bass": 40.0}  # MIDI pitch at register 0
TIMING_SPREAD = 0.004  # seconds by which players miss the beat


@dataclass(frozen=True)
class Notes:
    """Notes of one part (or strokes of one drum).

    Attributes
    ----------
    start, duration : [notes] s
    pitch : [notes] MIDI number, fractions allowed (0 for drums)
    velocity : [notes] 0 to 1
    """

    start: NDArray[np.float64]
    duration: NDArray[np.float64]
    pitch: NDArray[np.float64]
    velocity: NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """One composed song.

    Attributes
    ----------
    parts : notes by the names of `styles.PARTS`
    drums : strokes by the names of `drumming.DRUMS`
    tonic : pitch class of the key, 0 (C) to 11 (B)
    """

    parts: dict[str, Notes]
    drums: dict[str, Notes]
    tonic: int


@dataclass(frozen=True)
class _Bar:
    """What the parts of a bar agree upon."""

    number: int
    beat: float
    chord: harmony.Chord
    density: float
    register: float
    dissonance: float
    brightness: float


@dataclass
class _Sheet:
    """Notes gathered in beats: start, duration, pitch, velocity."""

    rows: dict[str, list[tuple[float, float, float, float]]] = field(
        default_factory=lambda: {name: [] for name in (*PARTS, *DRUMS)}
    )

    def add(self, part: str, start: float, duration: float, pitch: float, velocity: float) -> None:
        self.rows[part].append((start, duration, pitch, velocity))


@dataclass(frozen=True)
class _Ideas:
    """What a song keeps from its first bar to its last."""

    tonic: int
    progression: int
    motifs: tuple[Motif, Motif, Motif]
    figure: Motif
    bass: Motif
    groove: Motif


def compose(rng: np.random.Generator, song: Trajectories, style: Style) -> Score:
    """Compose a song that follows its parameter curves.

    Parameters
    ----------
    rng : numpy Generator
    song : the curves to follow
    style : the ensemble

    Returns
    -------
    Score
    """
    clock = BeatClock(song, style.swing)
    ideas = _draw_ideas(rng)
    sheet = _Sheet()
    voicing: list[int] = []
    for bar in _bars(song, clock, ideas):
        centre = MIDDLE["pad"] + 0.6 * bar.register
        voicing = harmony.voice(bar.chord, voicing, centre)
        _write_pad(sheet, bar, voicing)
        _write_bass(sheet, bar, ideas.bass)
        _write_lead(sheet, bar, ideas.motifs, rng)
        _write_arpeggio(sheet, bar, ideas.figure, voicing)
        if style.kit != "none":
            for stroke in drum_bar(bar.number, bar.density, bar.brightness, ideas.groove):
                sheet.add(stroke.drum, bar.beat + stroke.slot / BEATS, 0.25, 0.0, stroke.velocity)
    timed = {name: _timed(rng, rows, clock) for name, rows in sheet.rows.items()}
    return Score({p: timed[p] for p in PARTS}, {d: timed[d] for d in DRUMS}, ideas.tonic)


def _draw_ideas(rng: np.random.Generator) -> _Ideas:
    motifs = (draw_motif(rng, 0.9), draw_motif(rng, 0.9), draw_motif(rng, 0.9))
    return _Ideas(
        tonic=int(rng.integers(12)),
        progression=int(rng.integers(6)),
        motifs=motifs,
        figure=draw_motif(rng, 0.5),
        bass=draw_motif(rng, 0.6),
        groove=draw_motif(rng, 0.8),
    )


def _bars(song: Trajectories, clock: BeatClock, ideas: _Ideas) -> list[_Bar]:
    """Return the bars of a song; the mode may change every other bar, the rest every bar."""
    count = int(np.ceil(clock.last / BEATS))
    beats = np.arange(count) * float(BEATS)
    middles = clock.seconds(np.minimum(beats + BEATS / 2, clock.last))
    pairs = clock.seconds(np.minimum(beats - beats % (2 * BEATS) + BEATS, clock.last))
    names = ("density", "register", "dissonance", "brightness")
    values = np.stack([song.at(name, middles) for name in names], axis=1)
    modes = song.at("mode", pairs)
    return [
        _Bar(
            n,
            float(beats[n]),
            harmony.chord_of(ideas.tonic, float(modes[n]), ideas.progression, n),
            *values[n],
        )
        for n in range(count)
    ]


def _write_pad(sheet: _Sheet, bar: _Bar, voicing: list[int]) -> None:
    """Write the chord, its added dissonances, and a second layer detuned the more the rougher."""
    tones = [(float(pitch), 0.75) for pitch in voicing]
    tones += [(float(pitch), 0.75 * v) for pitch, v in harmony.tensions(bar.chord, voicing, bar.dissonance)]
    strokes = 2 if bar.density > 0.55 else 1
    detune = 0.04 + 0.30 * bar.dissonance**2  # semitones
    for stroke in range(strokes):
        start, length = bar.beat + stroke * BEATS / strokes, BEATS / strokes
        for pitch, velocity in tones:
            sheet.add("pad", start, length, pitch - detune / 2, velocity)
            sheet.add("pad", start, length, pitch + detune / 2, 0.8 * velocity)


def _write_bass(sheet: _Sheet, bar: _Bar, motif: Motif) -> None:
    """Write roots, with fifths and octaves once the part is busy."""
    onsets = motif.onsets(notes_per_bar(bar.density, 1.0, 8.0))
    if onsets[0] != 0:
        onsets = np.concatenate([[0], onsets])
    ends = np.append(onsets[1:], SLOTS)
    root = harmony.nearest(bar.chord.root, MIDDLE["bass"] + 0.3 * bar.register)
    for k, (onset, end) in enumerate(zip(onsets, ends, strict=True)):
        pitch = root
        if k % 4 == 2:
            pitch = harmony.nearest(bar.chord.fifth, root)
        elif k % 4 == 3:
            pitch = root + 12
        accent = 0.9 if onset % 4 == 0 else 0.7
        sheet.add("bass", bar.beat + onset / BEATS, 0.92 * (end - onset) / BEATS, pitch, accent)


def _write_lead(
    sheet: _Sheet, bar: _Bar, motifs: tuple[Motif, Motif, Motif], rng: np.random.Generator
) -> None:
    """Write the melody: phrases of four bars, A B A C, the last one coming to rest on a chord tone."""
    place = bar.number % 4
    motif = motifs[(0, 1, 0, 2)[place]]
    busy = notes_per_bar(bar.density, 1.6, 9.0)
    onsets = motif.onsets(max(1, busy // 2) if place == 3 else busy)
    ends = np.append(onsets[1:], SLOTS)
    middle = MIDDLE["lead"] + bar.register
    ladder = harmony.ladder(bar.chord, middle - 12, middle + 12)
    for onset, end in zip(onsets, ends, strict=True):
        pitch = int(ladder[len(ladder) // 2 + motif.contour[onset]])
        strong = onset % 4 == 0
        if strong or end - onset >= 4:
            pitch = harmony.snap(pitch, bar.chord)
        if rng.random() < 0.7 * (bar.dissonance - 0.3) and end - onset < 8:
            pitch += int(rng.choice([-1, 1]))
        length = min(0.95 * (end - onset), 10.0) / BEATS
        sheet.add("lead", bar.beat + onset / BEATS, length, pitch, 0.9 if strong else 0.72)


def _write_arpeggio(sheet: _Sheet, bar: _Bar, figure: Motif, voicing: list[int]) -> None:
    """Write broken chords over two octaves, following the song's figure."""
    count = notes_per_bar(bar.density, 2.0, 16.0)
    tones = [*voicing, *(pitch + 12 for pitch in voicing[1:])]
    shift = 12 * round((MIDDLE["arpeggio"] + bar.register - float(np.mean(tones))) / 12)
    for onset in figure.onsets(count):
        pitch = tones[int(figure.contour[onset]) % len(tones)] + shift
        accent = 0.8 if onset % 4 == 0 else 0.6
        sheet.add("arpeggio", bar.beat + onset / BEATS, max(0.5, BEATS / count), pitch, accent)


def _timed(
    rng: np.random.Generator, rows: list[tuple[float, float, float, float]], clock: BeatClock
) -> Notes:
    """Convert beats to seconds, drop what begins after the end, and let the players be human."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    table = table[table[:, 0] < clock.last - 1e-6]
    start = clock.seconds(table[:, 0])
    duration = np.maximum(clock.seconds(table[:, 0] + table[:, 1]) - start, 0.05)
    start = np.maximum(start + TIMING_SPREAD * rng.standard_normal(len(start)), 0.0)
    velocity = table[:, 3] * rng.uniform(0.88, 1.0, len(start))
    return Notes(start, duration, table[:, 2], velocity)
