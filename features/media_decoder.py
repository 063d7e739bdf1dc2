"""Decodes sound by PyAV, in a process of its own: a script, given the file as standard input.

FFmpeg reads what strangers have made by hundreds of decoders in C. One that crashes takes its process along,
which so isn't that of the command. Nothing but PyAV is imported, for each song waits for that.

The answer on standard output is lines of JSON, told apart by their first key: ``seconds``, how long the
sound is by its header, or 0; then for each frame that was decoded ``frame``, how many samples it has, with
their ``rate``, ``channels`` and ``format`` as FFmpeg calls it, and behind the line the samples; and in the
end ``end``, or what is wrong with the file: ``damaged`` or ``unknown``.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from typing import IO, Any

import av

_LONGEST_GAP_SECONDS = 0.1
_TIMED = frozenset(["avi", "tta", "wv", "ape", "tak", "mpc8", "dsf"])  # formats whose headers count samples
_CHECKS = {"err_detect": "crccheck"}


class _Wrong(Exception):
    """What is wrong with a file: kind, and why."""


def answer(file: IO[bytes], demuxer: str, out: IO[bytes]) -> None:
    """Decode the first stream of sound in a file, and write what is found.

    Parameters
    ----------
    file
        The file.
    demuxer
        FFmpeg's name of the format.
    out
        Where to.
    """
    try:
        with ExitStack() as stack:
            try:
                container = stack.enter_context(av.open(file, format=demuxer, metadata_errors="replace"))
            except av.error.FFmpegError as error:
                raise _damage(error) from error
            if not container.streams.audio:
                raise _Wrong("unknown", "there is no sound in it")
            sound = container.streams.audio[0]
            if sound.codec_context is None:
                raise _Wrong("unknown", "FFmpeg has no decoder for its sound")
            # Not as options of all streams: some formats get streams later, and older PyAVs crash.
            sound.codec_context.options = dict(_CHECKS)
            timed = demuxer in _TIMED
            _tell(out, seconds=float((sound.duration or 0) * (sound.time_base or 0)) if timed else 0.0)
            frames = stack.enter_context(closing(_frames(container)))
            first = True
            for frame in frames:
                _send(out, frame)
                first = False
            if first:
                raise _Wrong("damaged", "no sound in it can be decoded")
        _tell(out, end=True)
    except _Wrong as error:
        kind, why = error.args
        _tell(out, **{kind: why})
    out.flush()


def _tell(out: IO[bytes], **said: Any) -> None:
    out.write(json.dumps(said).encode() + b"\n")


def _frames(container: Any) -> Generator[Any]:
    end = None
    try:
        for frame in container.decode(container.streams.audio[0]):
            begin = frame.time
            if end is not None and begin is not None and begin - end > _LONGEST_GAP_SECONDS:
                raise _Wrong("damaged", f"its sound has a gap of {begin - end:.2f} s at {end:.2f} s")
            end = None if begin is None else begin + frame.samples / frame.sample_rate
            yield frame
    except av.error.FFmpegError as error:
        raise _damage(error) from error
    except IndexError as error:  # PyAV looks for a stream that came when it had listed them
        raise _Wrong("damaged", "a stream begins in it that its beginning doesn't have") from error


def _send(out: IO[bytes], frame: Any) -> None:
    channels = frame.layout.nb_channels
    about = {"rate": frame.sample_rate, "channels": channels, "format": frame.format.name}
    _tell(out, frame=frame.samples, **about)
    out.writelines(_planes(frame, channels))


def _planes(frame: Any, channels: int) -> Iterator[memoryview]:
    """Yield the samples of each channel, or of all side by side; planes are longer, for FFmpeg's sake."""
    beside = 1 if frame.format.is_planar else channels
    size = frame.samples * beside * frame.format.bytes
    for plane in frame.planes:
        yield memoryview(plane)[:size]


def _damage(error: Any) -> _Wrong:
    said = str(error.strerror)
    return _Wrong("damaged", "FFmpeg gives up" if said.startswith("Error number") else f"FFmpeg says: {said}")


def _end_with(parent: int) -> None:
    """End when whoever asked is gone: a decoder that never has anything to say wouldn't notice."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def main() -> None:
    """Decode standard input, of the format that the first argument names."""
    threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
    with open(0, "rb", closefd=False) as file, open(os.dup(1), "wb") as out:  # noqa: PTH123
        os.dup2(2, 1)  # what libraries print isn't the answer
        file.seek(0)
        try:
            answer(file, sys.argv[1], out)
        except BrokenPipeError:  # nobody reads on
            os._exit(0)


if __name__ == "__main__":
    main()
