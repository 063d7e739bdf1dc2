"""Signals in frames: where they start, how long they are, and one channel out of many."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

_FULL_SCALE = 32768.0


class Samples(Protocol):
    """Samples of shape (n,) or (n, channels): an array, or a file that is cut out like one."""

    def __len__(self) -> int: ...

    def __getitem__(self, at: slice, /) -> NDArray[Any]: ...


class Frames(NamedTuple):
    """Frames of a signal, all of the same length.

    Parameters
    ----------
    starts
        Shape (frames,): first sample of each.
    length
        Samples per frame.
    rate
        Samples a second, Hz.
    """

    starts: NDArray[np.int64]
    length: int
    rate: float

    @property
    def centres(self) -> NDArray[np.float64]:
        """Shape (frames,): middles of the frames in seconds."""
        return (2 * self.starts + self.length - 1) / (2 * self.rate)


def frames_of(samples: int, rate: float, length_seconds: float, hop_seconds: float) -> Frames:
    """Lay frames over a signal, whole ones only.

    Parameters
    ----------
    samples
        Length of the signal, at least 1.
    rate
        Samples a second, Hz.
    length_seconds, hop_seconds
        Length of a frame (rounded down to samples) and distance of their starts (not
        rounded: each start is rounded down by itself).

    Returns
    -------
    Frames
        At least one: a signal shorter than a frame is a single frame.

    Raises
    ------
    ValueError
        If there is no sample, or if a length is not above 0.

    Notes
    -----
    Source: mirframe of Lartillot's MIRtoolbox 1.6.1.
    """
    if samples < 1:
        raise ValueError("a signal without samples; at least one is expected")
    length, hop = int(length_seconds * rate), hop_seconds * rate
    if length < 1 or hop <= 0:
        raise ValueError(f"frames of {length_seconds} s every {hop_seconds} s; more than 0 is expected")
    # Not `//`: it is exact where the definition's rounded quotient already reaches the next frame.
    count = int(np.floor((samples - length) / hop)) + 1
    if count < 1:
        return Frames(np.zeros(1, np.int64), samples, rate)
    return Frames(np.floor(hop * np.arange(count)).astype(np.int64), length, rate)


def cut(signal: NDArray[np.float64], frames: Frames) -> NDArray[np.float64]:
    """Copy frames out of a signal.

    Parameters
    ----------
    signal
        Shape (samples,).
    frames
        Which.

    Returns
    -------
    NDArray
        Shape (frames, length).
    """
    views = np.lib.stride_tricks.sliding_window_view(signal, frames.length)
    return views[frames.starts]


def mono(samples: NDArray[Any]) -> NDArray[np.float64]:
    """Average the channels without rounding.

    Parameters
    ----------
    samples
        Shape (n,) or (n, channels).  Integers of 16 bits become numbers from -1 to 1; others
        keep their scale.

    Returns
    -------
    NDArray
        Shape (n,).

    Raises
    ------
    ValueError
        If `samples` has no channels or more than two dimensions.
    """
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and samples.shape[1] == 0):
        raise ValueError(f"samples of shape {samples.shape}; (n,) or (n, channels) is expected")
    channels = [samples] if samples.ndim == 1 else list(samples.T)
    mixed = channels[0].astype(np.float64)
    for channel in channels[1:]:
        mixed += channel
    scale = len(channels) * (_FULL_SCALE if samples.dtype == np.int16 else 1.0)
    if scale != 1.0:
        mixed /= scale
    return mixed
