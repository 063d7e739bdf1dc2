"""Synthesised cadences: tonic, subdominant, dominant, tonic, in any key and tuning."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]

RATE = 16000
CHORD_SECONDS = 0.75
SECONDS = 6.0


def tone(hz: float, rate: int) -> Signal:
    """Six partials that rise in 20 ms and decay."""
    t = np.arange(round(CHORD_SECONDS * rate)) / rate
    partials = [0.7**k * np.sin(2 * np.pi * (k + 1) * hz * t) for k in range(6) if (k + 1) * hz < rate / 2]
    return np.minimum(1, t / 0.02) * np.exp(-t) * np.sum(partials, axis=0)


def cadence(tonic: int, *, minor: bool, detuned: float = 0.0, rate: int = RATE) -> Signal:
    """I IV V I twice, 6 s; tonic 0 is C, minor has the dominant's major third; detuned: semitones."""
    third = 3 if minor else 4
    chords = [(0, third, 7), (5, 5 + third, 12), (7, 11, 14), (0, third, 7)]
    sound = [
        sum(tone(440 * 2 ** ((tonic - 9 + note + detuned) / 12), rate) for note in (chord[0] - 12, *chord))
        for chord in chords
    ]
    return np.asarray(0.1 * np.concatenate(sound * 2), np.float64)


@cache
def drums(rate: int = RATE) -> Signal:
    """Eight a second: falling low tones and bursts of noise in turn, 6 s."""
    random = np.random.default_rng(3)
    out = np.zeros(round(SECONDS * rate))
    t = np.arange(round(0.12 * rate)) / rate
    bass = np.exp(-30 * t) * np.sin(2 * np.pi * (50 * t + 3 * (1 - np.exp(-20 * t))))
    for k in range(48):
        at = round(k * rate / 8)
        hit = bass if k % 2 == 0 else np.exp(-40 * t) * random.standard_normal(len(t))
        out[at : at + len(t)] += 0.3 * hit[: len(out) - at]
    return out


def noise(signal: Signal, decibels: float) -> Signal:
    """White noise, so many decibels softer than a signal."""
    random = np.random.default_rng(5)
    level = np.sqrt(np.mean(signal**2)) * 10 ** (-decibels / 20)
    return np.asarray(level * random.standard_normal(len(signal)), np.float64)
