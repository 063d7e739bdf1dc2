"""MPEG audio (MP3): its frames counted in the file, so that no header has to be believed.

libsndfile takes the length of a song from its first frame's Xing header, or guesses it from
the first frame's bit rate, and ends there, in the middle of the song if need be.  So each
stream is given to it with a header that has the right number of frames: its own where it is
right, for that may also tell how much silence the encoder put around the song, else one of ours.
Then silent frames come before the song, for decoders leave out the first samples after such a
header; two, so that they add up the song's samples in the order of a song that has none.

Sources: ISO/IEC 11172-3 and 13818-3 (frames); the Xing and VBRI headers as their makers
published them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import BinaryIO, NamedTuple

from lstmcore.features.pieces import Damaged, Part, Unknown, check_length
from lstmcore.features.tags import read_at, tag_length

_MPEG1, _MPEG25 = 3, 0
_LAYER_1, _LAYER_2, _LAYER_3 = 3, 2, 1
_MONO = 3
_RATES = (44100, 48000, 32000)
# kbit/s by MPEG 1 or a later one, and layer; the first is number 1, for number 0 means any other.
_BIT_RATES = {
    (True, _LAYER_1): range(32, 449, 32),
    (True, _LAYER_2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, _LAYER_3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, _LAYER_1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, _LAYER_2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, _LAYER_3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_HEADER_BITS = 0xFFFEFEC0  # of a frame's first 32 those that `_header_of` looks at
_HEAD_BYTES = 64  # of a frame: as far as the number of frames in a Xing or VBRI header
_HAS_FRAMES, _HAS_BYTES = 1, 2  # flags of a Xing header: the numbers that follow
_VBRI_AT, _VBRI_COUNT_AT = 36, 14
_AMPLE = 8  # the number of a bit rate whose frames have room for a Xing header
_FIRST_WITHIN = 1 << 17  # bytes: a file whose first frame comes later isn't taken for MPEG audio
_BLOCK_BYTES = 1 << 16
# Bytes that belong to no frame, such as the rest of one that was cut: decoders skip that much, too.
_MOST_JUNK = 2048


class _Header(NamedTuple):
    """What the first four bytes of a frame say."""

    version: int
    layer: int
    rate: int
    channels: int
    length: int

    def goes_on(self, other: _Header) -> bool:
        """Whether both can be of one stream."""
        return self[:4] == other[:4]

    @property
    def samples(self) -> int:
        """Samples of each channel."""
        if self.layer == _LAYER_1:
            return 384
        return 576 if self.layer == _LAYER_3 and self.version != _MPEG1 else 1152

    @property
    def xing_at(self) -> int:
        """Where in a frame of layer 3 a Xing header begins: behind the data about the channels."""
        return 4 + ((17, 32) if self.version == _MPEG1 else (9, 17))[self.channels - 1]


class _Frame(NamedTuple):
    begin: int
    header: _Header
    head: bytes
    junk: int  # bytes before it that are neither frame nor tag

    @property
    def end(self) -> int:
        return self.begin + self.header.length


def _header(head: bytes) -> _Header | None:
    return _header_of(int.from_bytes(head[:4]) & _HEADER_BITS) if len(head) >= 4 and head[0] == 0xFF else None


def _has_free_format(head: bytes) -> bool:
    word = int.from_bytes(head)
    return word >> 12 & 15 == 0 and _header_of(word & _HEADER_BITS | _AMPLE << 12) is not None


@cache
def _header_of(word: int) -> _Header | None:
    version, layer, padding = word >> 19 & 3, word >> 17 & 3, word >> 9 & 1
    bit_rate, rate = word >> 12 & 15, word >> 10 & 3
    if word >> 21 != 0x7FF or version == 1 or layer == 0 or bit_rate in (0, 15) or rate == 3:
        return None
    hertz = _RATES[rate] >> (0 if version == _MPEG1 else 2 if version == _MPEG25 else 1)
    bits = 1000 * _BIT_RATES[version == _MPEG1, layer][bit_rate - 1]
    if layer == _LAYER_1:
        length = (12 * bits // hertz + padding) * 4
    else:
        length = (72 if layer == _LAYER_3 and version != _MPEG1 else 144) * bits // hertz + padding
    return _Header(version, layer, hertz, 1 if word >> 6 & 3 == _MONO else 2, length)


@dataclass
class _Stream:
    """Frames from a Xing or VBRI header, or from a change of rate or channels, to the next."""

    first: _Frame
    told: int | None  # frames, by its header; None without one
    frames: int = 0
    spans: list[range] = field(default_factory=list)

    def add(self, frame: _Frame) -> None:
        self.frames += 1
        if self.spans and self.spans[-1].stop == frame.begin:
            self.spans[-1] = range(self.spans[-1].start, frame.end)
        else:
            self.spans.append(range(frame.begin, frame.end))

    def part(self, file: BinaryIO) -> Part:
        header, told = self.first.header, self.told or 0
        if told >= self.frames and not _is_vbri(self.first.head):
            content = read_at(file, self.first.begin, header.length)
            return Part((_with_bytes(content, header, sum(map(len, self.spans))), *self.spans))
        length = self.frames * header.samples
        check_length(length / header.rate, told * header.samples / header.rate)
        if header.layer != _LAYER_3:
            return Part(tuple(self.spans), frames=length)
        return Part((_beginning(self.first, self.frames), *self.spans), frames=length, preceded=True)


def mpeg_parts(file: BinaryIO, where: range, size: int) -> list[Part]:
    """Find the streams of a file of MPEG audio.

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
        One a stream: several where files were joined, or rate or channels change.  Empty if it
        is no MPEG audio.

    Raises
    ------
    Damaged
        If some of it is missing.
    Unknown
        If its frames don't tell how long they are.
    """
    streams: list[_Stream] = []
    before, inside, end = 0, 0, where.start
    for frame in _frames(file, where):
        count = _told(frame)
        if not streams or count is not None or not frame.header.goes_on(streams[-1].first.header):
            before = before if streams else frame.junk
            streams.append(_Stream(frame, count))
        inside += frame.junk
        if inside - before > _MOST_JUNK:
            raise _broken(frame.junk, frame.begin - frame.junk)
        if count is None:
            streams[-1].add(frame)
        end = frame.end
    if not streams and _has_free_format(read_at(file, where.start, 4)):
        raise Unknown("it is MP3 of free format, whose frames tell no bit rate")
    if streams and streams[0].told is None and before > _MOST_JUNK:
        raise _broken(before, streams[0].first.begin - before)
    if streams and (streams[-1].told or 0) < streams[-1].frames:
        _check_end(file, range(end, where.stop), size)
    return [stream.part(file) for stream in streams if stream.frames]


def _broken(count: int, begin: int) -> Damaged:
    return Damaged(f"{count} bytes from byte {begin} on are no MPEG audio, it may be damaged")


def _check_end(file: BinaryIO, rest: range, size: int) -> None:
    """Refuse a file that breaks off behind its last frame; one with tags behind it has its end."""
    header = _header(read_at(file, rest.start, 4))
    if header is not None and len(rest) < header.length and rest.stop == size:
        raise Damaged("its last frame ends in the middle, it may be cut off")
    if len(rest) > _MOST_JUNK:
        raise _broken(len(rest), rest.start)


def _frames(file: BinaryIO, where: range) -> Iterator[_Frame]:
    at, known, junk = where.start, None, 0
    while at < where.stop:
        head = read_at(file, at, _HEAD_BYTES)
        header = _header(head)
        if (
            header is not None
            and at + header.length <= where.stop
            and ((known is not None and header.goes_on(known)) or _is_followed(file, at, header, where.stop))
        ):
            yield _Frame(at, header, head, junk)
            at, known, junk = at + header.length, header, 0
        elif length := tag_length(head):
            at += length
        else:
            begin = _next_frame(
                file, at + 1, where.stop if known else where.start + _FIRST_WITHIN, where.stop
            )
            if begin is None:
                return
            at, junk = begin, junk + begin - at


def _is_followed(file: BinaryIO, at: int, header: _Header, stop: int) -> bool:
    """Whether two more headers stand where they should: four bytes alone may look like one by chance."""
    for _ in range(2):
        at += header.length
        if at >= stop:
            return at == stop
        following = _header(read_at(file, at, 4))
        if following is None or not following.goes_on(header):
            return False
        header = following
    return True


def _next_frame(file: BinaryIO, at: int, limit: int, stop: int) -> int | None:
    for begin in range(at, min(limit, stop), _BLOCK_BYTES):
        block = read_at(file, begin, _BLOCK_BYTES + 3)
        k = block.find(0xFF)
        while 0 <= k < _BLOCK_BYTES:
            header = _header(block[k : k + 4])
            if header is not None and _is_followed(file, begin + k, header, stop):
                return begin + k
            k = block.find(0xFF, k + 1)
    return None


def _told(frame: _Frame) -> int | None:
    """Frames that a Xing or VBRI header announces, 0 if it doesn't say; None if it is none."""
    head, at = frame.head, frame.header.xing_at
    if frame.header.layer != _LAYER_3:
        return None
    for begin in (at, at + 2):  # with a checksum before it
        if head[begin : begin + 4] in (b"Xing", b"Info"):
            has_frames = head[begin + 7] & _HAS_FRAMES
            return int.from_bytes(head[begin + 8 : begin + 12]) if has_frames else 0
    if _is_vbri(head):
        return int.from_bytes(head[_VBRI_AT + _VBRI_COUNT_AT :][:4])
    return None


def _with_bytes(frame: bytes, header: _Header, audio: int) -> bytes:
    """Put a Xing header's number of bytes right: decoders speak about a wrong one on the terminal."""
    begin = frame.index(b"Xing" if b"Xing" in frame[: header.xing_at + 6] else b"Info")
    if not frame[begin + 7] & _HAS_BYTES:
        return frame
    at = begin + (12 if frame[begin + 7] & _HAS_FRAMES else 8)
    return frame[:at] + (len(frame) + audio).to_bytes(4) + frame[at + 4 :]


def _is_vbri(head: bytes) -> bool:
    return head[_VBRI_AT : _VBRI_AT + 4] == b"VBRI"


def _beginning(like: _Frame, frames: int) -> bytes:
    """Make a frame that is a Xing header for some frames and two silent ones, which follow."""
    word = int.from_bytes(like.head[:4]) & ~0xF200 | 1 << 16 | _AMPLE << 12  # no checksum, no padding
    header = _header_of(word & _HEADER_BITS)
    assert header is not None
    xing = b"Xing" + _HAS_FRAMES.to_bytes(4) + (frames + 2).to_bytes(4)
    begin = word.to_bytes(4).ljust(header.xing_at, b"\0")
    return (begin + xing).ljust(header.length, b"\0") + 2 * begin.ljust(header.length, b"\0")
