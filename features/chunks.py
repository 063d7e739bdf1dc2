"""Files of plain sound: whether all the bytes are there that their headers announce.

libsndfile reads as much as there is without a word.  WAV, RF64, W64, AIFF, SVX, CAF and AU are
looked through here; lengths that programs leave open when they write to a pipe are filled in.

Sources: RIFF and WAV (IBM and Microsoft, 1991), EBU Tech 3306 (RF64), Sony's Wave64, Electronic
Arts' IFF, Apple's AIFF and CAF, Sun's AU.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import BinaryIO, Literal, NamedTuple

from lstmcore.features.mpeg import mpeg_parts
from lstmcore.features.pieces import Damaged, Part, Piece, Unknown
from lstmcore.features.tags import read_at, tag_length

_MOST_BEHIND = 4096  # bytes behind the sound that are nothing known
_USUAL = frozenset([b"fmt ", b"data", b"fact", b"LIST", b"bext", b"id3 ", b"ID3 ", b"cue ", b"smpl", b"PEAK"])
_MPEG = (0x50, 0x55)  # codings of a WAV file: MPEG audio of layers 1 and 2, and 3
_GUESSES = (range(0x7F000000, 0x7F000100), range(0x7FFF0000, 0x80001001), range(0xFFFF0000, 1 << 65))
_JOINED = frozenset([b"RIFF", b"RIFX", b"RF64", b"FORM", b"riff", b"caff"])


@dataclass(frozen=True)
class _Layout:
    """How a format lays its chunks: a name, a length, what it holds."""

    order: Literal["little", "big"]
    sound: bytes  # name of the chunk with the samples
    first: int  # bytes before the first chunk
    name_bytes: int = 4
    length_bytes: int = 4
    with_header: bool = False  # whether lengths count name and length, too
    multiple: int = 2  # padding makes a chunk's end one
    sound_last: bool = False  # whether libsndfile takes all that follows for sound, too
    skips_padding: bool = True  # whether libsndfile knows of it

    @property
    def header(self) -> int:
        return self.name_bytes + self.length_bytes


_RIFF = _Layout("little", b"data", 12)
_LAYOUTS = {
    b"RIFF": _RIFF,
    b"RF64": replace(_RIFF, skips_padding=False),
    b"RIFX": _Layout("big", b"data", 12),
    b"riff": _Layout("little", b"data", 40, 16, 8, with_header=True, multiple=8, sound_last=True),
    b"caff": _Layout("big", b"data", 8, length_bytes=8, multiple=1),
}
_IFF = {
    b"AIFF": _Layout("big", b"SSND", 12),
    b"AIFC": _Layout("big", b"SSND", 12),
    b"8SVX": _Layout("big", b"BODY", 12, sound_last=True),
    b"16SV": _Layout("big", b"BODY", 12, sound_last=True),
}
_AU: dict[bytes, Literal["little", "big"]] = {b".snd": "big", b"dns.": "little"}


class _Chunk(NamedTuple):
    begin: int
    name: bytes
    body: int
    length: int

    @property
    def end(self) -> int:
        return self.body + self.length


def chunk_parts(file: BinaryIO, where: range, size: int) -> list[Part]:
    """Find the sound in a file of chunks.

    Parameters
    ----------
    file
        The file.
    where
        Its positions without the tags around the sound.
    size
        Its bytes.

    Returns
    -------
    list of Part
        One, or those of the MPEG audio in it; empty if it is no file of these formats.

    Raises
    ------
    Damaged
        If it goes on behind its end, or MPEG audio in it isn't whole.
    Unknown
        If there is no sound in it.
    """
    head = read_at(file, where.start, 12)
    if order := _AU.get(head[:4]):
        return [_au(file, where, order)]
    layout = _LAYOUTS.get(head[:4]) or (_IFF.get(head[8:]) if head[:4] == b"FORM" else None)
    if layout is None:
        return []
    return _chunked(file, where, size, layout)


def _chunked(file: BinaryIO, where: range, size: int, layout: _Layout) -> list[Part]:
    pieces: list[Piece] = []
    begin, at, coding = where.start, where.start + layout.first, 0
    long = range(0)  # where an RF64 file tells its lengths: of all, and of the sound
    while (chunk := _chunk(file, at, layout)) is not None and chunk.name != layout.sound:
        if chunk.name == b"ds64":
            long = range(chunk.body, chunk.body + 16)
            pieces += [range(begin, long.start), long]
            begin = long.stop
        if chunk.name == b"fmt ":
            coding = int.from_bytes(read_at(file, chunk.body, 2), layout.order)
        at, padded = _behind(file, chunk, layout)
        if padded != layout.skips_padding:
            padding = bytes(-(chunk.end - chunk.begin) % layout.multiple) if layout.skips_padding else b""
            pieces += [range(begin, chunk.end), padding]
            begin = at
    if chunk is None:
        raise Unknown(f"no chunk {layout.sound.decode()!r} is found in it")
    if long and chunk.length == 0xFFFFFFFF:
        chunk = chunk._replace(length=int.from_bytes(read_at(file, long.start + 8, 8), "little"))
    present = max(0, size - chunk.body)
    is_open = _is_open(file, chunk, present, layout)
    told = 1.0 if is_open else max(1.0, chunk.length / max(1, present))
    if coding in _MPEG:
        sound = range(chunk.body, where.stop if is_open else min(chunk.end, size))
        return [replace(part, told=told) for part in mpeg_parts(file, sound, size)]
    if is_open:
        length = where.stop - chunk.body + (layout.header if layout.with_header else 0)
        if long:  # the other length is the largest and has to stay that
            lengths = (where.stop - where.start - 8).to_bytes(8, "little") + length.to_bytes(8, "little")
            pieces = [lengths if piece == long else piece for piece in pieces]
            return [Part((*pieces, range(begin, where.stop)))]
        filled = min(length, 256**layout.length_bytes - 1).to_bytes(layout.length_bytes, layout.order)
        name = range(begin, chunk.begin + layout.name_bytes)
        return [Part((*pieces, name, filled, range(chunk.body, where.stop)))]
    _check_behind(file, chunk, range(where.start, size), layout)
    stop = min(chunk.end, size) if layout.sound_last else max(where.stop, min(chunk.end, size))
    return [Part((*pieces, range(begin, stop)), told)]


def _au(file: BinaryIO, where: range, order: Literal["little", "big"]) -> Part:
    offset, length = (int.from_bytes(read_at(file, where.start + at, 4), order) for at in (4, 8))
    present = max(0, where.stop - where.start - offset)
    if length in (0, 0xFFFFFFFF):
        begin = where.start + 8
        return Part((range(where.start, begin), b"\xff" * 4, range(begin + 4, where.stop)))
    if present - length > _MOST_BEHIND:
        raise _too_long(where.start + offset + length, where.stop)
    return Part((where,), told=max(1.0, length / max(1, present)))


def _chunk(file: BinaryIO, at: int, layout: _Layout) -> _Chunk | None:
    """Read the name and length of a chunk; None if there is none."""
    head = read_at(file, at, layout.header)
    if len(head) < layout.header or not _is_name(head[:4]):
        return None
    length = int.from_bytes(head[layout.name_bytes :], layout.order)
    if layout.with_header:
        length = max(0, length - layout.header)
    return _Chunk(at, head[:4], at + layout.header, length)


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and all(0x20 <= byte < 0x7F for byte in name)


def _behind(file: BinaryIO, chunk: _Chunk, layout: _Layout) -> tuple[int, bool]:
    """Return where the next chunk begins; some programs forget the padding before it."""
    padding = -(chunk.end - chunk.begin) % layout.multiple
    names = read_at(file, chunk.end, padding + 4)
    here, there = names[:4], names[padding:]
    forgotten = padding > 0 and (here in _USUAL or (_is_name(here) and not _is_name(there)))
    return chunk.end + (0 if forgotten else padding), not forgotten


def _is_open(file: BinaryIO, chunk: _Chunk, present: int, layout: _Layout) -> bool:
    """Whether the length of the sound is one that programs write when they can't know it."""
    if chunk.length == 0:
        following = _chunk(file, chunk.body, layout)
        return present > 0 and (following is None or following.length > present)
    if layout.length_bytes == 8:
        return chunk.length >= 1 << 62
    near = any(chunk.length in guess for guess in _GUESSES)
    return near and chunk.length > present


def _check_behind(file: BinaryIO, sound: _Chunk, where: range, layout: _Layout) -> None:
    """Refuse a file that goes on behind its sound, with something other than chunks and tags."""
    at, _ = _behind(file, sound, layout)
    while at < where.stop:
        chunk = _chunk(file, at, layout)
        if (
            chunk is not None
            and chunk.name not in _JOINED
            and (chunk.end <= where.stop or chunk.name in _USUAL)
        ):
            at, _ = _behind(file, chunk, layout)
        elif length := tag_length(read_at(file, at, 32)):
            at += length
        else:
            break
    if where.stop - at > _MOST_BEHIND:
        raise _too_long(at, where.stop)


def _too_long(end: int, stop: int) -> Damaged:
    return Damaged(f"its header says that it ends at byte {end}, but it goes on to byte {stop}")
