"""A decoded file on disk: decoded once, read in pieces by all that compute.

So the memory a song takes does not grow with its length.  openSMILE wants a 16-bit WAV
file; the descriptors of music want the samples as they are.  Where the song has 16 bits
these are the same file, else the samples lie beside it in a file of their own.
"""

from __future__ import annotations

import os
import threading
import wave
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.features.audio import open_audio
from lstmcore.features.errors import AudioError, naming, raise_if_stopped

LOWEST_RATE_HZ = 1000
"""Nothing below is music; openSMILE itself refuses rates below about 80 Hz."""

_FULL_SCALE = 32768.0
_LARGEST_WAV = 0xFFFFFFFF - 36  # bytes of samples: the lengths in a WAV file's header have 32 bits
_WAV_HEADER_BYTES = 44


@dataclass(frozen=True, eq=False)
class SampleFile:
    """Samples in a file, cut out like those of an array: ``samples[start:stop]``.

    Parameters
    ----------
    path
        The file.
    dtype
        Of the samples, in the machine's byte order.
    channels
        Of each frame, side by side.
    frames
        How many.
    offset
        Bytes before the first sample.
    """

    path: Path
    dtype: np.dtype[Any]
    channels: int
    frames: int
    offset: int = 0

    def __len__(self) -> int:
        return self.frames

    def __getitem__(self, at: slice, /) -> NDArray[Any]:
        """Frames start to stop, shape (stop - start, channels)."""
        start, stop, _ = at.indices(self.frames)
        width = self.channels * self.dtype.itemsize
        values = np.fromfile(
            self.path, self.dtype, max(0, stop - start) * self.channels, offset=self.offset + start * width
        )
        return values.reshape(-1, self.channels)


@dataclass(frozen=True, eq=False)
class Decoded:
    """An audio file, decoded.

    Parameters
    ----------
    source
        The audio file.
    rate
        Frames a second, Hz.
    frames
        How many.
    wav
        All channels, as 16-bit WAV.
    samples
        The samples in the type of `lstmcore.features.audio.Audio`; None if they were not wanted.
    """

    source: str | os.PathLike[str]
    rate: int
    frames: int
    wav: Path
    samples: SampleFile | None

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.frames / self.rate


def decode(
    source: str | os.PathLike[str],
    folder: Path,
    *,
    keep_samples: bool = False,
    stop: threading.Event | None = None,
) -> Decoded:
    """Decode an audio file into a folder.

    Parameters
    ----------
    source
        Audio file.
    folder
        Where the decoded file goes; whoever gave it removes it.
    keep_samples
        Whether the samples are wanted beside the 16-bit WAV file.
    stop
        Set it, from any thread, to end early.

    Returns
    -------
    Decoded
        With all its files in `folder`.

    Raises
    ------
    AudioError
        If the file cannot be read (see `lstmcore.features.audio.read_audio`), is longer than a WAV file can
        be, 4 GiB, or has a sample rate below 1 kHz.
    ExtractionStopped
        If `stop` was set.
    OSError
        If the folder cannot be written to (disk full, no permission); ``filename`` names the file.
    """
    wav, raw = folder / "input.wav", folder / "samples.raw"
    frames = 0
    with open_audio(source) as stream, ExitStack() as files:
        if stream.rate < LOWEST_RATE_HZ:  # else an hour of it is a few kilobytes, and the work without end
            reason = f"sample rate {stream.rate} Hz; at least {LOWEST_RATE_HZ} Hz are expected"
            raise AudioError(source, reason)
        if 2 * stream.channels * stream.rate > _LARGEST_WAV:
            reason = f"sample rate {stream.rate} Hz with {stream.channels} channels"
            raise AudioError(source, f"{reason}; at most 4 GiB a second as 16-bit WAV are expected")
        exact, unrounded = stream.dtype == np.int16, None
        if keep_samples and not exact:
            files.enter_context(naming(raw))
            unrounded = files.enter_context(raw.open("wb"))
        write = files.enter_context(wav16_writer(wav, stream.rate, stream.channels))
        for block in stream.blocks:
            raise_if_stopped(stop)
            frames += len(block)
            if 2 * stream.channels * frames > _LARGEST_WAV:
                reason = f"longer than {frames / stream.rate:.0f} s with {stream.channels} channels"
                raise AudioError(source, f"{reason}; at most 4 GiB as 16-bit WAV are expected")
            write(block)
            if unrounded is not None:
                with naming(raw):
                    unrounded.write(block.data)
    offset = _WAV_HEADER_BYTES if exact else 0
    samples = SampleFile(wav if exact else raw, stream.dtype, stream.channels, frames, offset)
    return Decoded(source, stream.rate, frames, wav, samples if keep_samples else None)


@contextmanager
def wav16_writer(
    path: str | os.PathLike[str], rate: int, channels: int
) -> Iterator[Callable[[NDArray[Any]], None]]:
    """Write a 16-bit PCM WAV file block by block.

    int16 samples are written as they are.  Floating-point ones are multiplied by 32768,
    rounded to the nearest integer and clipped to the range of 16 bits.

    Parameters
    ----------
    path
        The file to write; an existing one is replaced.
    rate
        Frames a second, Hz.
    channels
        How many.

    Returns
    -------
    context manager of a function
        It appends samples, shape (frames, channels).

    Raises
    ------
    OSError
        If the file cannot be written (disk full, no permission); ``filename`` names it.
    """
    with naming(path), Path(path).open("wb") as handle, wave.open(handle, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate)
        yield lambda samples: out.writeframesraw(np.ascontiguousarray(_to_int16(samples)).data)


def _to_int16(samples: NDArray[Any]) -> NDArray[np.int16]:
    if samples.dtype == np.int16:
        return samples
    scaled = np.rint(samples * np.float32(_FULL_SCALE))
    return np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)
