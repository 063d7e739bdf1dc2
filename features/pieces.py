"""Parts of a file read as a file: what a decoder is given in place of the file on disk.

Decoders take what the first header says for the whole file, and hold on to its first stream.
So a song is given to them as parts that each are what their header says: without tags and
with lengths put right, made of ranges of the file and of bytes of our own.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, BinaryIO

_MOST_MISSING_SECONDS = 0.1

Piece = bytes | range
"""Bytes as they are, or positions in the file."""


@dataclass(frozen=True)
class Part:
    """A stretch of a song that a decoder reads from its beginning to its end.

    Parameters
    ----------
    pieces
        What the decoder is given.
    told
        How many times as long as what is there its header says that it is.
    frames
        Samples of each channel that are in it; 0 if only the decoder knows.
    preceded
        Whether silence of ours comes first: what is decoded beyond `frames`.
    endless
        For a stream that doesn't say where it ends: the same pieces, but with an end so late that
        all there is gets decoded.  If that is more than without, the end has been trimmed: it is the end.
    """

    pieces: tuple[Piece, ...]
    told: float = 1.0
    frames: int = 0
    preceded: bool = False
    endless: tuple[Piece, ...] | None = None


class Damaged(ValueError):
    """Why a file isn't whole; whoever knows its name adds it."""


class Unknown(ValueError):
    """Why a file isn't one that can be decoded; whoever knows its name adds it."""


def check_length(held: float, told: float) -> None:
    """Refuse a file that was cut off.

    Parameters
    ----------
    held, told
        Seconds that are there, and that its header announces.

    Raises
    ------
    Damaged
        If more is missing than headers are wrong by: some count one frame or block too many.
    """
    if told - held > _MOST_MISSING_SECONDS:
        raise Damaged(
            f"{held:.2f} s could be decoded; the file's header announces {told:.2f} s, it may be cut off"
        )


class PiecedFile(io.RawIOBase):
    """Pieces one behind the other as a file that is read.

    Parameters
    ----------
    file
        Where ranges are taken from.
    pieces
        In order.

    Notes
    -----
    Decoders call it from C, where an exception would be lost: an OSError is kept in ``error``,
    and the file ends there.
    """

    def __init__(self, file: BinaryIO, pieces: Sequence[Piece]) -> None:
        self.error: OSError | None = None
        self._file, self._pieces = file, [piece for piece in pieces if len(piece)]
        self._starts = [0, *accumulate(len(piece) for piece in self._pieces)]
        self._at = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Position in the pieces."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position; not before the beginning."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        self._at = max(0, origin + offset)
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer as far as there is anything."""
        view, filled = memoryview(buffer).cast("B"), 0
        while filled < len(view) and self._at < self._starts[-1]:
            k = bisect_right(self._starts, self._at) - 1
            within = self._at - self._starts[k]
            rest = self._pieces[k][within : within + len(view) - filled]
            try:
                found = rest if isinstance(rest, bytes) else self._read(rest)
            except OSError as error:
                self.error = error
                break
            if not found:  # the file has become shorter meanwhile
                break
            view[filled : filled + len(found)] = found
            filled += len(found)
            self._at += len(found)
        return filled

    def _read(self, where: range) -> bytes:
        self._file.seek(where.start)
        return self._file.read(len(where))
