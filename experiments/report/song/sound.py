"""A sound as a picture: read in blocks, reduced to a bounded number of columns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lstmcore.features.audio import AudioStream, open_audio

COLUMNS = 1500
PART = 256  # samples
LOWEST_HZ = 40.0
FLOOR_DB = -80.0
_FULL_SCALE = 32768.0
_WINDOW_SECONDS = 0.09
_BANDS_AN_OCTAVE = 24


@dataclass(frozen=True)
class Waveform:
    """Least and greatest sample of each column and its effective value, channels averaged.

    Parameters
    ----------
    edges
        Where columns begin and end in seconds, shape (columns + 1,).
    low, high, effective
        Full scale is 1, shape (columns,).  The effective value is the root of the mean square:
        what is loud in a long song, whose columns all hold a peak.
    """

    edges: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    effective: NDArray[np.float64]


@dataclass(frozen=True)
class Spectrogram:
    """Power over time and frequency, channels averaged.

    Parameters
    ----------
    edges
        Where columns begin and end in seconds, shape (columns + 1,).
    frequencies
        Edges of the bands in Hz, equally wide in octaves, shape (bands + 1,).
    decibels
        Power density in dB below the greatest one, not under `FLOOR_DB`, shape (bands, columns).
    """

    edges: NDArray[np.float64]
    frequencies: NDArray[np.float64]
    decibels: NDArray[np.float64]


def waveform(path: Path) -> Waveform:
    """Reduce an audio file to the envelope of its samples.

    Raises
    ------
    AudioError
        If it can't be decoded.
    """
    frames, rate = _length(path)
    columns = min(COLUMNS, frames)
    low, high = np.full(columns, np.inf), np.full(columns, -np.inf)
    squares, done = np.zeros(columns), 0
    with open_audio(path) as stream:
        for block in _mono_blocks(stream):
            places = (done + np.arange(len(block))) * columns // frames
            starts = np.flatnonzero(np.diff(places, prepend=-1))
            touched = places[starts]  # the first of them may have begun in the block before
            low[touched] = np.minimum(low[touched], np.minimum.reduceat(block, starts))
            high[touched] = np.maximum(high[touched], np.maximum.reduceat(block, starts))
            squares[touched] += np.add.reduceat(block.astype(np.float64) ** 2, starts)
            done += len(block)
    # Column k holds the samples from the first n with n columns // frames == k on.
    begins = -(-np.arange(columns + 1, dtype=np.int64) * frames // columns)
    return Waveform(_edges(frames, rate, columns), low, high, np.sqrt(squares / np.diff(begins)))


def peaks(path: Path) -> tuple[NDArray[np.float64], float]:
    """Return the loudest sample of each `PART` of an audio file, and its length in seconds; one pass.

    Raises
    ------
    AudioError
        If it can't be decoded.
    """
    found, held, count = [], np.empty(0, np.float32), 0
    with open_audio(path) as stream:
        for block in _mono_blocks(stream):
            count += len(block)
            held = np.concatenate([held, np.abs(block)])
            whole = len(held) // PART * PART
            found.append(held[:whole].reshape(-1, PART).max(1))
            held = held[whole:]
        rate = stream.rate
    if len(held):
        found.append(held.max(keepdims=True))
    return np.concatenate([np.empty(0), *found]), count / rate


def spectrogram(path: Path) -> Spectrogram:
    """Reduce an audio file to its spectrogram on a logarithmic frequency axis.

    Hann windows of about .09 s, at most half a window apart; a column averages the power
    of those whose centre it holds.

    Raises
    ------
    AudioError
        If it can't be decoded.
    """
    frames, rate = _length(path)
    window = 1 << max(4, round(math.log2(_WINDOW_SECONDS * rate)))
    columns = int(np.clip(frames // (window // 16), 1, COLUMNS))
    hop = max(1, min(window // 2, frames // columns))
    edges = _band_edges(rate)
    weights = _band_weights(edges, window, rate)
    power, counts = np.zeros((columns, len(edges) - 1)), np.zeros(columns)
    done = 0
    # Products as small as these only wait for each other on several threads.
    with open_audio(path) as stream, threadpool_limits(1):
        for part in _windows(stream, window, hop):
            spectrum = np.fft.rfft(part * np.hanning(window).astype(np.float32))
            places = np.minimum((done + np.arange(len(part))) * hop * columns // frames, columns - 1)
            np.add.at(power, places, (np.abs(spectrum) ** 2) @ weights)
            np.add.at(counts, places, 1)
            done += len(part)
    mean = power / counts[:, None]
    least = 10 ** (FLOOR_DB / 10)
    decibels = 10 * np.log10(np.maximum(mean / (mean.max() or 1.0), least))
    return Spectrogram(_edges(frames, rate, columns), edges, decibels.T)


def _length(path: Path) -> tuple[int, int]:
    """Decode a file to count its samples: no header can be believed.  Then tell their rate."""
    with open_audio(path) as stream:
        return sum(len(block) for block in stream.blocks), stream.rate


def _mono_blocks(stream: AudioStream) -> Iterator[NDArray[np.float32]]:
    scale = np.float32(_FULL_SCALE if stream.dtype == np.int16 else 1)
    for block in stream.blocks:
        yield block.mean(1, dtype=np.float32) / scale


def _windows(stream: AudioStream, window: int, hop: int) -> Iterator[NDArray[np.float32]]:
    """Windows every `hop` samples, shape (n, window); the first is centred at the beginning."""
    margin = np.zeros(window // 2, np.float32)
    held = margin
    for block in _mono_blocks(stream):
        held = np.concatenate([held, block])
        count = max(0, (len(held) - window) // hop + 1)
        if count:
            yield sliding_window_view(held, window)[: count * hop : hop]
        held = held[count * hop :]
    held = np.concatenate([held, margin])
    if len(held) >= window:
        yield sliding_window_view(held, window)[::hop]


def _edges(frames: int, rate: int, columns: int) -> NDArray[np.float64]:
    return np.arange(columns + 1, dtype=np.float64) * (frames / columns / rate)


def _band_edges(rate: int) -> NDArray[np.float64]:
    octaves = math.log2(rate / 2 / LOWEST_HZ)
    bands = max(1, round(_BANDS_AN_OCTAVE * octaves))
    return LOWEST_HZ * np.exp2(octaves / bands * np.arange(bands + 1, dtype=np.float64))


def _band_weights(edges: NDArray[np.float64], window: int, rate: int) -> NDArray[np.float32]:
    """Share of each bin, as wide as their spacing, in the mean over a band; shape (bins, bands)."""
    spacing = rate / window
    centres = spacing * np.arange(window // 2 + 1)[:, None]
    upper = np.minimum(centres + spacing / 2, edges[1:])
    lower = np.maximum(centres - spacing / 2, edges[:-1])
    shares: NDArray[np.float64] = np.maximum(0, upper - lower) / np.diff(edges)
    return shares.astype(np.float32)
