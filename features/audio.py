"""Audio files in, samples out, all at once or block by block.

Any sample rate and number of channels; WAV, FLAC, OGG, MP3 and whatever else the
installed libsndfile decodes.  Channels are kept: mixing them down is left to whoever
computes, in floating point, because a mean rounded back to 16 bits changes jitter and
shimmer visibly.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.errors import AudioError

if TYPE_CHECKING:
    import soundfile

_EXACT_IN_16_BITS = ("PCM_16", "PCM_S8", "PCM_U8")
_BLOCK_FRAMES = 1 << 16
# MP3 headers announce up to a thousand or so frames more than can be decoded; a file that lacks
# more than a tenth was cut off.
_LEAST_DECODED = 0.9
_UNKNOWN_FRAMES = 1 << 62  # what libsndfile says of a FLAC file that was written to a pipe
_UNKNOWN_BYTES = 0x7FFF0000  # what programs write as the length of a WAV file, or more, when they can't know
_OGG_HEADER_BYTES, _OGG_LAST_PAGE = 27, 0x04
_OGG_TAIL_BYTES = 1 << 17  # holds a page, of at most 65307 bytes, and tags that some programs add


@dataclass(frozen=True, eq=False)
class Audio:
    """Decoded audio.

    Parameters
    ----------
    samples
        Shape (frames, channels).  int16 where the file holds at most 16 bits, else
        float32 with full scale at -1 and 1 (decoders may go beyond).
    rate
        Frames a second, Hz.
    """

    samples: NDArray[np.int16] | NDArray[np.float32]
    rate: int

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate


@dataclass(frozen=True, eq=False)
class AudioStream:
    """An audio file that is being decoded.

    Parameters
    ----------
    rate
        Frames a second, Hz.
    channels
        How many.
    dtype
        Type of the samples, as in `Audio`.
    blocks
        The samples, from the first to the last: arrays of shape (frames, channels), none of
        them empty.  They raise an AudioError where the file turns out to be unusable.
    """

    rate: int
    channels: int
    dtype: np.dtype[Any]
    blocks: Iterator[NDArray[Any]]


def read_audio(path: str | os.PathLike[str]) -> Audio:
    """Decode a whole audio file at its own rate with all its channels.

    Parameters
    ----------
    path
        WAV, FLAC, OGG or MP3 file.

    Returns
    -------
    Audio
        The samples in the narrowest type that loses nothing of 16 bits.

    Raises
    ------
    AudioError
        If the file is missing, not a file, empty, not decodable, cut off, or if its
        samples are none or not finite.
    """
    with open_audio(path) as stream:
        return Audio(np.concatenate(list(stream.blocks)), stream.rate)


@contextmanager
def open_audio(path: str | os.PathLike[str]) -> Iterator[AudioStream]:
    """Open an audio file to decode it block by block, with little memory.

    Parameters
    ----------
    path
        WAV, FLAC, OGG or MP3 file.

    Returns
    -------
    context manager of AudioStream
        Its blocks joined are what `read_audio` gives.

    Raises
    ------
    AudioError
        As `read_audio`: some at once, some only at the last block.
    """
    check_file(path)
    with _opened(path) as sound:
        if sound.format == "OGG" and (fault := _fault_of_last_page(path)):
            raise AudioError(path, f"{fault}, it may be cut off; a whole file is expected")
        dtype = np.dtype(np.int16 if sound.subtype in _EXACT_IN_16_BITS else np.float32)
        yield AudioStream(sound.samplerate, sound.channels, dtype, _blocks(path, sound, dtype))


def _opened(path: str | os.PathLike[str]) -> soundfile.SoundFile:
    import soundfile

    try:
        # libsndfile takes the name "-" for standard input, but not with a folder before it; and soundfile
        # takes only names that are text, or bytes.
        return _forward_only()(os.fsencode(Path(path).absolute()))
    except soundfile.LibsndfileError as error:
        raise _undecodable(path, _complaint(error)) from error
    except TypeError as error:  # soundfile asks for the rate of files that have no header
        raise _undecodable(path, "the file has no header") from error


@cache
def _forward_only() -> type[soundfile.SoundFile]:
    """Make `soundfile.SoundFile` read on without seeking.

    It seeks after each block, to where the file is anyway.  In MP3 files that changes the
    samples that follow, and in FLAC files of unknown length it fails.
    """
    import soundfile

    class ForwardOnly(soundfile.SoundFile):  # type: ignore[misc]
        def seekable(self) -> bool:
            return False

    return ForwardOnly


def _blocks(
    path: str | os.PathLike[str], sound: soundfile.SoundFile, dtype: np.dtype[Any]
) -> Iterator[NDArray[Any]]:
    decoded = 0
    while len(block := _next_block(path, sound, dtype)):
        if not (np.isfinite(block.min()) and np.isfinite(block.max())):
            raise AudioError(
                path, "some samples are not finite (NaN or infinity); finite samples are expected"
            )
        decoded += len(block)
        yield block
    if decoded == 0:
        raise AudioError(path, "the file holds no samples; at least about a second is expected")
    announced = max(_announced_wav(path, decoded), sound.frames if sound.frames < _UNKNOWN_FRAMES else 0)
    if decoded < _LEAST_DECODED * announced:
        held, told = decoded / sound.samplerate, announced / sound.samplerate
        reason = f"{held:.2f} s could be decoded; the file's header announces {told:.2f} s, it may be cut off"
        raise AudioError(path, reason)


def _next_block(
    path: str | os.PathLike[str], sound: soundfile.SoundFile, dtype: np.dtype[Any]
) -> NDArray[Any]:
    import soundfile

    try:
        block: NDArray[Any] = sound.read(_BLOCK_FRAMES, dtype=dtype.name, always_2d=True)
    except soundfile.LibsndfileError as error:
        raise _undecodable(path, _complaint(error)) from error
    return block


def _announced_wav(path: str | os.PathLike[str], decoded: int) -> float:
    """Frames of a WAV file according to its header: libsndfile tells only what is there."""
    with Path(path).open("rb") as file:
        header = file.read(8)
    size = int.from_bytes(header[4:], "little")
    if header[:4] != b"RIFF" or size >= _UNKNOWN_BYTES:
        return 0.0
    return decoded * (size + 8) / Path(path).stat().st_size


def _fault_of_last_page(path: str | os.PathLike[str]) -> str | None:
    """Tell what is wrong with an OGG file's last page; libsndfile reads what there is without a word.

    Source: RFC 3533, section 6.
    """
    with Path(path).open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _OGG_TAIL_BYTES))
        tail = file.read()
    begin = tail.rfind(b"OggS")
    if begin < 0:  # whatever lies behind the stream
        return None
    page = tail[begin:]
    header = page[:_OGG_HEADER_BYTES]
    if len(header) < _OGG_HEADER_BYTES:
        return "its last page ends in the middle"
    segments = page[_OGG_HEADER_BYTES : _OGG_HEADER_BYTES + header[26]]
    if len(page) < _OGG_HEADER_BYTES + header[26] + sum(segments):
        return "its last page ends in the middle"
    return None if header[5] & _OGG_LAST_PAGE else "its last page isn't marked as the last"


def check_file(path: str | os.PathLike[str]) -> None:
    """Refuse what cannot be an audio file before anything reads it.

    Parameters
    ----------
    path
        Where an audio file is expected.

    Raises
    ------
    AudioError
        If there is nothing, something other than a file, or an empty file.
    """
    try:
        found = _unlike_audio(Path(path))
    except OSError as error:  # a folder without rights, a name too long
        raise unreadable(path, error) from error
    if found:
        raise AudioError(path, f"{found}; an audio file is expected")


def _unlike_audio(file: Path) -> str | None:
    if not file.exists():
        return "no such file"
    if not file.is_file():
        return "a folder" if file.is_dir() else "not a regular file"
    return "the file is empty (0 bytes)" if file.stat().st_size == 0 else None


def unreadable(path: str | os.PathLike[str], error: OSError) -> AudioError:
    """Say of an audio file that the system does not let it be read."""
    return AudioError(path, f"cannot be read, {error.strerror}; an audio file is expected")


def _complaint(error: soundfile.LibsndfileError) -> str:
    said = error.error_string.rstrip(".")
    if (
        "not a regular file" in said
    ):  # its word for an MP3 file without a single frame; ours has been looked at
        return "libsndfile finds no audio in it"
    return f"libsndfile says: {said}"


def _undecodable(path: str | os.PathLike[str], found: str) -> AudioError:
    return AudioError(path, f"cannot be decoded, {found}; WAV, FLAC, OGG or MP3 is expected")
