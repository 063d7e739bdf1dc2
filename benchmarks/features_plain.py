"""The four descriptors of music written plainly on NumPy and SciPy, from their definitions.

No public Python library computes MIRtoolbox's values, so this is what a user would write with the
functions of public libraries: the same values as `features.music_rows` by another way, on the same grid.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
import scipy.signal
from numpy.typing import NDArray

Array = NDArray[np.float64]
BLOCK_FRAMES = 128


def mix(samples: NDArray[Any]) -> Array:
    """Average the channels of 16-bit samples, full scale at 1."""
    return np.asarray(samples.mean(axis=1) / 32768)


def frame_starts(count: int, rate: float, seconds: float, hop: float) -> tuple[NDArray[np.int64], int]:
    """Return the first sample of each frame and their length."""
    length = int(seconds * rate)
    starts = np.floor(hop * rate * np.arange(int((count - length) // (hop * rate)) + 1))
    return starts.astype(np.int64), length


def magnitudes(signal: Array, starts: NDArray[np.int64], window: Array) -> Array:
    """Magnitude spectra of frames, each zero-padded to a power of two."""
    views = np.lib.stride_tricks.sliding_window_view(signal, len(window))
    points = 1 << (len(window) - 1).bit_length()
    blocks = [
        np.abs(scipy.fft.rfft(views[starts[at : at + BLOCK_FRAMES]] * window, points))
        for at in range(0, len(starts), BLOCK_FRAMES)
    ]
    return np.concatenate(blocks)


def peaks(curve: Array, low: float, high: float, contrast: float, ends: bool) -> NDArray[np.int64]:
    """Peaks that stand out by a share of high - low; with `ends`, the first and last sample may be some."""
    least = contrast * (high - low)
    padded = np.concatenate([[-np.inf], curve, [-np.inf]]) if ends else curve
    found = scipy.signal.find_peaks(padded, height=low + least, prominence=least)[0]
    return np.asarray(found - int(ends))


def own_peaks(curve: Array, contrast: float, ends: bool) -> NDArray[np.int64]:
    """Peaks of a curve on its own scale; none where it is negative throughout."""
    low, high = float(curve.min()), float(curve.max())
    return peaks(curve, low, high, contrast, ends) if high >= 0 else np.zeros(0, np.int64)


def row_means(times: Array, values: Array, rows: int) -> Array:
    """Average values over windows of 1 s, one every .5 s."""
    inside = [values[(times >= 0.5 * k) & (times < 0.5 * k + 1)] for k in range(rows)]
    return np.array([part.mean(axis=0) for part in inside])


def dissonance_and_roughness(samples: NDArray[Any], rate: float, rows: int) -> Array:
    """Sensory dissonance (Sethares) and roughness (Vassilakis, as in 2015), shape (rows, 2)."""
    signal = mix(samples)
    starts, length = frame_starts(len(signal), rate, 0.05, 0.025)
    spectra = magnitudes(signal, starts, scipy.signal.windows.hamming(length))
    low, high = float(spectra.min()), float(spectra.max())
    width = rate / (2 * (spectra.shape[1] - 1))
    found = [peaks(spectrum, low, high, 0.01, ends=True) for spectrum in spectra]
    values = np.array([_pairs(*one, width) for one in zip(spectra, found, strict=True)])
    return row_means((2 * starts + length - 1) / (2 * rate), values, rows)


def _pairs(spectrum: Array, found: NDArray[np.int64], width: float) -> tuple[float, float]:
    first, second = np.triu_indices(len(found), 1)
    f, v = found * width, spectrum[found]
    apart = 0.24 / (0.0207 * f[first] + 18.96) * (f[second] - f[first])
    beats = np.exp(-3.51 * apart) - np.exp(-5.75 * apart)
    product = v[first] * v[second]
    depth = 2 * np.maximum(v[first], v[second]) / (v[first] + v[second])
    return float(product @ beats), float((0.5 * product**0.1 * depth**3.11) @ beats)


def envelope(samples: NDArray[Any], rate: float) -> Array:
    """Add up the steps of the energy in ten gammatone channels, at a sixteenth of the rate."""
    signal = mix(samples)
    a = np.exp(-1 / (0.02 * rate))
    total = np.zeros(-(-len(signal) // 16) - 1)
    for sections in _gammatones(rate):
        channel = np.abs(scipy.signal.sosfilt(sections, signal))
        for _ in range(2):  # backwards, then forwards
            channel = scipy.signal.lfilter([1 - a], [1, -a], channel[::-1])
        total += np.diff(np.maximum(channel[::16], 0))
    return np.asarray(total / np.abs(total).max())


def _gammatones(rate: float, channels: int = 10) -> list[Array]:
    shift = 9.26449 * 24.7
    top = np.log(rate / 2 + shift)
    steps = np.arange(channels, 0, -1) * (np.log(50 + shift) - top) / channels
    bank = []
    for centre in np.exp(steps) * (rate / 2 + shift) - shift:
        shrink = np.exp(-1.019 * 2 * np.pi * (centre / 9.26449 + 24.7) / rate)
        turn = 2 * np.pi * centre / rate
        roots = np.sqrt(3 + 2**1.5 * np.array([1, 1, -1, -1])) * [1, -1, 1, -1]
        sections = np.zeros((4, 6))
        sections[:, 0] = 1 / rate
        sections[:, 1] = -shrink / rate * (np.cos(turn) + np.sin(turn) * roots)
        sections[:, 3:] = 1, -2 * shrink * np.cos(turn), shrink**2
        sections[0, :3] /= np.abs(scipy.signal.sosfreqz(sections, [turn])[1][0])
        bank.append(sections)
    return bank


def tempo(samples: NDArray[Any], rate: float, rows: int) -> Array:
    """Tempo of frames of 3 s, beats per minute, shape (rows,); the one before where none is heard."""
    steps, pace = envelope(samples, rate), rate / 16
    starts, length = frame_starts(len(steps), pace, 3.0, 0.5)
    lags = np.arange((length + 1) // 2) / pace
    first, last = np.searchsorted(lags, [60 / 200, 60 / 40])
    kept = slice(first, min(last, len(lags) - 1) + 1)
    beats = []
    for start in starts:
        frame = steps[start : start + length]
        frame = frame - frame.mean()
        products = scipy.signal.correlate(frame, frame, method="fft")[length - 1 :]
        beats.append(_beats(lags[kept], products[kept] / (products[0] or 1)))
    heard = np.flatnonzero(~np.isnan(beats))
    held = np.searchsorted(heard, np.arange(len(beats)), side="right") - 1
    values = np.array(beats)[heard[np.maximum(held, 0)]]
    return np.asarray(values[np.clip(np.arange(rows) - 2, 0, len(values) - 1)])


def _beats(lags: Array, curve: Array) -> float:
    tops = own_peaks(curve, 0.01, ends=False)
    resonance = np.maximum(0, 1 - 0.25 * np.log2(lags / 0.5) ** 2)
    final = np.asarray(curve * resonance / resonance.max())
    if len(tops):
        valleys = curve[own_peaks(-curve, 0.01, ends=True)]
        final = _enhanced(lags, final, valleys[valleys < curve[tops].min()].max(initial=-np.inf))
    found = own_peaks(final, 0.1, ends=False)
    if len(found) == 0:
        return np.nan
    best = found[final[found].argmax()]
    before, top, after = final[best - 1 : best + 2]
    shift = (after - before) / (2 * (2 * top - after - before))
    return float(60 / (lags[best] + shift * (lags[1] - lags[0])))


def _enhanced(lags: Array, curve: Array, floor: float) -> Array:
    floor = floor if np.isfinite(floor) else 0.0
    step, y, skipped = lags[1] - lags[0], curve - floor, 0
    if y[1] < y[0]:
        skipped = int(np.argmax(np.diff(y) > 0))
        y = y[skipped:]
    begun: list[float] = []
    slope = y[1] - y[0]
    value = y[0]
    while value > 0 and slope > 0:
        slope *= 1.1
        value -= slope
        begun.insert(0, max(0.0, value))
    y = np.concatenate([begun, y])
    t = lags[0] + step * (skipped - len(begun) + np.arange(len(y)))
    for multiple in range(2, 11):
        y = np.maximum(0, y - np.maximum(0, np.interp(t / multiple, t, y, left=0.0)))
    if skipped > len(begun):
        return np.concatenate([np.zeros(skipped - len(begun)), y])
    return y[len(begun) - skipped :] + floor


def event_density(samples: NDArray[Any], rate: float, rows: int) -> Array:
    """Events a second in frames of 1 s of the energy, shape (rows,)."""
    signal = mix(samples)
    starts, length = frame_starts(len(signal), rate, 0.1, 0.01)
    window = scipy.signal.windows.hann(length + 2)[1:-1]
    energies = np.concatenate(
        [
            (magnitudes(signal, starts[at : at + BLOCK_FRAMES], window) ** 2).sum(axis=1)
            for at in range(0, len(starts), BLOCK_FRAMES)
        ]
    )
    energies /= energies.max()
    pace = rate / (starts[1] - starts[0])
    firsts, size = frame_starts(len(energies), pace, 1.0, 0.5)
    curves = np.stack([energies[first : first + size] for first in firsts])
    low, high = curves.min(), curves.max()
    density = np.array([len(peaks(curve, low, high, 0.1, ends=True)) for curve in curves]) * pace / size
    return np.asarray(density[np.clip(np.arange(rows), 0, len(density) - 1)])


def music_rows(samples: NDArray[Any], rate: float, rows: int) -> Array:
    """All four, shape (rows, 4), in the order of `features.music_rows`."""
    both = dissonance_and_roughness(samples, rate, rows)
    return np.column_stack([both, tempo(samples, rate, rows), event_density(samples, rate, rows)])
