"""Sound that libsndfile doesn't know, decoded by FFmpeg: M4A, WMA, WebM, and that of videos.

FFmpeg comes with the package PyAV (``pip install av``), or is a program that is installed: whichever
there is, PyAV first.  Both are told which format a file has, and get the file and nothing else: no
list of files, no address that stands in it is followed. Either runs in a process of its own: a file that
makes it crash is that song's error.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from functools import cache
from itertools import chain
from pathlib import Path
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
_CHECKS = {"err_detect": "crccheck"}
_TYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}  # by FFmpeg's names
_DECODER = Path(__file__).with_name("media_decoder.py")
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


class Answer(NamedTuple):
    """What `lstmcore.features.media_decoder` says of a file.

    Parameters
    ----------
    stream
        Its answer.
    ended
        Says why the answer stops before its end.
    """

    stream: IO[bytes]
    ended: Callable[[], Damaged]


@contextmanager
def _asked(file: BinaryIO, demuxer: str) -> Iterator[Answer]:
    """Start the process."""
    # By its path, and without the folder that it or the caller is in: nothing else is imported for PyAV.
    command = [sys.executable, "-P", str(_DECODER), demuxer]
    with _process(command, file) as (running, said):
        assert running.stdout is not None

        def ended() -> Damaged:
            if crash := _crash(running):
                return crash
            said.seek(0)
            lines = said.read().decode("utf-8", "replace").split("\n")
            why = " ".join(lines[-2:]).strip()[:_MOST_SAID]
            return Damaged(f"its decoder ended without a word{': ' * bool(why)}{why}")

        yield Answer(running.stdout, ended)


def _signal_name(number: int) -> str:
    return signal.Signals(number).name if number in {*signal.Signals} else f"signal {number}"


ask: Callable[[BinaryIO, str], AbstractContextManager[Answer]] = _asked
"""Has a file decoded; a test may answer itself."""


@contextmanager
def _by_package(file: BinaryIO, demuxer: str) -> Iterator[Media]:
    file.seek(0)
    with ask(file, demuxer) as answer:
        seconds = _line(answer)["seconds"]
        with closing(_frames(answer)) as frames:
            first = next(frames)
            form = first.rate, first.channels
            samples = (_samples(frame, form) for frame in chain([first], frames))
            with closing(_joined(samples)) as blocks:
                yield Media(*form, blocks, seconds)


class _Frame(NamedTuple):
    rate: int
    channels: int
    format: str
    content: bytes


def _line(answer: Answer) -> dict[str, Any]:
    line = answer.stream.readline()
    if not line.endswith(b"\n"):
        raise answer.ended()
    said: dict[str, Any] = json.loads(line)
    if "damaged" in said:
        raise Damaged(said["damaged"])
    if "unknown" in said:
        raise Unknown(said["unknown"])
    return said


def _frames(answer: Answer) -> Generator[_Frame]:
    while "frame" in (said := _line(answer)):
        size = said["frame"] * said["channels"] * np.dtype(_TYPES[said["format"].rstrip("p")]).itemsize
        content = answer.stream.read(size)
        if len(content) < size:
            raise answer.ended()
        yield _Frame(said["rate"], said["channels"], said["format"], content)


def _samples(frame: _Frame, form: tuple[int, int]) -> NDArray[np.float32]:
    """Return a frame's samples, shape (frames, channels)."""
    found = frame.rate, frame.channels
    if found != form:
        change = f"{form[0]} Hz and {form[1]} channels to {found[0]} Hz and {found[1]}"
        raise Damaged(f"it changes from {change}; the same is expected in the whole file")
    values = np.frombuffer(frame.content, _TYPES[frame.format.rstrip("p")])
    planar = frame.format.endswith("p")
    samples = values.reshape(form[1], -1).T if planar else values.reshape(-1, form[1])
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
    with _process(command) as (running, said):
        assert running.stdout is not None
        head = running.stdout.read(_AU_HEADER)
        if len(head) < _AU_HEADER:
            raise _of_program(running, said, source)
        _, offset, _, coding, rate, channels = (int.from_bytes(head[k : k + 4]) for k in range(0, 24, 4))
        assert coding == _AU_FLOAT
        running.stdout.read(offset - _AU_HEADER)
        with closing(_read_blocks(running, said, source, channels)) as blocks:
            yield Media(rate, channels, blocks)


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
    if crash := _crash(running):
        return crash
    said.seek(0)
    text = said.read(1 << 16).replace(os.fsencode(f"{source}: "), b"").decode("utf-8", "replace")
    lines = [" ".join(line.rpartition("] ")[2].split()).rstrip(".:") for line in text.splitlines()]
    if any("matches no streams" in line for line in lines):
        return Unknown("there is no sound in it")
    return Damaged(f"FFmpeg says: {lines[0][:_MOST_SAID]}" if lines else "FFmpeg gives up")


@contextmanager
def _process(
    command: list[str], given: BinaryIO | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Run a program that decodes; with it comes the file of what it says of errors."""
    # A session of its own: Ctrl-C ends us, and we end it.
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if given is None else given,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,
        ) as running,
    ):
        try:
            yield running, said
        finally:
            running.kill()


def _crash(running: subprocess.Popen[bytes]) -> Damaged | None:
    """Wait for the end; say what ended the program if it wasn't itself."""
    code = running.wait()
    if code >= 0:
        return None
    name = signal.Signals(-code).name if -code in {*signal.Signals} else f"signal {-code}"
    return Damaged(f"FFmpeg crashed ({name})")
