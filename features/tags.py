"""Tags around sound: what players skip before the first and behind the last byte of a song.

Sources: the informal standards ID3v2.3 and 2.4 (id3.org), ID3v1, APEv2 and Lyrics3v2.
"""

from __future__ import annotations

from typing import BinaryIO

_ID3V1_BYTES, _ID3V1_MORE_BYTES = 128, 227
_APE_BYTES, _APE_HAS_HEADER, _APE_IS_HEADER = 32, 1 << 31, 1 << 29
_BEYOND_ALL_FILES = 1 << 62  # lengths in damaged headers may be anything
_LYRICS_END = b"LYRICS200"


def bounds(file: BinaryIO, size: int) -> range:
    """Find where the sound lies in a file.

    Parameters
    ----------
    file
        The file.
    size
        Its bytes.

    Returns
    -------
    range
        Positions behind the tags at its beginning and before those at its end.
    """
    begin = 0
    while begin < size and (length := tag_length(read_at(file, begin, _APE_BYTES))):
        begin += length
    end = size
    while (length := _length_before(file, end)) and end - length > begin:
        end -= length
    return range(begin, max(begin, end))


def tag_length(head: bytes) -> int:
    """Return the length of a tag from its first 32 bytes; 0 if it is none."""
    if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 0x80:
        length = 0
        for seven_bits in head[6:10]:
            length = length << 7 | seven_bits
        return length + (20 if head[5] & 0x10 else 10)  # a footer is as long as the header
    if head[:8] == b"APETAGEX" and len(head) >= _APE_BYTES:
        is_header = int.from_bytes(head[20:24], "little") & _APE_IS_HEADER
        return _APE_BYTES + (int.from_bytes(head[12:16], "little") if is_header else 0)
    if head[:4] == b"TAG+":
        return _ID3V1_MORE_BYTES
    return _ID3V1_BYTES if head[:3] == b"TAG" else 0


def _length_before(file: BinaryIO, end: int) -> int:
    """Length of the tag that ends at a position; 0 if there is none."""
    if read_at(file, end - _ID3V1_BYTES, 3) == b"TAG":
        return _ID3V1_BYTES
    if read_at(file, end - _ID3V1_MORE_BYTES, 4) == b"TAG+":
        return _ID3V1_MORE_BYTES
    footer = read_at(file, end - _APE_BYTES, _APE_BYTES)
    if footer[:8] == b"APETAGEX":
        has_header = int.from_bytes(footer[20:24], "little") & _APE_HAS_HEADER
        return int.from_bytes(footer[12:16], "little") + (_APE_BYTES if has_header else 0)
    if footer[-9:] == _LYRICS_END and footer[-15:-9].isdigit():
        return int(footer[-15:-9]) + 15
    return 0


def read_at(file: BinaryIO, position: int, count: int) -> bytes:
    """Read some bytes from a position on; none before the beginning, or where no file can reach."""
    if not 0 <= position < _BEYOND_ALL_FILES:
        return b""
    file.seek(position)
    return file.read(count)
