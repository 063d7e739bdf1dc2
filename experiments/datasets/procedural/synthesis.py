"""From a score to audio: the parts on their buses, filter, reverberation, loudness, limiter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from lstmcore.experiments.datasets.procedural.compose import Notes, Score
from lstmcore.experiments.datasets.procedural.instruments import (
    INSTRUMENTS,
    SAMPLE_RATE,
    drum_sounds,
    row_of,
    wavetables,
)
from lstmcore.experiments.datasets.procedural.kernels import BLOCK, add_notes, low_pass, reverberate
from lstmcore.experiments.datasets.procedural.styles import PARTS, Style
from lstmcore.experiments.datasets.procedural.trajectories import Trajectories

CEILING = 0.89  # -1 dB full scale; no sample is above
LOOKAHEAD = 0.006  # seconds in which the limiter turns down ahead of a peak
FADE_IN, FADE_OUT = 0.01, 0.25  # seconds
VIBRATO_RATE = 5.3  # Hz
DULLEST, BRIGHTEST = 420.0, 7500.0  # Hz, the low-pass at brightness 0 and 1
BUTTERWORTH = 2.0**0.5
REVERBERATION_TIME = 1.6  # seconds to fall by 60 dB
REVERBERATION_DELAYS = np.array([601, 739, 883, 1019, 1151, 1289, 1423, 1571])  # samples, all prime


def render(
    rng: np.random.Generator, song: Trajectories, score: Score, style: Style, seconds: float
) -> NDArray[np.float32]:
    """Play a score.

    Parameters
    ----------
    rng : numpy Generator, for the phases of the notes and the noise of the drums
    song : parameter curves; loudness and brightness act here
    score : what to play
    style : the ensemble that plays
    seconds : length of the audio in seconds

    Returns
    -------
    [round(seconds * SAMPLE_RATE)] samples within -CEILING and CEILING, mono, without a constant part.
    Their root mean square follows the loudness curve; songs are not made equally loud.
    """
    count = round(seconds * SAMPLE_RATE)
    mix = np.zeros(count, dtype=np.float32)
    for part, level in zip(PARTS, style.levels, strict=True):
        mix += _levelled(_play(rng, score.parts[part], getattr(style, part), count), level)
    low_pass(mix, _filter_coefficients(song, count, 1.0), BUTTERWORTH)
    mix = _levelled(mix, 1.0)
    if style.kit != "none":
        drums = _strike(drum_sounds(style.kit, rng), score.drums, count)
        low_pass(drums, _filter_coefficients(song, count, 2.5), BUTTERWORTH)
        mix += _levelled(drums, style.drums)
    mix += _reverberation(mix, style.reverberation)
    return _master(mix, song)


def _play(rng: np.random.Generator, notes: Notes, name: str, count: int) -> NDArray[np.float32]:
    """Play one part on one instrument, [count] samples."""
    instrument, tables = INSTRUMENTS[name], wavetables(name)
    frequency = 440.0 * 2.0 ** ((notes.pitch - 69.0) / 12.0)
    shape = np.array(
        [
            max(1.0, instrument.attack * SAMPLE_RATE),
            max(1.0, instrument.release * SAMPLE_RATE),
            instrument.sustain,
            np.exp(-BLOCK / (instrument.decay * SAMPLE_RATE)),
            np.exp(-BLOCK / (instrument.mellowing * SAMPLE_RATE)),
            instrument.vibrato * np.log(2.0) / 12.0,
            2.0 * np.pi * VIBRATO_RATE / SAMPLE_RATE,
        ]
    )
    bus = np.zeros(count, dtype=np.float32)
    add_notes(
        bus,
        tables.bright,
        tables.dull,
        row_of(frequency),
        np.rint(notes.start * SAMPLE_RATE).astype(np.int64),
        np.rint(notes.duration * SAMPLE_RATE).astype(np.int64),
        frequency / SAMPLE_RATE,
        rng.uniform(0.0, 1.0, len(frequency)),
        notes.velocity**1.5,
        shape,
    )
    return bus


def _strike(
    sounds: dict[str, NDArray[np.float32]], strokes: dict[str, Notes], count: int
) -> NDArray[np.float32]:
    """Play the drums, [count] samples."""
    bus = np.zeros(count, dtype=np.float32)
    balance = {"kick": 1.0, "snare": 0.8, "hat": 0.45}
    for name, notes in strokes.items():
        starts = np.rint(notes.start * SAMPLE_RATE).astype(np.int64)
        for start, velocity in zip(starts, notes.velocity, strict=True):
            stop = min(count, start + len(sounds[name]))
            if start < stop:
                bus[start:stop] += np.float32(balance[name] * velocity) * sounds[name][: stop - start]
    return bus


def _root_mean_square(bus: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(bus * bus)))


def _levelled(bus: NDArray[np.float32], level: float) -> NDArray[np.float32]:
    """Bring a bus to a root mean square of `level`, in place; silence stays silence."""
    present = _root_mean_square(bus)
    if present > 1e-6:
        bus *= np.float32(level / present)
    return bus


def _filter_coefficients(song: Trajectories, count: int, factor: float) -> NDArray[np.float64]:
    """Return the low-pass coefficients that follow brightness, [ceil(count / BLOCK)]."""
    times = np.arange(0, count, BLOCK) / SAMPLE_RATE
    cutoff = factor * DULLEST * (BRIGHTEST / DULLEST) ** song.at("brightness", times)
    return np.tan(np.pi * np.minimum(cutoff, 0.43 * SAMPLE_RATE) / SAMPLE_RATE)


def _reverberation(mix: NDArray[np.float32], level: float) -> NDArray[np.float32]:
    """Return the reverberated sound at `level` relative to the direct sound, [samples]."""
    wet = np.zeros_like(mix)
    gains = 10.0 ** (-3.0 * REVERBERATION_DELAYS / (REVERBERATION_TIME * SAMPLE_RATE))
    reverberate(mix, wet, REVERBERATION_DELAYS, gains.astype(np.float32), np.float32(0.2))
    return _levelled(wet, level * _root_mean_square(mix))


def _master(mix: NDArray[np.float32], song: Trajectories) -> NDArray[np.float32]:
    """Give the mix its loudness curve, take out the constant, limit the peaks, fade the ends."""
    mix = _levelled(mix - mix.mean(dtype=np.float64).astype(np.float32), 1.0)
    times = np.arange(0, len(mix), BLOCK) / SAMPLE_RATE
    gain = (10.0 ** (song.at("loudness", times) / 20.0)).astype(np.float32)
    mix = _limited(mix * np.repeat(gain, BLOCK)[: len(mix)])
    rise = np.linspace(0.0, 1.0, int(FADE_IN * SAMPLE_RATE), dtype=np.float32)
    fall = np.linspace(1.0, 0.0, int(FADE_OUT * SAMPLE_RATE), dtype=np.float32)
    mix[: len(rise)] *= rise
    mix[-len(fall) :] *= fall
    return np.clip(mix, -CEILING, CEILING)


def _limited(mix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn down what exceeds the ceiling, smoothly, beginning `LOOKAHEAD` before it.

    The peak level over a window is held, then averaged over the same window: the average is never below
    the level at its middle, so no sample passes the ceiling.
    """
    level = np.abs(mix)
    if level.max() <= CEILING:
        return mix
    window = 2 * int(LOOKAHEAD * SAMPLE_RATE) + 1
    held = maximum_filter1d(np.maximum(level / CEILING, 1.0), window)
    return np.asarray(mix / uniform_filter1d(held, window), dtype=np.float32)
