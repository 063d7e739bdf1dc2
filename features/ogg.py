"""Ogg files: their pages checked, and the streams in them told apart.

libsndfile reads the first of several streams and whatever pages it finds, without a word about
the others.  So each stream is given to it alone, and one that lacks pages is refused.

Sources: RFC 3533 (pages), RFC 7845 (Opus), the Ogg mappings of Vorbis and FLAC.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from lstmcore.features.pieces import Damaged, Part, Unknown
from lstmcore.features.tags import read_at

_HEADER_BYTES = 27
_NUMBERS_AT = ((6, 14), (14, 18), (18, 22))
_FIRST, _LAST = 0x02, 0x04  # flags of a page
_GOES_ON = 255  # the last entry in a page's table, if its last packet goes on in the next page
_BLOCK_BYTES = 1 << 16
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_LATER = 48_000  # samples that the end of a stream is put off to see whether there are any
_SOUND = {b"\x01vorbis": "Vorbis", b"OpusHead": "Opus", b"\x7fFLAC": "FLAC", b"Speex   ": "Speex"}
_FLAC_HEAD_BYTES, _FLAC_LENGTH_AT = 9, 30
UNMARKED = "its last page isn't marked as the last, it may be cut off"


class _Page(NamedTuple):
    begin: int
    body: range
    flags: int
    position: int  # samples up to its end
    stream: int
    number: int
    goes_on: bool


@dataclass
class _Stream:
    """The pages of one stream."""

    kind: str | None  # of sound; None for pictures and the like
    pages: list[range] = field(default_factory=list)
    bodies: list[range] = field(default_factory=list)
    last: _Page | None = None

    def add(self, page: _Page) -> None:
        if self.last is not None and page.number != self.last.number + 1:
            raise Damaged(f"pages {self.last.number + 1} to {page.number - 1} are missing, it may be damaged")
        for spans, span in ((self.pages, range(page.begin, page.body.stop)), (self.bodies, page.body)):
            if spans and spans[-1].stop == span.start:
                spans[-1] = range(spans[-1].start, span.stop)
            else:
                spans.append(span)
        self.last = page

    def part(self, file: BinaryIO) -> Part:
        """Take the stream's pages; or of FLAC what they hold, which can be decoded by itself."""
        assert self.last is not None
        if self.last.goes_on:
            raise Damaged("its last page ends in the middle of a packet, it may be cut off")
        marked = bool(self.last.flags & _LAST)
        if self.kind == "FLAC":
            begin = self.bodies[0].start
            length = int.from_bytes(read_at(file, begin + _FLAC_LENGTH_AT, 5)) & (1 << 36) - 1
            if not (marked or length):
                raise Damaged(UNMARKED)
            return Part((range(begin + _FLAC_HEAD_BYTES, self.bodies[0].stop), *self.bodies[1:]))
        if marked:
            return Part(tuple(self.pages))
        before = (*self.pages[:-1], range(self.pages[-1].start, self.last.begin))
        content = read_at(file, self.last.begin, self.last.body.stop - self.last.begin)
        end = _page(content, self.last.flags | _LAST, self.last.position)
        later = _page(content, self.last.flags, self.last.position + _LATER)
        return Part((*before, end), endless=(*before, later))


def ogg_parts(file: BinaryIO, where: range) -> list[Part]:
    """Find the streams of sound in an Ogg file.

    Parameters
    ----------
    file
        The file.
    where
        Its positions without the tags around the sound.

    Returns
    -------
    list of Part
        One for each of the streams behind each other.

    Raises
    ------
    Damaged
        If pages are missing or damaged.
    Unknown
        If there is no sound that can be decoded, or several streams of it side by side.
    """
    groups: list[dict[int, _Stream]] = []
    begun = False
    for page in _pages(file, where):
        if page.flags & _FIRST:
            if begun or not groups:
                groups.append({})
                begun = False
            groups[-1][page.stream] = _Stream(_kind(read_at(file, page.body.start, 8)))
        elif not groups or page.stream not in groups[-1]:
            raise Damaged("the first page of a stream is missing, it may be damaged")
        else:
            begun = True
        groups[-1][page.stream].add(page)
    return [_only_sound(group).part(file) for group in groups]


def _only_sound(group: dict[int, _Stream]) -> _Stream:
    sound = [stream for stream in group.values() if stream.kind is not None]
    if len(sound) != 1 or sound[0].kind == "Speex":
        held = " beside ".join(str(stream.kind) for stream in sound) or "no sound that is known"
        raise Unknown(f"it holds {held}, not one stream of Vorbis, Opus or FLAC")
    return sound[0]


def _kind(begin: bytes) -> str | None:
    return next((kind for magic, kind in _SOUND.items() if begin.startswith(magic)), None)


def _pages(file: BinaryIO, where: range) -> Iterator[_Page]:
    at = where.start
    while (found := _next_page(file, at, where.stop)) is not None:
        head = read_at(file, found, min(_HEADER_BYTES + 255, where.stop - found))
        table = head[_HEADER_BYTES : _HEADER_BYTES + head[26]] if len(head) > 26 else b""
        begin = found + _HEADER_BYTES + len(table)
        body = range(begin, begin + sum(table))
        if len(head) < _HEADER_BYTES or len(table) < head[26] or body.stop > where.stop:
            raise Damaged("its last page ends in the middle, it may be cut off")
        content = read_at(file, found, body.stop - found)
        if _checksum(content) != int.from_bytes(content[22:26], "little"):
            raise Damaged(f"the page at byte {found} is damaged")
        position, stream, number = (int.from_bytes(head[a:b], "little") for a, b in _NUMBERS_AT)
        yield _Page(found, body, head[5], position, stream, number, table[-1:] == bytes([_GOES_ON]))
        at = body.stop


def _next_page(file: BinaryIO, at: int, stop: int) -> int | None:
    """Find the next page; whatever stands between pages is no part of them."""
    for begin in range(at, stop, _BLOCK_BYTES):
        k = read_at(file, begin, min(_BLOCK_BYTES + 3, stop - begin)).find(b"OggS")
        if k >= 0:
            return begin + k
    return None


def _page(content: bytes, flags: int, position: int) -> bytes:
    """Change a page's flags and position."""
    page = bytearray(content)
    page[5] = flags
    page[6:14] = position.to_bytes(8, "little")
    page[22:26] = _checksum(page).to_bytes(4, "little")
    return bytes(page)


def _checksum(page: bytes | bytearray) -> int:
    """Compute a page's checksum: that of zlib, but with the bits in the other direction, from 0 on."""
    blank = page[:22] + bytes(4) + page[26:]
    crc = zlib.crc32(blank.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)
