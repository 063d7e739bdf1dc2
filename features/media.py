"""Sound that libsndfile doesn't know, decoded by FFmpeg: M4A, WMA, WebM, and that of videos.

FFmpeg comes with the package PyAV (``pip install av``), or is a program that is installed: whichever
there is, PyAV first.  Both are told which format a file has, and get the file and nothing else: no
list of files, no address that stands in it is followed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from itertools import chain
from typing import IO, Any, BinaryIO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmcore.features.formats import MEDIA_SUFFIXES, SNDFILE_SUFFIXES
from lstmcore.features.pieces import Damaged, Unknown

Reader = Literal["PyAV", "ffmpeg"]

INSTALL = "pip install 'av>=14', or the program ffmpeg"
"""What gives FFmpeg to those who have it not."""

_BLOCK_FRAMES = 1 << 16
_AU_HEADER = 24  # bytes, at least
_AU_FLOAT = 6
_LONGEST_GAP_SECONDS = 0.1
_TIMED = frozenset(["avi", "tta", "wv", "ape", "tak", "mpc8", "dsf"])  # formats whose headers count samples
_CHECKS = {"err_detect": "crccheck"}
_MOST_SAID = 200  # letters of what FFmpeg says


class Media(NamedTuple):
    """Sound that is being decoded.

    Parameters
    ----------
    rate
        Frames a second, Hz.
    channels
        How many.
    blocks
        Its samples: arrays of shape (frames, channels), float32 with full scale at 1, none empty.  They raise
        `Damaged` where it can't be decoded.
    seconds
        How long it is by its header, as far as FFmpeg tells; 0 if it doesn't.
    """

    rate: int
    channels: int
    blocks: Iterator[NDArray[np.float32]]
    seconds: float = 0.0


@cache
def media_reader() -> Reader | None:
    """Return what decodes media here; None if nothing does."""
    try:
        import av  # noqa: F401
    except ImportError:
        return "ffmpeg" if shutil.which("ffmpeg") else None
    return "PyAV"


def reader_version(reader: Reader) -> str:
    """Name what decodes media, and its FFmpeg's version."""
    if reader == "PyAV":
        import av

        return f"PyAV {av.__version__} with FFmpeg {av.ffmpeg_version_info}"
    try:
        said = subprocess.run([_program(), "-version"], capture_output=True, check=False).stdout
    except OSError as error:
        return f"ffmpeg ({error.strerror})"
    found = re.match(r"ffmpeg version (\S+)", said.decode("utf-8", "replace"))
    return f"the program ffmpeg {found[1] if found else 'of unknown version'}"


def _program() -> str:
    return shutil.which("ffmpeg") or "ffmpeg"


def readable_suffixes() -> tuple[str, ...]:
    """Return the ends of the names of files that can be decoded here."""
    return (*SNDFILE_SUFFIXES, *(MEDIA_SUFFIXES if media_reader() else ()))


@contextmanager
def open_media(path: str | os.PathLike[str], file: BinaryIO, demuxer: str) -> Iterator[Media]:
    """Decode the first stream of sound in a file.

    Parameters
    ----------
    path, file
        The file, and the same file opened.
    demuxer
        FFmpeg's name of the format.

    Returns
    -------
    context manager of Media
        At its own rate, with all its channels.

    Raises
    ------
    Damaged
        If FFmpeg can't decode it.
    Unknown
        If there is no sound in it.
    RuntimeError
        If there is no FFmpeg; `media_reader` tells.
    """
    reader = media_reader()
    if reader is None:
        raise RuntimeError("media can't be decoded without FFmpeg")
    opened = _by_package(file, demuxer) if reader == "PyAV" else _by_program(path, demuxer)
    with opened as media:
        yield media


# By PyAV


@contextmanager
def _by_package(file: BinaryIO, demuxer: str) -> Iterator[Media]:
    import av

    file.seek(0)
    with ExitStack() as stack:
        try:
            container = stack.enter_context(av.open(file, format=demuxer, metadata_errors="replace"))
        except av.error.FFmpegError as error:
            raise _damage(error) from error
        if not container.streams.audio:
            raise Unknown("there is no sound in it")
        stream = container.streams.audio[0]
        if stream.codec_context is None:
            raise Unknown("FFmpeg has no decoder for its sound")
        # Not as options of all streams: some formats get streams later, and older PyAVs crash.
        stream.codec_context.options = dict(_CHECKS)
        frames = stack.enter_context(closing(_frames(av, container)))
        first = next(frames, None)
        if first is None:
            raise Damaged("no sound in it can be decoded")
        form = first.sample_rate, first.layout.nb_channels
        seconds = float((stream.duration or 0) * (stream.time_base or 0)) if demuxer in _TIMED else 0.0
        samples = (_samples(frame, form) for frame in chain([first], frames))
        yield Media(*form, stack.enter_context(closing(_joined(samples))), seconds)


def _frames(av: Any, container: Any) -> Generator[Any]:
    end = None
    try:
        for frame in container.decode(container.streams.audio[0]):
            begin = frame.time
            if end is not None and begin is not None and begin - end > _LONGEST_GAP_SECONDS:
                raise Damaged(f"its sound has a gap of {begin - end:.2f} s at {end:.2f} s")
            end = None if begin is None else begin + frame.samples / frame.sample_rate
            yield frame
    except av.error.FFmpegError as error:
        raise _damage(error) from error
    except IndexError as error:  # PyAV looks for a stream that came when it had listed them
        raise Damaged("a stream begins in it that its beginning doesn't have") from error


def _samples(frame: Any, form: tuple[int, int]) -> NDArray[np.float32]:
    """Return a frame's samples, shape (frames, channels)."""
    found = frame.sample_rate, frame.layout.nb_channels
    if found != form:
        change = f"{form[0]} Hz and {form[1]} channels to {found[0]} Hz and {found[1]}"
        raise Damaged(f"it changes from {change}; the same is expected in the whole file")
    values: NDArray[Any] = frame.to_ndarray()
    samples = values.T if frame.format.is_planar else values.reshape(-1, form[1])
    if samples.dtype.kind == "f":
        return np.ascontiguousarray(samples, np.float32)
    middle = 128 if samples.dtype == np.uint8 else 0
    full_scale = 2.0 ** (8 * samples.dtype.itemsize - 1)
    return ((samples.astype(np.float64, "C") - middle) / full_scale).astype(np.float32)


def _joined(some: Iterator[NDArray[np.float32]]) -> Generator[NDArray[np.float32]]:
    """Join frames of a thousand samples to blocks of many."""
    held: list[NDArray[np.float32]] = []
    for samples in some:
        held.append(samples)
        if sum(map(len, held)) >= _BLOCK_FRAMES:
            yield np.concatenate(held)
            held = []
    if sum(map(len, held)):
        yield np.concatenate(held)


def _damage(error: Any) -> Damaged:
    said = str(error.strerror)
    return Damaged("FFmpeg gives up" if said.startswith("Error number") else f"FFmpeg says: {said}")


# By the program


@contextmanager
def _by_program(path: str | os.PathLike[str], demuxer: str) -> Iterator[Media]:
    # "file:" before the name, so that none of its letters mean anything.
    source = f"file:{os.path.abspath(os.fsdecode(path))}"  # noqa: PTH100
    command = [_program(), "-nostdin", "-hide_banner", "-loglevel", "error", "-xerror", "-threads", "1"]
    command += ["-protocol_whitelist", "file", *chain(*((f"-{k}", v) for k, v in _CHECKS.items()))]
    command += ["-f", demuxer, "-i", source]
    # AU tells rate and channels before the sound, and needs no length.
    command += ["-map", "0:a:0", "-vn", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
    # A session of its own: Ctrl-C ends us, and we end it.
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,
        ) as running,
    ):
        try:
            assert running.stdout is not None
            head = running.stdout.read(_AU_HEADER)
            if len(head) < _AU_HEADER:
                raise _of_program(running, said, source)
            _, offset, _, coding, rate, channels = (int.from_bytes(head[k : k + 4]) for k in range(0, 24, 4))
            assert coding == _AU_FLOAT
            running.stdout.read(offset - _AU_HEADER)
            with closing(_read_blocks(running, said, source, channels)) as blocks:
                yield Media(rate, channels, blocks)
        finally:
            running.kill()


def _read_blocks(
    running: subprocess.Popen[bytes], said: IO[bytes], source: str, channels: int
) -> Generator[NDArray[np.float32]]:
    assert running.stdout is not None
    while block := running.stdout.read(_BLOCK_FRAMES * channels * 4):
        whole = len(block) // (4 * channels) * channels
        yield np.frombuffer(block, ">f4", whole).reshape(-1, channels).astype(np.float32)
    if running.wait():
        raise _of_program(running, said, source)


def _of_program(running: subprocess.Popen[bytes], said: IO[bytes], source: str) -> Damaged | Unknown:
    """Return what is wrong by what the program says of it."""
    running.wait()
    said.seek(0)
    text = said.read(1 << 16).replace(os.fsencode(f"{source}: "), b"").decode("utf-8", "replace")
    lines = [" ".join(line.rpartition("] ")[2].split()).rstrip(".:") for line in text.splitlines()]
    if any("matches no streams" in line for line in lines):
        return Unknown("there is no sound in it")
    return Damaged(f"FFmpeg says: {lines[0][:_MOST_SAID]}" if lines else "FFmpeg gives up")
