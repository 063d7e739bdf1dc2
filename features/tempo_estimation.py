"""Tempo: the strongest period of a signal's envelope, by autocorrelation.

The steps, each a function of its own: the envelope's rises and falls (`lstmcore.features.gammatone`)
→ how alike they are to themselves a while later (`autocorrelations`) → weighted by how
readily people tap such a pulse (`resonance`) and rid of the multiples of faster ones
(`enhance`) → the highest peak (`tempo`).

Sources: Toiviainen and Snyder, "Tapping to Bach", Music Perception 21, 2003 (resonance);
Tolonen and Karjalainen, "A computationally efficient multipitch analysis model", IEEE
Transactions on Speech and Audio Processing 8, 2000 (enhancement); Lartillot's MIRtoolbox
1.6.1 for the conventions (mirtempo).  The code is our own.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmcore.features import kernels
from lstmcore.features.errors import raise_if_stopped
from lstmcore.features.frames import Frames, cut, frames_of
from lstmcore.features.gammatone import Envelope
from lstmcore.features.peaks import pick_peaks, refine_peak
from lstmcore.features.spectrum import transform_points

SLOWEST_BPM = 40.0
FASTEST_BPM = 200.0

_SHAPE_CONTRAST = 0.01
_TEMPO_CONTRAST = 0.1
_MULTIPLES = np.arange(2.0, 11.0)
_STEEPER = 1.1
_BLOCK_POINTS = 1 << 18
_BLOCK_FRAMES = 32  # of tempo
_LONG = 1 << 16  # samples of a frame above which its autocorrelation is summed up in pieces


class Autocorrelations(NamedTuple):
    """How alike frames are to themselves a while later.

    Parameters
    ----------
    lags
        Shape (lags,): seconds, from .3 (200 beats per minute) to 1.5 (40).
    values
        Shape (frames, lags): 1 would be equal.
    """

    lags: NDArray[np.float64]
    values: NDArray[np.float64]


def autocorrelations(
    envelope: Envelope, frames: Frames, *, stop: threading.Event | None = None
) -> Autocorrelations:
    """Autocorrelation of each frame without its mean, divided by its value at lag 0.

    Parameters
    ----------
    envelope
        From `lstmcore.features.gammatone.differentiated_envelope`.
    frames
        Of the envelope.
    stop
        Set it, from any thread, to end early.

    Returns
    -------
    Autocorrelations
        Up to half a frame, so frames below 3 s leave out slow tempi.  A constant frame
        has zeros.

    Raises
    ------
    ExtractionStopped
        If `stop` was set.

    Notes
    -----
    Source: Lartillot's MIRtoolbox 1.6.1, mirautocor.
    """
    half = (frames.length + 1) // 2 - 1
    lags = np.arange(int(60 / SLOWEST_BPM * frames.rate) + 2) / frames.rate
    first, last = np.searchsorted(lags, [60 / FASTEST_BPM, 60 / SLOWEST_BPM])
    kept = slice(int(first), max(int(first), min(int(last), half) + 1))
    # Up to here the transform's circle must not close.
    points = transform_points(min(frames.length, _LONG) + kept.stop)
    values = np.empty((len(frames.starts), kept.stop - kept.start))
    step = max(1, _BLOCK_POINTS // points)
    for at in range(0, len(values), step):
        block = cut(envelope.values, frames._replace(starts=frames.starts[at : at + step]))
        block -= block.mean(axis=1, keepdims=True)
        values[at : at + step] = _normalised(block, points, kept, stop)
    return Autocorrelations(lags[kept], values)


def _normalised(
    rows: NDArray[np.float64], points: int, kept: slice, stop: threading.Event | None
) -> NDArray[np.float64]:
    power = np.zeros((len(rows), points // 2 + 1), np.complex128)
    for at in range(0, rows.shape[1], _LONG):
        raise_if_stopped(stop)
        spectrum = np.fft.rfft(rows[:, at : at + _LONG], points)
        beyond = rows[:, at + _LONG : at + _LONG + kept.stop]
        power += spectrum.real**2 + spectrum.imag**2
        if beyond.shape[1]:
            shifted = np.concatenate([np.zeros((len(rows), _LONG)), beyond], axis=1)
            power += spectrum.conj() * np.fft.rfft(shifted, points)
    products = np.fft.irfft(power, points)
    scale = products[:, :1]
    return np.divide(products[:, kept], scale, out=np.zeros_like(products[:, kept]), where=scale != 0)


def resonance(lags: NDArray[np.float64]) -> NDArray[np.float64]:
    """How readily people tap a pulse: 1 at a period of .5 s, 0 two octaves away.

    Parameters
    ----------
    lags
        Shape (n,): periods in seconds, above 0.

    Returns
    -------
    NDArray
        Shape (n,): max(0, 1 - (log2(t / .5) / 2)²).

    Notes
    -----
    Source: Toiviainen and Snyder 2003.
    """
    return np.maximum(0.0, 1 - 0.25 * np.log2(lags / 0.5) ** 2)


def enhance(lags: NDArray[np.float64], curve: NDArray[np.float64], floor: float = 0.0) -> NDArray[np.float64]:
    """Take from a curve over lags what repeats its peaks at 2 to 10 times their lags.

    Parameters
    ----------
    lags
        Shape (n,): evenly spaced, rising, n at least 2.
    curve
        Shape (n,).
    floor
        What counts as zero: it is subtracted before and added again after.

    Returns
    -------
    NDArray
        Shape (n,).

    Notes
    -----
    A curve that begins on a slope is first cut off up to its first rise, or continued to
    smaller lags, ever more steeply, down to 0.

    Source: Tolonen and Karjalainen 2000; Lartillot's MIRtoolbox 1.6.1 ('Enhanced') for the
    treatment of the ends.
    """
    y = curve - floor
    removed = 0
    if y[1] < y[0]:
        rises = np.flatnonzero(np.diff(y) > 0)
        removed = int(rises[0]) if len(rises) else len(y) - 1
    y = y[removed:]
    added = _continued(y)
    y = np.concatenate([added, y])
    if len(added):
        y[0] = 0.0
    step = lags[1] - lags[0]
    begin = removed - len(added)
    t = lags[0] + step * np.arange(begin, begin + len(y))
    t[-begin if begin < 0 else 0 :] = lags[max(begin, 0) :]
    kernels.take_multiples(t, y, _MULTIPLES, np.empty_like(y))
    if begin > 0:
        return np.concatenate([np.zeros(begin), y])
    return y[-begin:] + floor


def _continued(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values that lead a rising curve down to 0 or below, to stand before it."""
    added: list[float] = []
    value, slope = float(y[0]), float(y[1] - y[0]) if len(y) > 1 else 0.0
    while value > 0 and slope > 0:
        slope *= _STEEPER
        value -= slope
        added.append(value)
    return np.array(added[::-1])


def tempo(
    envelope: Envelope,
    frame_seconds: float | None = None,
    hop_seconds: float = 0.5,
    *,
    stop: threading.Event | None = None,
) -> NDArray[np.float64]:
    """Find the tempo of a whole signal or of its frames.

    Parameters
    ----------
    envelope
        From `lstmcore.features.gammatone.differentiated_envelope`.
    frame_seconds
        Length of a frame, seconds, 3 or more for tempi down to 40; None: one for all.
    hop_seconds
        Distance of the frames, seconds.
    stop
        Set it, from any thread, to end early.

    Returns
    -------
    NDArray
        Shape (frames,): beats per minute, about 40 to 200; NaN where no period stands out, so
        in silence.  A signal shorter than a frame is one frame.

    Raises
    ------
    ValueError
        If a length is not above 0.
    ExtractionStopped
        If `stop` was set.

    Notes
    -----
    Source: Lartillot's MIRtoolbox 1.6.1, mirtempo with its defaults.
    """
    values, rate = envelope.values, envelope.rate
    if frame_seconds is None:
        frames = Frames(np.zeros(1, np.int64), len(values), rate)
    else:
        frames = frames_of(len(values), rate, frame_seconds, hop_seconds)
    beats = np.full(len(frames.starts), np.nan)
    for at in range(0, len(beats), _BLOCK_FRAMES):
        some = frames._replace(starts=frames.starts[at : at + _BLOCK_FRAMES])
        lags, curves = autocorrelations(envelope, some, stop=stop)
        if len(lags) >= 3:
            weights = resonance(lags)
            weights /= weights.max()
            beats[at : at + _BLOCK_FRAMES] = [_beats(lags, curve, weights) for curve in curves]
    return beats


def _beats(lags: NDArray[np.float64], curve: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    # One curve on its own scale.  That it may be negative throughout matters only in the end: the reference
    # finds a tempo in such frames.
    peaks = pick_peaks(curve, _SHAPE_CONTRAST, first=False, last=False).places
    final = curve * weights
    if len(peaks):
        valleys = curve[pick_peaks(-curve, _SHAPE_CONTRAST).places]
        below = valleys[valleys < curve[peaks].min()]
        floor = float(below.max()) if len(below) else 0.0
        # Frames below 1.2 s hold no repetition: there the curve is only lowered.
        repeats = lags[-1] >= _MULTIPLES[0] * lags[0]
        final = enhance(lags, final, floor) if repeats else final - floor
    places = pick_peaks(final, _TEMPO_CONTRAST, first=False, last=False, scope="local").places
    if len(places) == 0:
        return float("nan")
    highest = int(places[final[places].argmax()])
    return 60 / refine_peak(lags, final, highest)
