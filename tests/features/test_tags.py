"""Tags of every kind around some sound, alone and one behind the other."""

from __future__ import annotations

import io
from itertools import permutations

import pytest

from lstmcore.features.tags import bounds

SOUND = bytes(range(1, 251)) * 4
ID3V1 = b"TAG" + bytes(125)
ID3V1_MORE = b"TAG+" + bytes(223)
ID3V2 = b"ID3\x04\x00\x00" + bytes((0, 0, 1, 2)) + bytes(130)  # seven bits a byte: 128 + 2
ID3V2_WITH_FOOTER = b"ID3\x04\x00\x10" + bytes((0, 0, 0, 5)) + bytes(5) + b"3DI" + bytes(7)


def ape(flags: int, items: int = 40) -> bytes:
    """Header or footer of an APEv2 tag; its length counts items and footer."""
    return b"APETAGEX" + b"".join(n.to_bytes(4, "little") for n in (2000, items + 32, 1, flags)) + bytes(8)


APE = bytes(40) + ape(0)
APE_WITH_HEADER = ape(1 << 31 | 1 << 29) + bytes(40) + ape(1 << 31)
LYRICS = b"LYRICSBEGIN" + bytes(20) + b"000031LYRICS200"
BEFORE = {"ID3v2": ID3V2, "ID3v2 with footer": ID3V2_WITH_FOOTER, "APE": APE_WITH_HEADER, "ID3v1": ID3V1}
BEHIND = {"ID3v1": ID3V1, "longer": ID3V1_MORE, "APE": APE, "APE, header": APE_WITH_HEADER, "lyrics": LYRICS}


def sound_of(before: bytes, behind: bytes) -> bytes:
    content = before + SOUND + behind
    found = bounds(io.BytesIO(content), len(content))
    return content[found.start : found.stop]


@pytest.mark.parametrize("tag", BEFORE)
def test_what_comes_before_the_sound(tag: str) -> None:
    assert sound_of(BEFORE[tag], b"") == SOUND


@pytest.mark.parametrize("tag", BEHIND)
def test_what_comes_behind_it(tag: str) -> None:
    assert sound_of(b"", BEHIND[tag]) == SOUND


def test_several_in_any_order() -> None:
    for some in permutations(BEHIND.values(), 3):
        assert sound_of(b"".join(BEFORE.values()), b"".join(some)) == SOUND


ENDLESS = b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f"


@pytest.mark.parametrize("length", [0, (1 << 32) - 1])
@pytest.mark.parametrize("tag", [ape(0), ape(1 << 29), ENDLESS, b"999999LYRICS200"])
def test_a_damaged_length_ends_in_no_sound_or_all_of_it(tag: bytes, length: int) -> None:
    broken = tag[:12] + length.to_bytes(4, "little") + tag[16:] if tag.startswith(b"APE") else tag
    for content in (broken + SOUND, SOUND + broken, broken):
        found = bounds(io.BytesIO(content), len(content))
        assert 0 <= found.start <= found.stop
