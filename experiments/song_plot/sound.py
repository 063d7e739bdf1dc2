"""A sound as a picture: read in blocks, reduced to a bounded number of columns."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

COLUMNS = 1500
LOWEST_HZ = 40.0
FLOOR_DB = -80.0
_BLOCK = 1 << 16
_WINDOW_SECONDS = 0.09
_BANDS_AN_OCTAVE = 24


@dataclass(frozen=True)
class Waveform:
    """Least and greatest sample of each column, channels averaged.

    Parameters
    ----------
    edges
        Where columns begin and end in seconds, shape (columns + 1,).
    low, high
        Full scale is 1, shape (columns,).
    """

    edges: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


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
    """Reduce a decodable audio file to the envelope of its samples."""
    with soundfile.SoundFile(os.fsencode(path)) as sound:
        frames, rate = sound.frames, sound.samplerate
        columns = min(COLUMNS, frames)
        low, high = np.full(columns, np.inf), np.full(columns, -np.inf)
        done = 0
        for block in _mono_blocks(sound):
            places = np.minimum((done + np.arange(len(block))) * columns // frames, columns - 1)
            starts = np.flatnonzero(np.diff(places, prepend=-1))
            touched = places[starts]  # the first of them may have begun in the block before
            low[touched] = np.minimum(low[touched], np.minimum.reduceat(block, starts))
            high[touched] = np.maximum(high[touched], np.maximum.reduceat(block, starts))
            done += len(block)
    reached = int(np.isfinite(low).sum())  # an MP3 may announce more than it holds
    return Waveform(_edges(frames, rate, columns)[: reached + 1], low[:reached], high[:reached])


def spectrogram(path: Path) -> Spectrogram:
    """Reduce a decodable audio file to its spectrogram on a logarithmic frequency axis.

    Hann windows of about .09 s, at most half a window apart; a column averages the power
    of those whose centre it holds.
    """
    # Products as small as these only wait for each other on several threads.
    with soundfile.SoundFile(os.fsencode(path)) as sound, threadpool_limits(1):
        frames, rate = sound.frames, sound.samplerate
        window = 1 << max(4, round(math.log2(_WINDOW_SECONDS * rate)))
        columns = int(np.clip(frames // (window // 16), 1, COLUMNS))
        hop = max(1, min(window // 2, frames // columns))
        edges = _band_edges(rate)
        weights = _band_weights(edges, window, rate)
        power, counts = np.zeros((columns, len(edges) - 1)), np.zeros(columns)
        done = 0
        for part in _windows(sound, window, hop):
            spectrum = np.fft.rfft(part * np.hanning(window).astype(np.float32))
            places = np.minimum((done + np.arange(len(part))) * hop * columns // frames, columns - 1)
            np.add.at(power, places, (np.abs(spectrum) ** 2) @ weights)
            np.add.at(counts, places, 1)
            done += len(part)
    reached = int((counts > 0).sum())
    mean = power[:reached] / counts[:reached, None]
    least = 10 ** (FLOOR_DB / 10)
    decibels = 10 * np.log10(np.maximum(mean / (mean.max() or 1.0), least))
    return Spectrogram(_edges(frames, rate, columns)[: reached + 1], edges, decibels.T)


def _mono_blocks(sound: soundfile.SoundFile) -> Iterator[NDArray[np.float32]]:
    while len(block := sound.read(_BLOCK, dtype="float32", always_2d=True)):
        yield block.mean(1, dtype=np.float32)


def _windows(sound: soundfile.SoundFile, window: int, hop: int) -> Iterator[NDArray[np.float32]]:
    """Windows every `hop` samples, shape (n, window); the first is centred at the beginning."""
    margin = np.zeros(window // 2, np.float32)
    held = margin
    for block in _mono_blocks(sound):
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
