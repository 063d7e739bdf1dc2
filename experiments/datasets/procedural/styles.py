"""Ensembles the synthetic songs are scored for: which instrument plays which part, and how loudly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lstmcore.experiments.datasets.procedural.trajectories import DIMENSIONS, Trajectories

PARTS = ("pad", "lead", "arpeggio", "bass")

# How far a style's energy may lie from a song's before it becomes unlikely, in standard deviations.
STYLE_TOLERANCE = 0.8


@dataclass(frozen=True)
class Style:
    """An ensemble and its manners.

    Attributes
    ----------
    name : what `metadata.csv` gives as the genre
    energy : the energy of songs it suits best, in standard deviations from typical
    pad, lead, arpeggio, bass : names of instruments (`instruments.INSTRUMENTS`)
    levels : [4] root mean square of the parts in the order of `PARTS`, relative to each other
    kit : the drums: ``"none"``, ``"brushes"``, ``"acoustic"`` or ``"electronic"``
    drums : level of the drums, relative to the parts
    swing : share of a beat its first half takes: 0.5 straight, 0.67 triplets
    reverberation : level of the reverberated sound, relative to the direct one
    """

    name: str
    energy: float
    pad: str
    lead: str
    arpeggio: str
    bass: str
    levels: tuple[float, float, float, float]
    kit: str
    drums: float
    swing: float
    reverberation: float


STYLES = (
    Style(
        name="ambient",
        energy=-1.3,
        pad="strings",
        lead="flute",
        arpeggio="bell",
        bass="soft_bass",
        levels=(0.8, 0.5, 0.35, 0.45),
        kit="none",
        drums=0.0,
        swing=0.5,
        reverberation=0.55,
    ),
    Style(
        name="chamber",
        energy=-0.9,
        pad="strings",
        lead="reed",
        arpeggio="pluck",
        bass="soft_bass",
        levels=(0.6, 0.6, 0.5, 0.5),
        kit="none",
        drums=0.0,
        swing=0.5,
        reverberation=0.4,
    ),
    Style(
        name="folk",
        energy=-0.5,
        pad="organ",
        lead="flute",
        arpeggio="pluck",
        bass="pluck_bass",
        levels=(0.3, 0.55, 0.7, 0.5),
        kit="brushes",
        drums=0.2,
        swing=0.5,
        reverberation=0.25,
    ),
    Style(
        name="jazz",
        energy=-0.1,
        pad="electric_piano",
        lead="reed",
        arpeggio="piano",
        bass="pluck_bass",
        levels=(0.5, 0.6, 0.4, 0.6),
        kit="brushes",
        drums=0.4,
        swing=0.64,
        reverberation=0.22,
    ),
    Style(
        name="pop",
        energy=0.4,
        pad="piano",
        lead="flute",
        arpeggio="electric_piano",
        bass="soft_bass",
        levels=(0.6, 0.55, 0.45, 0.55),
        kit="acoustic",
        drums=0.55,
        swing=0.5,
        reverberation=0.22,
    ),
    Style(
        name="rock",
        energy=1.0,
        pad="organ",
        lead="brass",
        arpeggio="pluck",
        bass="saw_bass",
        levels=(0.55, 0.55, 0.5, 0.6),
        kit="acoustic",
        drums=0.7,
        swing=0.5,
        reverberation=0.18,
    ),
    Style(
        name="electronic",
        energy=1.0,
        pad="strings",
        lead="brass",
        arpeggio="bell",
        bass="saw_bass",
        levels=(0.5, 0.5, 0.5, 0.6),
        kit="electronic",
        drums=0.65,
        swing=0.5,
        reverberation=0.28,
    ),
)


def song_energy(song: Trajectories) -> float:
    """Return the mean of tempo, loudness and density over a song, in standard deviations from typical."""
    names = [d.name for d in DIMENSIONS]
    chosen = [names.index(name) for name in ("tempo", "loudness", "density")]
    return float(np.mean(song.deviations()[:, chosen]))


def draw_style(rng: np.random.Generator, song: Trajectories) -> Style:
    """Draw a style for a song, likelier the nearer the style's energy is to the song's."""
    distance = np.array([style.energy for style in STYLES]) - song_energy(song)
    weights = np.exp(-0.5 * (distance / STYLE_TOLERANCE) ** 2)
    return STYLES[int(rng.choice(len(STYLES), p=weights / weights.sum()))]
