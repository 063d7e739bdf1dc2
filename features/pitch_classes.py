"""Pitch classes of a signal: which notes sound, whatever the octave, and how the instruments are tuned.

Notes are heard by filters three to the semitone (a constant-Q transform).  They are kept in bins of a third
of a semitone until it is known how far the music lies beside 440 Hz; then they are put together to twelve
classes.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmcore.features.errors import raise_if_stopped
from lstmcore.features.frames import Samples, mono

Array = NDArray[np.float64]

PITCH_HOP = 0.1  # seconds from one frame to the next
BINS = 36  # of an octave
CLASSES = 12  # of an octave
TUNING_SECONDS = 30.0  # that a tuning is heard from

_PER_CLASS = BINS // CLASSES
_OCTAVES = 5
_LOWEST_HZ = 440 * 2 ** (-33 / 12)  # C2; the highest is the B6 before 2093 Hz
_Q = 1 / (2 ** (1 / BINS) - 1)  # frequency over bandwidth: a filter's neighbours are a bandwidth away
_FLOOR = 1e-6  # of full scale: what is softer is rounding
_REACH = 2 / 3  # of a semitone: how far from its middle a tone counts for a class
_BLOCK_SAMPLES = 1 << 20  # of the frames that are filtered together


class PitchProfile(NamedTuple):
    """What sounds over time, in thirds of a semitone of one octave.

    Attributes
    ----------
    weights
        Shape (frames, 36), float32: what share of a frame's energy is where; bin 0 is C, with A at
        440 Hz.  Each frame sums to 1, or to 0 in silence.
    centres
        Shape (frames,): middles of the frames, seconds.
    """

    weights: NDArray[np.float32]
    centres: Array


def pitch_profile(samples: Samples, rate: float, *, stop: threading.Event | None = None) -> PitchProfile:
    """Hear which notes of an octave sound, every .1 s.

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
        A frame for each tenth of a second that has a sample; all 0 in silence.

    Raises
    ------
    ValueError
        If there is no sample.
    ExtractionStopped
        If `stop` was set.

    Notes
    -----
    A filter for each third of a semitone from C2 (65.4 Hz) on, five octaves, as far as the rate allows.
    With x the signal, m the middle of a frame and L = Q rate / f, Q = 1 / (2^(1/36) - 1) = 51.4, the
    amplitude at the frequency f is ::

        2 |Σ_j w_j x_{m+j} exp(-2πi j f / rate)| / Σ_j w_j,   w_j = cos²(π j / L), |j| < L / 2

    so low notes are heard over .8 s and high ones over .025 s; outside the signal x is 0.  Amplitudes
    above 1e-6 of full scale are squared and divided by f, so that harmonics, which lie above the notes that
    are played and are no notes of the key, count less; octaves are added, and each frame divided by its
    sum: soft passages count like loud ones.

    Memory: 2 kB for each second of the signal.

    Source: J. C. Brown, "Calculation of a constant Q spectral transform", Journal of the Acoustical
    Society of America 89, 1991, with Hann's window in place of Hamming's.
    """
    if len(samples) < 1:
        raise ValueError("a signal without samples; at least one is expected")
    count = int(np.ceil(len(samples) / (PITCH_HOP * rate) - 1e-9))
    centres = np.asarray((np.arange(count) + 0.5) * PITCH_HOP, np.float64)
    energies = np.zeros((count, BINS))
    for octave in range(_OCTAVES):
        hz = _LOWEST_HZ * 2 ** (octave + np.arange(BINS) / BINS)
        filters = _filters(hz, rate)
        step = max(1, _BLOCK_SAMPLES // len(filters))
        for at in range(0, count, step):
            raise_if_stopped(stop)
            energies[at : at + step] += _energies(samples, rate, centres[at : at + step], filters) / hz
    total = energies.sum(1, keepdims=True)
    shares = np.divide(energies, total, out=energies, where=total > 0)
    return PitchProfile(shares.astype(np.float32), centres)


def _filters(hz: Array, rate: float) -> Array:
    """Cosines of an octave, then sines, windowed: shape (samples, 72), the frame's middle in the middle."""
    half = int(_Q * rate / hz[0] / 2)
    j = np.arange(-half, half + 1)[:, None]
    windows = np.where(np.abs(j) < _Q * rate / hz / 2, np.cos(np.pi * j * hz / (_Q * rate)) ** 2, 0.0)
    windows *= 2 * (hz * (1 + 2 / _Q) < rate / 2) / windows.sum(0)  # not what the rate can't hold
    turns = 2 * np.pi * j * hz / rate
    return np.hstack([windows * np.cos(turns), windows * np.sin(turns)])


def _energies(samples: Samples, rate: float, centres: Array, filters: Array) -> Array:
    middles = (centres * rate).astype(np.int64)
    half = len(filters) // 2
    begin, end = middles[0] - half, middles[-1] + half + 1
    heard = np.zeros(end - begin)
    first, last = max(begin, 0), min(end, len(samples))
    if first < last:
        heard[first - begin : last - begin] = mono(samples[first:last])
    frames = np.lib.stride_tricks.sliding_window_view(heard, len(filters))[middles - middles[0]]
    # In double precision, so that in single nothing is left of the order in which products are added up,
    # which depends on threads and on how many frames there are.
    parts = frames @ filters
    energies = parts[:, :BINS] ** 2 + parts[:, BINS:] ** 2
    return np.where(energies > _FLOOR**2, energies, 0.0)


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
    """Put thirds of semitones together to the twelve pitch classes.

    Parameters
    ----------
    weights
        Shape (..., 36), as in `PitchProfile`.
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
