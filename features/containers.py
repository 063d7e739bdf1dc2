"""Files that FFmpeg takes apart: whether all is there that their headers announce.

FFmpeg reads as much as it finds and says little about the rest.  So the boxes of MPEG-4, the
elements of Matroska, the objects of Windows Media, the lists of AVI and the frames of AAC are
walked through first; of what is in them only the length of the sound in MPEG-4 is looked at.

Sources: ISO/IEC 14496-12 (MPEG-4's boxes), 13818-7 (AAC's frames), RFC 8794 and 9559
(Matroska), Microsoft's Advanced Systems Format and AVI.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from lstmcore.features.pieces import Damaged, Unknown
from lstmcore.features.tags import read_at, tag_length

_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
_ELEMENTS = frozenset(
    (
        *(_SEGMENT, _CLUSTER, 0x1A45DFA3, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469),
        *(0x1043A770, 0x1254C367, 0xEC, 0xBF),  # and in a cluster:
        *(0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0xAF, 0x5854),
    )
)
_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_ADTS_BYTES, _TAG_BYTES = 7, 32  # enough to know a frame, and a tag
_MOST_BEHIND = 4096  # bytes behind the last frame that are nothing known
_LONGEST_NOTE = 1 << 24  # bytes: covers are beside it
_PROTECTED = (b"enca", b"drms")
# iTunes' note of what its encoder added: before, behind, and how many samples the song has.
_GAPLESS = re.compile(rb"iTunSMPB.{16} [0-9A-F]{8} [0-9A-F]{8} [0-9A-F]{8} ([0-9A-F]{16})", re.DOTALL)


class Length(NamedTuple):
    """How long a song is by what its file says.

    Parameters
    ----------
    seconds
        That are announced; 0 if nothing is.
    trimmed
        Whether what is decoded beyond them was added by the encoder.
    """

    seconds: float = 0.0
    trimmed: bool = False


def check_container(file: BinaryIO, where: range, size: int, demuxer: str) -> Length:
    """Walk through a file, as far as it is known how.

    Parameters
    ----------
    file
        The file.
    where
        Its positions without the tags around the sound.
    size
        Its bytes.
    demuxer
        From `lstmcore.features.formats.Foreign`.

    Returns
    -------
    Length
        Of the sound.

    Raises
    ------
    Damaged
        If some of it is missing.
    Unknown
        If it can't be decoded by anybody.
    """
    walk = _WALKS.get(demuxer)
    return Length() if walk is None else walk(file, where, size)


def _cut(what: str, end: int, size: int) -> Damaged:
    return Damaged(f"{what} ends at byte {end} by its header, the file at byte {size}: it may be cut off")


# MPEG-4 and QuickTime


def _boxes(file: BinaryIO, where: range) -> Iterator[tuple[bytes, range]]:
    """Name each box of a stretch, and where its content lies, which may be more than there is."""
    at = where.start
    while at + 8 <= where.stop:
        head = read_at(file, at, 16)
        length, name, body = int.from_bytes(head[:4]), head[4:8], at + 8
        if length == 1:
            length, body = int.from_bytes(head[8:]), at + 16
        end = at + length if length else where.stop
        if end < body:  # whatever stands here is no box
            return
        yield name, range(body, end)
        at = end


def _box(file: BinaryIO, where: range, *names: bytes) -> range:
    """Find a box in a box in a box; an empty range where there is none."""
    for name in names:
        found = (body for box, body in _boxes(file, where) if box == name)
        where = next(found, range(0))
    return where


def _read(file: BinaryIO, body: range, at: int, count: int) -> bytes:
    return read_at(file, body.start + at, count) if len(body) >= at + count else bytes(count)


def _mpeg4(file: BinaryIO, where: range, size: int) -> Length:
    index = range(0)
    for name, body in _boxes(file, where):
        if name in (b"moov", b"mdat", b"moof") and body.stop > size:
            raise _cut(f"the box {name.decode()!r}", body.stop, size)
        index = body if name == b"moov" else index
    if not index:
        raise Damaged("the box 'moov', which says where the sound lies, is missing: it may be cut off")
    for name, track in _boxes(file, index):
        if name == b"trak" and _read(file, _box(file, track, b"mdia", b"hdlr"), 8, 4) == b"soun":
            coding = _box(file, track, b"mdia", b"minf", b"stbl", b"stsd")
            if _read(file, coding, 12, 4) in _PROTECTED:
                raise Unknown("its sound is protected against being read (DRM)")
            return _length(file, index, track)
    raise Unknown("there is no sound in it")


def _length(file: BinaryIO, index: range, track: range) -> Length:
    """Tell the length of a track: of all that is in it, or without what the encoder put around it."""
    ticks, _ = _clock(file, _box(file, index, b"mvhd"))
    rate, duration = _clock(file, _box(file, track, b"mdia", b"mdhd"))
    if not (ticks and rate and duration):
        return Length()
    note = _box(file, index, b"udta")
    found = _GAPLESS.search(read_at(file, note.start, min(len(note), _LONGEST_NOTE)))
    if found and 0 < (samples := int(found[1], 16)) <= duration:
        return Length(samples / rate, trimmed=True)
    edits = _edits(file, _box(file, track, b"edts", b"elst"))
    if len(edits) != 1:  # several: some of it is left out or comes twice
        return Length() if edits else Length(duration / rate)
    (shown, begin) = edits[0]
    rest = (duration - begin) / rate
    # The edit counts in the film's ticks, which are coarser than samples.
    exact = not shown or abs(shown / ticks - rest) <= 1 / ticks
    return Length(rest if exact else min(rest, shown / ticks), trimmed=True)


def _clock(file: BinaryIO, header: range) -> tuple[int, int]:
    """Read ticks a second, and how many ticks something lasts; 0 if that isn't said."""
    wide = _read(file, header, 0, 1) == b"\x01"
    numbers = _read(file, header, 20, 12) if wide else _read(file, header, 12, 8)
    duration = numbers[4:]
    return int.from_bytes(numbers[:4]), 0 if set(duration) == {0xFF} else int.from_bytes(duration)


def _edits(file: BinaryIO, table: range) -> list[tuple[int, int]]:
    """Read what a table of edits shows: how long, in the film's ticks, and from which of the track's on."""
    width = 8 if _read(file, table, 0, 1) == b"\x01" else 4
    count = min(int.from_bytes(_read(file, table, 4, 4)), len(table) // (2 * width + 4))
    edits = []
    for k in range(count):
        numbers = _read(file, table, 8 + k * (2 * width + 4), 2 * width)
        begin = int.from_bytes(numbers[width:], signed=True)
        if begin >= 0:  # else nothing is shown for a while
            edits.append((int.from_bytes(numbers[:width]), begin))
    return edits


# Matroska and WebM


def _matroska(file: BinaryIO, where: range, size: int) -> Length:
    """Walk over elements, and into those that hold the sound; they may have a length or have it left open."""
    at, end = where.start, where.stop
    while at < end:
        head = read_at(file, at, 12)
        name_bytes = _vint_bytes(head)
        length_bytes = _vint_bytes(head[name_bytes:])
        name, body = int.from_bytes(head[:name_bytes]), at + name_bytes + length_bytes
        if not length_bytes or name not in _ELEMENTS:
            raise Damaged(f"what stands at byte {at} is no element of Matroska's, it may be damaged")
        largest = (1 << 7 * length_bytes) - 1
        length = int.from_bytes(head[name_bytes : name_bytes + length_bytes]) & largest
        is_open = length == largest
        if not is_open and body + length > size:
            raise _cut("a part of it", body + length, size)
        if name == _SEGMENT and not is_open:  # what is behind it is no matter
            end = body + length
        at = body if is_open or name in (_SEGMENT, _CLUSTER) else body + length
    return Length()


def _vint_bytes(head: bytes) -> int:
    """Return how long a number is, which its leading zeros tell; 0 if it is none."""
    return 9 - head[0].bit_length() if head and head[0] and 9 - head[0].bit_length() <= len(head) else 0


# Windows Media, AVI, AAC


def _asf(file: BinaryIO, where: range, size: int) -> Length:
    at = where.start
    while len(head := read_at(file, at, 24)) == 24:
        length = int.from_bytes(head[16:], "little")
        if head.startswith(_ASF_DATA) and not length:  # written to a pipe
            return Length()
        if at + length > size or length < 24:
            raise _cut("a part of it", at + length, size)
        if head.startswith(_ASF_DATA):
            return Length()
        at += length
    raise Damaged("it ends before its sound begins: it may be cut off")


def _avi(file: BinaryIO, where: range, size: int) -> Length:
    at = where.start
    while (head := read_at(file, at, 8))[:4] == b"RIFF":  # every gigabyte another one
        length = int.from_bytes(head[4:], "little")
        if at + 8 + length > size and length not in (0, 0xFFFFFFFF):
            raise _cut("a part of it", at + 8 + length, size)
        at += 8 + length + length % 2
    return Length()


def _adts(file: BinaryIO, where: range, size: int) -> Length:
    at = where.start
    while at < where.stop:
        head = read_at(file, at, _TAG_BYTES)
        length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5 if len(head) >= _ADTS_BYTES else 0
        if head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xF6 == 0xF0 and length >= _ADTS_BYTES:
            if at + length > size:
                raise _cut("its last frame", at + length, size)
            at += length
        elif tag := tag_length(head):
            at += tag
        elif where.stop - at <= _MOST_BEHIND:
            break
        else:
            raise Damaged(f"what stands at byte {at} is no frame of AAC, it may be damaged")
    return Length()


_WALKS: dict[str, Callable[[BinaryIO, range, int], Length]] = {
    "mov": _mpeg4,
    "matroska": _matroska,
    "asf": _asf,
    "avi": _avi,
    "aac": _adts,
}
