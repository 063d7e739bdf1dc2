"""The peaks of a signal's spectra: what roughness hears as simultaneous tones.

Conventions are those of Lartillot's MIRtoolbox 1.6.1 (mirspectrum, mirpeaks).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmcore.features.errors import raise_if_stopped
from lstmcore.features.frames import Frames, Samples, frames_of, mono
from lstmcore.features.kernels import magnitudes, windowed_frames
from lstmcore.features.peaks import Peaks, pick_peaks

SPECTRUM_FRAME = 0.05  # seconds of sound in a spectrum
SPECTRUM_HOP = 0.025  # seconds from one spectrum to the next

_CONTRAST = 0.01
_BLOCK_POINTS = 1 << 18  # a block of spectra stays near the processor
_BLOCK_PAIRS = 1 << 30  # whoever sums over pairs of peaks is done with a block in a moment
_KEPT_BYTES = 1 << 26  # spectra of a longer signal are computed twice instead of kept


@dataclass(frozen=True, eq=False)
class SpectralPeaks:
    """Peaks of the magnitude spectra of frames.

    Parameters
    ----------
    frequencies
        Shape (peaks,): Hz, at the centre of a bin, frame after frame, rising in each.
    magnitudes
        Shape (peaks,): of the bins.  Not divided by the window's sum or length.
    counts
        Shape (frames,): peaks of each frame.
    centres
        Shape (frames,): middles of the frames, seconds.
    """

    frequencies: NDArray[np.float64]
    magnitudes: NDArray[np.float64]
    counts: NDArray[np.int64]
    centres: NDArray[np.float64]


def transform_points(length: int) -> int:
    """Return the number of points of a frame's transform: the smallest power of two that holds `length`."""
    return 1 << (length - 1).bit_length()


def spectral_peaks(
    samples: Samples,
    rate: float,
    frame_seconds: float = SPECTRUM_FRAME,
    hop_seconds: float = SPECTRUM_HOP,
) -> SpectralPeaks:
    """Find the peaks of the spectra of a signal's frames.

    Hamming window; peaks stand out by .01 of the range of all spectra together, and may lie
    at either end.  A signal shorter than a frame is one frame.

    Parameters
    ----------
    samples
        Shape (n,) or (n, channels), channels are averaged; int16, or floating point with
        full scale at 1.
    rate
        Samples a second, Hz.
    frame_seconds, hop_seconds
        Length and distance of the frames.

    Returns
    -------
    SpectralPeaks
        For all measures of roughness to share.

    Raises
    ------
    ValueError
        If there is no sample, or if a length is not above 0.

    Notes
    -----
    Source: Lartillot's MIRtoolbox 1.6.1, mirspectrum and mirpeaks as mirroughness calls them; given a
    file's name, it takes the range over chunks of some seconds.
    """
    blocks = list(peak_blocks(samples, rate, frame_seconds, hop_seconds))
    return SpectralPeaks(
        np.concatenate([block.frequencies for block in blocks]),
        np.concatenate([block.magnitudes for block in blocks]),
        np.concatenate([block.counts for block in blocks]),
        np.concatenate([block.centres for block in blocks]),
    )


def peak_blocks(
    samples: Samples,
    rate: float,
    frame_seconds: float = SPECTRUM_FRAME,
    hop_seconds: float = SPECTRUM_HOP,
    *,
    stop: threading.Event | None = None,
) -> Iterator[SpectralPeaks]:
    """Give the peaks of `spectral_peaks` some frames at a time.

    Parameters
    ----------
    samples, rate, frame_seconds, hop_seconds
        As in `spectral_peaks`.
    stop
        Set it, from any thread, to end early.

    Returns
    -------
    Iterator of SpectralPeaks
        Those of the first frames, of the next, and so on.

    Raises
    ------
    ValueError
        As `spectral_peaks`.
    ExtractionStopped
        If `stop` was set.

    Notes
    -----
    Memory does not grow with the signal: the spectra of a long one are computed twice, once
    for their range and once for their peaks.
    """
    frames = frames_of(len(samples), rate, frame_seconds, hop_seconds)
    points = transform_points(frames.length)
    keep = len(frames.starts) * points * 4 <= _KEPT_BYTES
    kept, low, high = [], np.inf, -np.inf
    for block in _spectra(samples, frames, points):
        raise_if_stopped(stop)
        low, high = min(low, float(block.min())), max(high, float(block.max()))
        if keep:
            kept.append(block)
    centres, at = frames.centres, 0
    for block in kept or _spectra(samples, frames, points):
        raise_if_stopped(stop)
        found: Peaks = pick_peaks(block, _CONTRAST, limits=(low, high))
        frequencies = np.asarray(found.places * (rate / points), np.float64)
        magnitudes = block[np.repeat(np.arange(len(block)), found.counts), found.places]
        yield SpectralPeaks(frequencies, magnitudes, found.counts, centres[at : at + len(block)])
        at += len(block)


def _spectra(samples: Samples, frames: Frames, points: int) -> Iterator[NDArray[np.float64]]:
    """Blocks of magnitude spectra, shape (frames, points / 2 + 1) each."""
    length = frames.length
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(length) / max(length - 1, 1))
    step = max(1, min(_BLOCK_POINTS // points, _BLOCK_PAIRS // points**2))
    padded = np.zeros((min(step, len(frames.starts)), points))
    for at in range(0, len(frames.starts), step):
        starts = frames.starts[at : at + step]
        signal = mono(samples[starts[0] : starts[-1] + length])
        windowed = padded[: len(starts)]
        windowed_frames(signal, starts - starts[0], window, windowed)
        bins = np.fft.rfft(windowed)
        spectra = np.empty(bins.shape)
        magnitudes(bins.view(np.float64).reshape(-1, 2), spectra.reshape(-1))
        yield spectra
