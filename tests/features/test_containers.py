"""What MPEG-4 says about the length of its sound, and what is missing; in files made box by box."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from lstmcore.features.containers import Length, check_container
from lstmcore.features.pieces import Damaged, Unknown

RATE, SAMPLES, PRIMING = 44100, 132300, 1024


def box(name: str, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return (8 + len(body)).to_bytes(4) + name.encode() + body


def clock(name: str, ticks: int, duration: int, wide: bool) -> bytes:
    width = 8 if wide else 4
    times = bytes([wide, 0, 0, 0]) + bytes(2 * width)
    return box(name, times + ticks.to_bytes(4) + duration.to_bytes(width) + bytes(80))


def edits(*entries: tuple[int, int], wide: bool = False) -> bytes:
    width = 8 if wide else 4
    rows = [d.to_bytes(width) + b.to_bytes(width, signed=True) + b"\0\1\0\0" for d, b in entries]
    return box("edts", box("elst", bytes([wide, 0, 0, 0]), len(entries).to_bytes(4), *rows))


def track(*edits: bytes, kind: str = "soun", coding: str = "mp4a", wide: bool = False) -> bytes:
    table = box("stsd", bytes(4) + (1).to_bytes(4), box(coding, bytes(28)))
    header = clock("mdhd", RATE, PRIMING + SAMPLES + 204, wide)
    handler = box("hdlr", bytes(8) + kind.encode() + bytes(13))
    return box("trak", *edits, box("mdia", header, handler, box("minf", box("stbl", table))))


def movie(*boxes: bytes, wide: bool = False) -> bytes:
    return box("moov", clock("mvhd", 1000, 3000, wide), *boxes)


def look(content: bytes, demuxer: str = "mov") -> Length:
    return check_container(io.BytesIO(content), range(len(content)), len(content), demuxer)


SOUND = box("mdat", bytes(1000))
WHOLE = (PRIMING + SAMPLES + 204) / RATE


@pytest.mark.parametrize("wide", [False, True])
def test_an_edit_tells_where_the_song_begins_and_ends(wide: bool) -> None:
    shown = edits((3000, PRIMING), wide=wide)
    assert look(movie(track(shown, wide=wide), wide=wide) + SOUND) == Length(3.0, trimmed=True)


@pytest.mark.parametrize("duration", [0, 3004, 3005])
def test_an_edit_in_coarse_ticks_means_the_rest_of_the_track(duration: int) -> None:
    shown = edits((duration, PRIMING))
    assert look(movie(track(shown)) + SOUND) == Length((SAMPLES + 204) / RATE, trimmed=True)


def test_an_edit_is_no_longer_than_the_track() -> None:
    assert look(movie(track(edits((9000, PRIMING)))) + SOUND).seconds == (SAMPLES + 204) / RATE


def test_an_empty_edit_before_is_a_pause_and_no_sound() -> None:
    assert look(movie(track(edits((500, -1), (3000, PRIMING)))) + SOUND) == Length(3.0, trimmed=True)


def test_without_edits_or_with_several_nothing_is_left_out() -> None:
    assert look(movie(track()) + SOUND) == Length(WHOLE, trimmed=False)
    assert look(movie(track(edits((1000, 0), (1000, 50000)))) + SOUND) == Length()


@pytest.mark.parametrize(("samples", "told"), [(SAMPLES, 3.0), (0, WHOLE), (10 * SAMPLES, WHOLE)])
def test_itunes_notes_how_many_samples_a_song_has(samples: int, told: float) -> None:
    numbers = f" 00000000 {PRIMING:08X} 000000CC {samples:016X} 00000000"
    note = box("udta", box("meta", b"iTunSMPB", box("data", bytes(8), numbers.encode())))
    assert look(movie(track(), note) + SOUND).seconds == told


def test_the_first_track_of_sound_counts() -> None:
    tracks = track(kind="vide", coding="drms"), track(edits((3000, PRIMING))), track(coding="drms")
    assert look(movie(*tracks) + SOUND).seconds == 3.0


@pytest.mark.parametrize("coding", ["drms", "enca"])
def test_protected_sound_is_named(coding: str) -> None:
    with pytest.raises(Unknown, match="protected"):
        look(movie(track(coding=coding)) + SOUND)


def test_no_track_of_sound() -> None:
    with pytest.raises(Unknown, match="no sound"):
        look(movie(track(kind="vide")) + SOUND)


def test_the_index_is_missing() -> None:
    for content in (SOUND, box("ftyp", bytes(8)), SOUND + b"\0\0\0\7moov" + bytes(90)):
        with pytest.raises(Damaged, match="'moov'"):
            look(content)


LONG = (1).to_bytes(4) + b"mdat" + (1016).to_bytes(8) + bytes(1000)


@pytest.mark.parametrize("sound", [SOUND, LONG, bytes(4) + SOUND[4:]], ids=["usual", "64 bits", "to the end"])
def test_sound_that_is_all_there_or_not(sound: bytes) -> None:
    content = movie(track()) + sound
    assert look(content).seconds == WHOLE
    if sound[:4] != bytes(4):
        with pytest.raises(Damaged, match=f"'mdat' ends at byte {len(content)}"):
            look(content[:-1])


def element(name: bytes, body: bytes, open_: bool = False) -> bytes:
    return name + (b"\x01" + b"\xff" * 7 if open_ else (1 << 56 | len(body)).to_bytes(8)) + body


HEAD = element(b"\x1a\x45\xdf\xa3", bytes(20))
BLOCK = element(b"\xa3", bytes(500))


@pytest.mark.parametrize("open_", [(False, False), (True, False), (False, True), (True, True)])
def test_matroska_with_its_lengths_left_open_or_not(open_: tuple[bool, bool]) -> None:
    cluster = element(b"\x1f\x43\xb6\x75", element(b"\xe7", b"\0") + BLOCK * 3, open_[1])
    content = HEAD + element(b"\x18\x53\x80\x67", cluster * 2, open_[0])
    assert look(content, "matroska") == Length()
    for cut in (1, 400, 520, 2000):
        if cut != 520 or not all(open_):  # the last block exactly, with nothing that counts it
            with pytest.raises(Damaged):
                look(content[:-cut], "matroska")
    with pytest.raises(Damaged, match="no element"):
        look(content.replace(BLOCK, b"\0" * 30 + BLOCK[30:], 1), "matroska")


def test_what_is_behind_the_end_of_a_matroska_file_is_no_matter() -> None:
    content = HEAD + element(b"\x18\x53\x80\x67", element(b"\x1f\x43\xb6\x75", BLOCK))
    assert look(content + bytes(100), "matroska") == Length()


def frame(length: int) -> bytes:
    return bytes([0xFF, 0xF1, 0x50, 0x80 | length >> 11, length >> 3 & 255, (length & 7) << 5, 0]) + bytes(
        length - 7
    )


@pytest.mark.parametrize(
    ("behind", "complaint"),
    [
        (b"", None),
        (b"TAG" + bytes(125), None),
        (bytes(100), None),
        (bytes(5000), "no frame of AAC"),
        (frame(300)[:200], "last frame"),
        (bytes(5000) + frame(300), "no frame of AAC"),
    ],
)
def test_frames_of_aac(behind: bytes, complaint: str | None) -> None:
    content = frame(300) * 3 + b"ID3\4\0\0\0\0\0\5abcde" + frame(8000) + behind
    if complaint is None:
        assert look(content, "aac") == Length()
    else:
        with pytest.raises(Damaged, match=complaint):
            look(content, "aac")


def asf(sound: int, told: int) -> bytes:
    head = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + (24 + 50).to_bytes(8, "little") + bytes(50)
    data = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c") + told.to_bytes(8, "little")
    return head + data + bytes(sound)


def avi(sound: int, told: int) -> bytes:
    return b"RIFF" + told.to_bytes(4, "little") + b"AVI " + bytes(sound)


@pytest.mark.parametrize(
    ("demuxer", "make", "extra"), [("asf", asf, 24), ("avi", avi, 4)], ids=["Windows Media", "AVI"]
)
def test_windows_media_and_avi(demuxer: str, make: Callable[[int, int], bytes], extra: int) -> None:
    assert look(make(500, 500 + extra), demuxer) == Length()
    assert look(make(500, 0), demuxer) == Length()
    with pytest.raises(Damaged, match="may be cut off"):
        look(make(500, 501 + extra), demuxer)


@pytest.mark.parametrize("demuxer", ["mov", "matroska", "asf", "avi", "aac", "tta"])
@pytest.mark.parametrize("fill", [0, 1, 0xFF])
def test_whatever_stands_there_the_walk_ends(demuxer: str, fill: int) -> None:
    for length in (0, 1, 7, 23, 64, 3000):
        try:
            look(bytes([fill]) * length, demuxer)
        except (Damaged, Unknown) as error:
            assert str(error)  # noqa: PT017
