"""Pitch classes of a signal: which notes sound, whatever the octave, and how the instruments are tuned.

Tones are the peaks of long spectra.  They are kept in bins of a tenth of a semitone until it is
known how far the music lies beside 440 Hz; then they are put together to twelve classes.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmcore.features.errors import raise_if_stopped
from lstmcore.features.frames import Frames, Samples, frames_of, mono

Array = NDArray[np.float64]

PITCH_FRAME = 0.4  # seconds of sound in a spectrum
PITCH_HOP = 0.1  # seconds from one spectrum to the next
BINS = 120  # of an octave
CLASSES = 12  # of an octave
TUNING_SECONDS = 30.0  # that a tuning is heard from

_PER_CLASS = BINS // CLASSES
_LOWEST_HZ, _HIGHEST_HZ = 65.0, 2100.0  # C2 to C7
_CONCERT_PITCH_HZ = 440.0
_CONCERT_CLASS = 9  # A, where C is 0
_FLOOR = 1e-6  # of full scale: what is softer is rounding
_POWER = 1.5  # of an amplitude: soft tones count little, and the loudest isn't all
_REACH = 2 / 3  # of a semitone: how far from its middle a tone counts for a class
_BLOCK_SAMPLES = 1 << 19  # of the frames that are transformed together


class PitchProfile(NamedTuple):
    """What sounds over time, in tenths of a semitone of one octave.

    Parameters
    ----------
    weights
        Shape (frames, 120), float32: what share of a frame's tones is where; bin 0 is C, with A at
        440 Hz.  Each frame sums to 1, or to 0 in silence.
    centres
        Shape (frames,): middles of the frames, seconds.
    """

    weights: NDArray[np.float32]
    centres: Array


def pitch_profile(samples: Samples, rate: float, *, stop: threading.Event | None = None) -> PitchProfile:
    """Collect the tones of a signal, in frames of .4 s, one every .1 s.

    Parameters
    ----------
    samples
        Shape (n,) or (n, channels), channels are averaged; int16, or floating point with full
        scale at 1.
    rate
        Samples a second, Hz.
    stop
        Set it, from any thread, to end early.

    Returns
    -------
    PitchProfile
        All 0 in silence.  A signal shorter than a frame is one frame.

    Raises
    ------
    ValueError
        If there is no sample, or the rate leaves a frame none.
    ExtractionStopped
        If `stop` was set.

    Notes
    -----
    A tone is a maximum of the amplitude spectrum (Hann window, no zeros put behind it, so that
    every rate has the same bins) between 65 and 2100 Hz, above 1e-6 of full scale.  A parabola
    through the logarithms of its bin and the two beside it says its frequency and amplitude.  The
    amplitude to the power of 1.5 goes to the two nearest of the 120 bins, the more to the nearer; then
    a frame is divided by its sum: soft passages count like loud ones.

    Memory: 5 kB for each second of the signal.

    Source: E. Gómez, "Tonal description of music audio signals", doctoral thesis, Universitat
    Pompeu Fabra, 2006, chapter 3 (harmonic pitch class profiles), for peaks as tones.
    """
    frames = frames_of(len(samples), rate, PITCH_FRAME, PITCH_HOP)
    weights = np.empty((len(frames.starts), BINS), np.float32)
    step = max(1, _BLOCK_SAMPLES // frames.length)
    for at in range(0, len(frames.starts), step):
        raise_if_stopped(stop)
        weights[at : at + step] = _profiles(samples, frames._replace(starts=frames.starts[at : at + step]))
    return PitchProfile(weights, frames.centres)


def _profiles(samples: Samples, frames: Frames) -> Array:
    starts, length = frames.starts, frames.length
    signal = mono(samples[starts[0] : starts[-1] + length])
    # A tone of full scale has amplitude 1.
    window = (1 - np.cos(2 * np.pi * np.arange(length) / length)) / length
    views = np.lib.stride_tricks.sliding_window_view(signal, length)
    hz = frames.rate / length
    first = max(1, int(np.ceil(_LOWEST_HZ / hz)))
    last = min(int(_HIGHEST_HZ / hz), (length - 1) // 2 - 1)
    if last < first:
        return np.zeros((len(starts), BINS))
    spectra = np.abs(np.fft.rfft(views[starts - starts[0]] * window)[:, first - 1 : last + 2])
    left, middle, right = spectra[:, :-2], spectra[:, 1:-1], spectra[:, 2:]
    frame, place = np.nonzero((middle > left) & (middle >= right) & (middle > _FLOOR))
    a, b, c = (np.log(np.maximum(one[frame, place], _FLOOR**2)) for one in (left, middle, right))
    beside = 0.5 * (a - c) / (a - 2 * b + c)
    weight = np.exp(_POWER * (b - 0.25 * (a - c) * beside))
    semitones = CLASSES * np.log2((first + place + beside) * hz / _CONCERT_PITCH_HZ) + _CONCERT_CLASS
    tenths = semitones * _PER_CLASS
    below = np.floor(tenths)
    share = tenths - below
    row, column = frame * BINS, below.astype(np.int64)
    size = len(starts) * BINS
    sums = np.bincount(row + column % BINS, weight * (1 - share), size)
    sums += np.bincount(row + (column + 1) % BINS, weight * share, size)
    profiles = sums.reshape(-1, BINS)
    total = profiles.sum(1, keepdims=True)
    shares: Array = np.divide(profiles, total, out=np.zeros(profiles.shape), where=total > 0)
    return shares


def tunings(profile: PitchProfile) -> Array:
    """Hear how far the tuning lies beside A = 440 Hz.

    Parameters
    ----------
    profile
        From `pitch_profile`.

    Returns
    -------
    ndarray
        Shape (frames,): semitones, -.5 to .5, from the 30 s that end at each frame; 0 where nothing sounded.

    Notes
    -----
    The mean direction of the tones when a semitone is a full circle; so half a semitone above is half a
    semitone below, and classes are those of another key: nothing here depends on which.

    Source: K. Dressler and S. Streich, "Tuning frequency estimation using circular statistics", ISMIR 2007.
    """
    circle = np.exp(2j * np.pi * np.arange(BINS) / _PER_CLASS)
    sums = np.concatenate([[0], np.cumsum(profile.weights @ circle)])
    end = np.arange(1, len(sums))
    begin = np.maximum(end - round(TUNING_SECONDS / PITCH_HOP), 0)
    return np.asarray(np.angle(sums[end] - sums[begin]) / (2 * np.pi), np.float64)


def chroma(weights: NDArray[np.floating], tuning: Array) -> Array:
    """Put tenths of semitones together to the twelve pitch classes.

    Parameters
    ----------
    weights
        Shape (..., 120), as in `PitchProfile`.
    tuning
        Shape (...): semitones, one for each.

    Returns
    -------
    ndarray
        Shape (..., 12), from C; each sums to 1, or to 0 where nothing sounds.

    Notes
    -----
    A tone d semitones from the middle of a class counts cos²(3π d / 4), up to d = 2/3.

    Source: Gómez 2006, section 3.2 (weighting window of 4/3 semitones).
    """
    place = np.arange(BINS)[:, None] / _PER_CLASS - np.arange(CLASSES)
    away = (place - np.asarray(tuning)[..., None, None] + CLASSES / 2) % CLASSES - CLASSES / 2
    counts = np.where(np.abs(away) < _REACH, np.cos(np.pi * away / (2 * _REACH)) ** 2, 0.0)
    classes = np.einsum("...b,...bc->...c", weights, counts)
    total = classes.sum(-1, keepdims=True)
    shares: Array = np.divide(classes, total, out=np.zeros_like(classes), where=total > 0)
    return shares
