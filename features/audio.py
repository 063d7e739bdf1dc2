"""Audio files in, samples out, all at once or block by block.

Any sample rate and number of channels; MP3, Ogg (Vorbis, Opus, FLAC), FLAC, WAV and other
files of plain sound in which it can be told whether something is missing (`lstmcore.features.chunks`).
libsndfile decodes them, but is only given parts that are what their headers say: it goes by
the first header it meets.  What it doesn't know is left to FFmpeg (`lstmcore.features.media`).

Channels are kept: mixing them down is left to whoever computes, in floating point, because a
mean rounded back to 16 bits changes jitter and shimmer visibly.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lstmcore.features.chunks import chunk_parts
from lstmcore.features.containers import Length, check_container
from lstmcore.features.errors import AudioError
from lstmcore.features.formats import FORMAT_BYTES, Foreign, foreign_format
from lstmcore.features.media import INSTALL, Media, media_reader, open_media
from lstmcore.features.mpeg import mpeg_parts
from lstmcore.features.ogg import UNMARKED, ogg_parts
from lstmcore.features.pieces import Damaged, Part, PiecedFile, Unknown, check_length
from lstmcore.features.tags import bounds, read_at

if TYPE_CHECKING:
    import soundfile

DECODING = 2
"""Which samples files give.  Whoever changes that raises it, so that stored features are computed anew."""

_EXACT_IN_16_BITS = ("PCM_16", "PCM_S8", "PCM_U8")
_BLOCK_FRAMES = 1 << 16
_UNKNOWN_FRAMES = 1 << 62  # what libsndfile says of a file that doesn't tell, such as FLAC written to a pipe
_LOUDEST = 10.0  # full scale is 1; decoders and mixes go beyond it, but not by 20 dB
_BUFFER_BYTES = 1 << 16


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
        MP3, WAV, FLAC, Ogg and more; with FFmpeg also M4A, WMA, WebM and videos.

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
        MP3, WAV, FLAC, Ogg and more; with FFmpeg also M4A, WMA, WebM and videos.

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
    with _readable(path) as file, ExitStack() as decoder:
        found = _parts(path, file)
        if isinstance(found, Foreign):
            stream = decoder.enter_context(_open_foreign(path, file, found))
        else:
            stream = _format(path, file, found)
            stream = replace(stream, blocks=_blocks(path, file, found, stream.dtype, decoder))
        yield replace(stream, blocks=_usable(path, stream))


@contextmanager
def _readable(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    with ExitStack() as stack:
        try:
            file = stack.enter_context(Path(path).open("rb", _BUFFER_BYTES))
        except OSError as error:
            raise unreadable(path, error) from error
        yield file


def _parts(path: str | os.PathLike[str], file: BinaryIO) -> list[Part] | Foreign:
    """Return what libsndfile is given of a file, part by part, or which format it is that it doesn't know."""
    try:
        size = file.seek(0, os.SEEK_END)
        where = bounds(file, size)
        begin = read_at(file, where.start, FORMAT_BYTES)
        if begin.startswith(b"OggS"):
            return ogg_parts(file, where)
        if begin.startswith(b"fLaC"):
            return [Part((where,))]
        if foreign := foreign_format(begin):
            return foreign
        if parts := chunk_parts(file, where, size) or mpeg_parts(file, where, size):
            return parts
    except Damaged as error:
        raise _damaged(path, error) from error
    except Unknown as error:
        raise _undecodable(path, str(error)) from error
    except OSError as error:
        raise unreadable(path, error) from error
    raise _undecodable(path, "the decoder finds no audio in it")


@contextmanager
def _open_foreign(path: str | os.PathLike[str], file: BinaryIO, foreign: Foreign) -> Iterator[AudioStream]:
    """Open a file that FFmpeg decodes, once it is known to be whole."""
    if foreign.demuxer is None:
        raise _undecodable(path, f"it is {foreign.name}")
    if media_reader() is None:
        found = f"it is {foreign.name}, which FFmpeg decodes, and there is none here"
        raise AudioError(path, f"cannot be decoded, {found}; expected: {INSTALL}")
    with ExitStack() as stack:
        try:
            size = file.seek(0, os.SEEK_END)
            told = check_container(file, bounds(file, size), size, foreign.demuxer)
            media = stack.enter_context(open_media(path, file, foreign.demuxer))
        except Damaged as error:
            raise _damaged(path, f"cannot be decoded, it is {foreign.name}: {error}") from error
        except Unknown as error:
            found = f"cannot be decoded, it is {foreign.name}, and {error}"
            raise AudioError(path, f"{found}; sound that can be decoded is expected") from error
        except OSError as error:
            if error.filename is not None:  # another file
                raise
            raise unreadable(path, error) from error
        told = told if told.seconds else Length(media.seconds)
        blocks = stack.enter_context(closing(_trimmed(path, foreign, media, told)))
        yield AudioStream(media.rate, media.channels, np.dtype(np.float32), blocks)


def _trimmed(
    path: str | os.PathLike[str], foreign: Foreign, media: Media, told: Length
) -> Generator[NDArray[Any]]:
    """Leave out what an encoder added, and see whether there is as much as is announced."""
    frames, end = 0, round(told.seconds * media.rate)
    try:
        for block in media.blocks:
            kept = block[: max(0, end - frames)] if told.trimmed else block
            frames += len(block)
            if len(kept):
                yield kept
    except Damaged as error:
        beyond = f" beyond {frames / media.rate:.2f} s" if frames else ""
        raise _damaged(path, f"cannot be decoded{beyond}, it is {foreign.name}: {error}") from error
    except OSError as error:
        raise unreadable(path, error) from error
    _check(path, frames / media.rate, told.seconds)


def _format(path: str | os.PathLike[str], file: BinaryIO, parts: list[Part]) -> AudioStream:
    """Return rate, channels and type of the samples, which all parts must share."""
    whole, seconds, exact = None, 0.0, True
    for part in parts:
        with _opened(path, file, part) as (sound, _):
            form = (sound.samplerate, sound.channels)
            exact = exact and sound.subtype in _EXACT_IN_16_BITS
            held = (part.frames or sound.frames) / sound.samplerate
        whole = whole or form
        if form != whole:
            (rate, channels), (new_rate, new_channels) = whole, form
            change = f"from {rate} Hz and {channels} channels to {new_rate} Hz and {new_channels}"
            raise AudioError(
                path, f"it changes {change} after {seconds:.2f} s; the same in the whole file is expected"
            )
        _check(path, held, held * part.told)
        seconds += held
    assert whole is not None
    return AudioStream(*whole, np.dtype(np.int16 if exact else np.float32), iter(()))


@contextmanager
def _opened(
    path: str | os.PathLike[str], file: BinaryIO, part: Part
) -> Iterator[tuple[soundfile.SoundFile, PiecedFile]]:
    import soundfile

    source = PiecedFile(file, part.pieces)
    try:
        sound = _forward_only()(source)
    except soundfile.LibsndfileError as error:
        if part.told > 1:
            share = f"{100 / part.told:.0f} % of the sound are there that its header announces"
            raise _damaged(path, Damaged(f"{share}, it may be cut off")) from error
        raise _failed(path, source, error) from error
    with sound:
        yield sound, source


def _check(path: str | os.PathLike[str], held: float, told: float) -> None:
    try:
        check_length(held, told)
    except Damaged as error:
        raise _damaged(path, error) from error


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
    path: str | os.PathLike[str],
    file: BinaryIO,
    parts: list[Part],
    dtype: np.dtype[Any],
    decoder: ExitStack,
) -> Iterator[NDArray[Any]]:
    for part in parts:
        if part.endless is not None:
            _check_trimmed(path, file, part)
        yield from _blocks_of(path, file, part, dtype, decoder)


def _usable(path: str | os.PathLike[str], stream: AudioStream) -> Iterator[NDArray[Any]]:
    """Pass blocks on, and refuse samples that can't be sound, or none."""
    decoded = 0
    for block in stream.blocks:
        if not (np.isfinite(block.min()) and np.isfinite(block.max())):
            reason = "some samples are not finite (NaN or infinity)"
            raise AudioError(path, f"{reason}; finite samples are expected")
        if stream.dtype != np.int16 and (loudest := float(np.abs(block).max())) > _LOUDEST:
            reason = f"a sample is {loudest:.4g}, where full scale is 1: are they integers as floating point?"
            raise AudioError(path, f"{reason} At most about 1 is expected")
        decoded += len(block)
        yield block
    if decoded == 0:
        raise AudioError(path, "the file holds no samples; at least about a second is expected")


def _blocks_of(
    path: str | os.PathLike[str], file: BinaryIO, part: Part, dtype: np.dtype[Any], decoder: ExitStack
) -> Iterator[NDArray[Any]]:
    """Decode a part, and see whether it has as many samples as it should.

    The part's decoder is the caller's to close: a generator that is left half-way would hold it.
    """
    decoded = 0
    decoder.close()  # of the part before
    sound, source = decoder.enter_context(_opened(path, file, part))
    announced = sound.frames if sound.frames < _UNKNOWN_FRAMES else 0
    before = announced - part.frames if part.preceded else 0
    while len(block := _next_block(path, sound, source, dtype, decoded)):
        if len(block) > before:
            yield block[before:]
        decoded += max(0, len(block) - before)
        before = max(0, before - len(block))
    _check(path, decoded / sound.samplerate, (part.frames or announced) / sound.samplerate)


def _next_block(
    path: str | os.PathLike[str],
    sound: soundfile.SoundFile,
    source: PiecedFile,
    dtype: np.dtype[Any],
    decoded: int,
) -> NDArray[Any]:
    import soundfile

    try:
        block: NDArray[Any] = sound.read(_BLOCK_FRAMES, dtype=dtype.name, always_2d=True)
    except soundfile.LibsndfileError as error:
        raise _failed(path, source, error, decoded / sound.samplerate) from error
    if source.error is not None:
        raise unreadable(path, source.error) from source.error
    return block


def _check_trimmed(path: str | os.PathLike[str], file: BinaryIO, part: Part) -> None:
    """Refuse a stream that ends where it might as well go on; the end of a song is trimmed to it."""
    assert part.endless is not None
    with _opened(path, file, part) as (sound, _):
        announced = sound.frames
    endless = Part(part.endless, frames=1)  # the number it announces isn't one to check
    with ExitStack() as decoder:
        blocks = _blocks_of(path, file, endless, np.dtype(np.float32), decoder)
        if sum(len(block) for block in blocks) <= announced:
            raise _damaged(path, Damaged(UNMARKED))


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
        if file.is_dir():
            return "a folder" if os.access(file, os.R_OK | os.X_OK) else "a folder that may not be read"
        return "not a regular file"
    return "the file is empty (0 bytes)" if file.stat().st_size == 0 else None


def unreadable(path: str | os.PathLike[str], error: OSError) -> AudioError:
    """Return the error of an audio file that the system does not let us read."""
    return AudioError(path, f"cannot be read, {error.strerror}; an audio file is expected")


def _failed(
    path: str | os.PathLike[str], source: PiecedFile, error: soundfile.LibsndfileError, seconds: float = 0.0
) -> AudioError:
    if source.error is not None:
        return unreadable(path, source.error)
    beyond = f" beyond {seconds:.2f} s" if seconds else ""
    return _undecodable(path, f"libsndfile says: {error.error_string.rstrip('.')}", beyond)


def _damaged(path: str | os.PathLike[str], damage: Damaged | str) -> AudioError:
    return AudioError(path, f"{damage}; a whole file is expected")


def _undecodable(path: str | os.PathLike[str], found: str, beyond: str = "") -> AudioError:
    return AudioError(path, f"cannot be decoded{beyond}, {found}; WAV, FLAC, OGG or MP3 is expected")
