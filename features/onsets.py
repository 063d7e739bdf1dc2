"""Onsets: where the energy of a signal rises to a peak, and how many such events a second holds.

The conventions are those of Lartillot's MIRtoolbox 1.6.1 (mironsets 'Envelope', 'Spectro';
mireventdensity); the code is our own.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmcore.features.errors import raise_if_stopped
from lstmcore.features.frames import Samples, cut, frames_of, mono
from lstmcore.features.kernels import frame_energies
from lstmcore.features.peaks import pick_peaks
from lstmcore.features.spectrum import transform_points

ONSET_FRAME = 0.1  # seconds of sound that an energy is of
ONSET_HOP = 0.01  # seconds from one energy to the next

_ONSET_CONTRAST = 0.01
_EVENT_CONTRAST = 0.1
_BLOCK_FRAMES = 1024


class OnsetCurve(NamedTuple):
    """Energy of a signal over time.

    Attributes
    ----------
    values
        Shape (n,): from 0 to 1, the largest is 1; all 0 in silence.
    times
        Shape (n,): middles of the frames, seconds; the first is .05.
    rate
        Values a second, Hz; about 100.
    """

    values: NDArray[np.float64]
    times: NDArray[np.float64]
    rate: float


def onset_curve(samples: Samples, rate: float, *, stop: threading.Event | None = None) -> OnsetCurve:
    """Energy of the spectra of frames of .1 s, one every .01 s.

    Parameters
    ----------
    samples
        Shape (n,) or (n, channels), channels are averaged; int16 or floating point.
    rate
        Samples a second, Hz.
    stop
        Set it, from any thread, to end early.

    Returns
    -------
    OnsetCurve
        One value if the signal is shorter than a frame.

    Raises
    ------
    ValueError
        If there is no sample, or the rate leaves a frame none.
    ExtractionStopped
        If `stop` was set.

    Notes
    -----
    Each value is the sum of the power spectrum from 0 to half the rate, Hann window without
    zero ends.  No transform is needed for it: by Parseval's theorem it follows from the sum
    of the squares, the sum, and the alternating sum of the samples.

    Source: Lartillot's MIRtoolbox 1.6.1, mironsets with its defaults.
    """
    frames = frames_of(len(samples), rate, ONSET_FRAME, ONSET_HOP)
    starts, length = frames.starts, frames.length
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1, length + 1) / (length + 1))
    points = max(2, transform_points(length))
    energies = np.empty(len(starts))
    for at in range(0, len(starts), _BLOCK_FRAMES):
        raise_if_stopped(stop)
        block = slice(at, at + _BLOCK_FRAMES)
        signal = mono(samples[starts[block][0] : starts[block][-1] + length])
        frame_energies(signal, starts[block] - starts[at], window, float(points), energies[block])
    largest = energies.max()
    if largest > 0:
        energies /= largest
    curve_rate = rate / float(starts[1] - starts[0]) if len(starts) > 1 else 1 / ONSET_HOP
    return OnsetCurve(energies, frames.centres, curve_rate)


def onset_times(curve: OnsetCurve) -> NDArray[np.float64]:
    """Find the peaks of an onset curve.

    Parameters
    ----------
    curve
        From `onset_curve`.

    Returns
    -------
    NDArray
        Shape (onsets,): seconds, rising.  Peaks stand out by .01; the curve's ends are none.

    Notes
    -----
    Source: Lartillot's MIRtoolbox 1.6.1, mironsets.
    """
    return curve.times[pick_peaks(curve.values, _ONSET_CONTRAST, first=False, last=False).places]


def event_density(
    curve: OnsetCurve, frame_seconds: float | None = None, hop_seconds: float = 0.5
) -> NDArray[np.float64]:
    """Count events per second, over the whole curve or in frames of it.

    Parameters
    ----------
    curve
        From `onset_curve`.
    frame_seconds
        Length of a frame, seconds; None: the whole curve is one.
    hop_seconds
        Distance of the frames, seconds.

    Returns
    -------
    NDArray
        Shape (frames,): events per second.  A curve shorter than a frame is one frame; silence
        has 0.

    Raises
    ------
    ValueError
        If a length is not above 0.

    Notes
    -----
    Events are peaks that stand out by .1 of the range of all frames together.  A frame's
    first or last value counts when it lies above its neighbour.  The curve begins .05 s after the
    signal; frames are laid over the curve as if it began with it.

    Source: Lartillot's MIRtoolbox 1.6.1, mireventdensity.
    """
    values, rate = curve.values, curve.rate
    if frame_seconds is None:
        rows = values[np.newaxis]
    else:
        rows = cut(values, frames_of(len(values), rate, frame_seconds, hop_seconds))
    counts = pick_peaks(rows, _EVENT_CONTRAST).counts
    return np.asarray(counts * rate / rows.shape[1])
