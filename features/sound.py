"""Sound itself, for networks that learn from it: a block of a second in each row, log-mel or samples.

A row's block is the sound of its window, at 16 kHz and in one channel, whatever the file has: ``waveform`` is
its samples, ``log-mel`` the energy in bands of the mel scale in frames side by side.  Rows overlap as those
of the other sets do, so the same frame or sample is in two of them.
"""

from __future__ import annotations

import math
import threading
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.features.audio import DECODING
from lstmcore.features.decoded import Decoded
from lstmcore.features.errors import raise_if_stopped
from lstmcore.features.frames import Samples, mono
from lstmcore.features.fs1 import rows_of
from lstmcore.features.settings import FeatureSettings
from lstmcore.features.sound_names import SOUND_RATE_HZ, LogMel, sound_of, steps_of

_REVISION = 1  # raise it whenever these numbers change
_PIECE_SECONDS = 20  # brought to 16 kHz at once
_ZEROS = 10  # of the low-pass filter, on each side
_SPECTRA = 128  # computed at once: they are large
_FLOOR = 1e-10  # of full scale, squared: -100 dB


def sound_version(part: str, settings: FeatureSettings) -> str:
    """Return which code computes a block, for the names of stored results."""
    return f"d{DECODING}-r{_REVISION}{settings.version('FS1')}"


def sound_rows(
    audio: Decoded, part: str, settings: FeatureSettings, stop: threading.Event | None = None
) -> NDArray[np.float32]:
    """Compute the block of each row.

    Parameters
    ----------
    audio
        A decoded file with its samples.
    part
        Name of the set, "waveform" or that of a log-mel spectrogram.
    settings
        Choices, of which only the hop matters.
    stop
        Set it, from any thread, to end early.

    Returns
    -------
    NDArray
        Shape (rows, values).

    Raises
    ------
    ValueError
        If rows aren't 1 s long, or not a whole number of a spectrogram's frames apart.
    AudioError
        If the sound is too short, or has a sample rate below 1 kHz.
    ExtractionStopped
        If `stop` was set.

    Notes
    -----
    Memory: that of the rows, and of half a minute of samples.
    """
    assert audio.samples is not None
    sound = sound_of(part)
    assert sound is not None
    step, a_row = steps_of(part, settings)
    rows = rows_of(audio, settings)
    count = (rows - 1) * step + a_row
    if sound == "waveform":
        line = _in_pieces(Resampled(audio.samples, audio.rate), count, stop)
    else:
        line = log_mel(Resampled(audio.samples, audio.rate), count, sound, stop=stop)
    windows = np.lib.stride_tricks.sliding_window_view(line, a_row, 0)[::step]
    if sound != "waveform":
        windows = windows.swapaxes(1, 2)  # frames, then bands
    return np.ascontiguousarray(windows, np.float32).reshape(rows, -1)


class Resampled:
    """A signal in one channel at 16 kHz, cut out piece by piece: silence before its start and behind its end.

    Parameters
    ----------
    samples
        As in `lstmcore.features.frames.mono`.
    rate
        Samples a second, Hz.

    Notes
    -----
    A polyphase filter: a windowed sinc (Kaiser, β = 5) with ten zeros on each side, that passes what both
    rates have.
    """

    def __init__(self, samples: Samples, rate: int) -> None:
        from scipy.signal import firwin

        common = math.gcd(rate, SOUND_RATE_HZ)
        self._samples, self._up, self._down = samples, SOUND_RATE_HZ // common, rate // common
        largest = max(self._up, self._down)
        self._half = _ZEROS * largest  # at the common multiple of both rates
        self._filter = np.ones(1)  # between equal rates
        if largest > 1:
            self._filter = firwin(2 * self._half + 1, 1 / largest, window=("kaiser", 5.0))

    def piece(self, start: int, stop: int) -> NDArray[np.float64]:
        """Return samples start to stop of the new signal."""
        if self._up == self._down:
            return self._read(start, stop)
        from scipy.signal import resample_poly

        # Where both signals have a sample, far enough before the piece for the filter.
        margin = -(-self._half // (self._up * self._down)) + 1
        first, last = start // self._up - margin, -(-stop // self._up) + margin
        heard = self._read(first * self._down, last * self._down)
        there = resample_poly(heard, self._up, self._down, window=self._filter)
        found: NDArray[np.float64] = there[start - first * self._up : stop - first * self._up]
        return found

    def _read(self, start: int, stop: int) -> NDArray[np.float64]:
        inside = slice(min(max(start, 0), len(self._samples)), min(max(stop, 0), len(self._samples)))
        values = np.zeros(stop - start)
        if inside.stop > inside.start:
            values[inside.start - start : inside.stop - start] = mono(self._samples[inside])
        return values


def _in_pieces(signal: Resampled, count: int, stop: threading.Event | None) -> NDArray[np.float32]:
    """Return the first samples of a signal."""
    line = np.empty(count, np.float32)
    size = _PIECE_SECONDS * SOUND_RATE_HZ
    for at in range(0, count, size):
        raise_if_stopped(stop)
        line[at : at + size] = signal.piece(at, min(at + size, count))
    return line


def log_mel(
    signal: Resampled, frames: int, sound: LogMel, *, stop: threading.Event | None = None
) -> NDArray[np.float32]:
    """Compute the energy in bands of the mel scale, frame by frame.

    Parameters
    ----------
    signal
        The sound.
    frames
        How many.
    sound
        Bands, and the distance of frames.
    stop
        Set it, from any thread, to end early.

    Returns
    -------
    NDArray
        In dB, from -100, shape (frames, bands): a sine of full scale has 0 dB in all bands together.

    Notes
    -----
    A frame is twice as long as they are apart (Hann window), its middle that of its share of the sound.
    The bands are triangles of equal width on the mel scale, 2595 log10(1 + f / 700), from 0 to 8 kHz.

    Source of the scale: D. O'Shaughnessy, "Speech communication: human and machine", 1987.
    """
    hop = round(sound.hop_seconds * SOUND_RATE_HZ)
    length = 2 * hop
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(length) + 0.5) / length)
    # Zeros behind the frame: low bands are narrower than the bins of a short one.
    size = max(1024, 1 << (length - 1).bit_length())
    bands = mel_bands(sound.bands, size) * 4 / (size * (window**2).sum())
    values = np.empty((frames, sound.bands), np.float32)
    together = max(1, _PIECE_SECONDS * SOUND_RATE_HZ // hop)
    for at in range(0, frames, together):
        raise_if_stopped(stop)
        end = min(at + together, frames)
        piece = signal.piece(at * hop - hop // 2, end * hop + hop - hop // 2)
        parts = np.lib.stride_tricks.sliding_window_view(piece, length)[::hop][: end - at]
        for row in range(0, end - at, _SPECTRA):
            power = np.abs(np.fft.rfft(parts[row : row + _SPECTRA] * window, size)) ** 2
            found = 10 * np.log10(np.maximum(power @ bands, _FLOOR))
            values[at + row : at + row + len(found)] = found
    return values


@cache
def mel_bands(bands: int, size: int) -> NDArray[np.float64]:
    """Weights of a spectrum's bins in bands of the mel scale, shape (size / 2 + 1, bands)."""
    hz = np.fft.rfftfreq(size, 1 / SOUND_RATE_HZ)
    mel = 2595 * np.log10(1 + hz / 700)
    corners = np.linspace(0, mel[-1], bands + 2)
    rising = (mel[:, None] - corners[:-2]) / np.diff(corners)[:-1]
    falling = (corners[2:] - mel[:, None]) / np.diff(corners)[1:]
    weights: NDArray[Any] = np.maximum(np.minimum(rising, falling), 0)
    return weights
