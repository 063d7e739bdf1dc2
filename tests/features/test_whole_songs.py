"""A song is decoded from its first to its last sample or refused, whatever headers say and files lack."""

import errno
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from lstmcore.features import AudioError, read_audio

Write = Callable[..., Path]
Mixture = tuple[NDArray[np.int16], int]
RATE = 44100
TRIMMED = (
    1105  # samples that decoders leave out at the beginning where a header says how many the encoder added
)


@pytest.fixture
def song(mixture: Mixture) -> NDArray[np.int16]:
    """Six seconds, quiet and then loud: frames of very different sizes."""
    samples = mixture[0][: 6 * RATE].copy()
    samples[: 2 * RATE] //= 100
    return samples


@pytest.fixture
def vbr(write: Write, song: NDArray[np.int16]) -> bytes:
    """An MP3 file of varying bit rate."""
    return write("vbr.mp3", song, bitrate_mode="VARIABLE", compression_level=0.2).read_bytes()


@pytest.fixture
def cbr(write: Write, song: NDArray[np.int16]) -> bytes:
    """An MP3 file of constant bit rate."""
    return write("cbr.mp3", song, bitrate_mode="CONSTANT", compression_level=0.5).read_bytes()


def without_header(mp3: bytes) -> bytes:
    """Cut the frame with the Xing or Info header off."""
    begin = max(mp3.find(b"Xing"), mp3.find(b"Info"))
    assert 0 < begin < 60
    return mp3[mp3.index(mp3[:2], begin) :]


def with_count(mp3: bytes, frames: int) -> bytes:
    """Put another number of frames into the header."""
    begin = max(mp3.find(b"Xing"), mp3.find(b"Info")) + 8
    return mp3[:begin] + frames.to_bytes(4) + mp3[begin + 4 :]


def frames_in(mp3: bytes) -> int:
    begin = max(mp3.find(b"Xing"), mp3.find(b"Info")) + 8
    return int.from_bytes(mp3[begin : begin + 4])


def samples_of(path: Path, content: bytes) -> NDArray[np.float32]:
    path.write_bytes(content)
    samples: NDArray[np.float32] = read_audio(path).samples
    return samples[:, 0]


def complaint(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(AudioError) as caught:
        read_audio(path)
    return caught.value.reason


def test_an_mp3_of_varying_bit_rate_without_a_header_is_decoded_whole(tmp_path: Path, vbr: bytes) -> None:
    whole = samples_of(tmp_path / "a.mp3", vbr)
    bare = without_header(vbr)
    assert len(soundfile.SoundFile(tmp_path / "vbr.mp3")) == 6 * RATE  # the case is one: libsndfile guesses
    (tmp_path / "bare.mp3").write_bytes(bare)
    assert soundfile.info(tmp_path / "bare.mp3").frames < 5 * RATE
    found = samples_of(tmp_path / "a.mp3", bare)
    assert len(found) == 1152 * frames_in(vbr)
    np.testing.assert_array_equal(found[TRIMMED:][: len(whole)], whole)


def test_an_mp3_of_constant_bit_rate_without_a_header_gives_what_the_decoder_gives(
    tmp_path: Path, cbr: bytes
) -> None:
    found = samples_of(tmp_path / "a.mp3", without_header(cbr))
    decoded, _ = soundfile.read(tmp_path / "a.mp3", dtype="float32")
    np.testing.assert_array_equal(found, decoded[: len(found)])
    assert len(found) == 1152 * frames_in(cbr)


@pytest.mark.parametrize("told", [0, 20, 1])
def test_a_header_that_announces_too_few_frames_is_not_believed(
    tmp_path: Path, vbr: bytes, told: int
) -> None:
    found = samples_of(tmp_path / "a.mp3", with_count(vbr, told))
    np.testing.assert_array_equal(found, samples_of(tmp_path / "a.mp3", without_header(vbr)))


def test_a_header_that_counts_itself_is_right(tmp_path: Path, vbr: bytes) -> None:
    whole = samples_of(tmp_path / "a.mp3", vbr)
    counted = samples_of(tmp_path / "a.mp3", with_count(vbr, frames_in(vbr) + 1))
    np.testing.assert_array_equal(counted[: len(whole)], whole)


def test_a_vbri_header_is_no_sound(tmp_path: Path, vbr: bytes) -> None:
    bare = without_header(vbr)
    head = vbr[: len(vbr) - len(bare)]
    vbri = b"VBRI" + bytes(10) + frames_in(vbr).to_bytes(4) + bytes(8)
    frame = (head[:4].ljust(36, b"\0") + vbri).ljust(len(head), b"\0")
    found = samples_of(tmp_path / "a.mp3", frame + bare)
    np.testing.assert_array_equal(found, samples_of(tmp_path / "a.mp3", bare))


TAGS = b"TAG" + b"x" * 125, b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128)


@pytest.mark.parametrize("between", [b"", TAGS[0], TAGS[1], TAGS[0] + TAGS[1]])
def test_joined_mp3_files_are_decoded_one_after_the_other(tmp_path: Path, vbr: bytes, between: bytes) -> None:
    one = samples_of(tmp_path / "a.mp3", vbr)
    two = samples_of(tmp_path / "a.mp3", TAGS[1] + vbr + between + vbr + TAGS[0])
    np.testing.assert_array_equal(two, np.concatenate([one, one]))


def test_joined_mp3_files_without_headers_are_one(tmp_path: Path, vbr: bytes, cbr: bytes) -> None:
    found = samples_of(tmp_path / "a.mp3", vbr + without_header(cbr))
    assert len(found) == 1152 * (frames_in(vbr) + frames_in(cbr))


@pytest.mark.parametrize(
    ("rate", "channels", "change"),
    [
        (48000, 1, "44100 Hz and 1 channels to 48000 Hz and 1"),
        (RATE, 2, "44100 Hz and 1 channels to 44100 Hz and 2"),
    ],
)
def test_an_mp3_that_changes_rate_or_channels_is_refused(
    rate: int, channels: int, change: str, tmp_path: Path, write: Write, song: NDArray[np.int16], vbr: bytes
) -> None:
    other = write("b.mp3", np.stack([song] * channels, 1), rate).read_bytes()
    for content in (vbr + other, vbr + without_header(other)):
        assert f"changes from {change} after 6.0" in complaint(tmp_path / "a.mp3", content)


@pytest.mark.parametrize("junk", [bytes(20_000), np.random.default_rng(0).bytes(20_000)], ids=["0", "random"])
def test_what_is_no_sound_in_an_mp3_is_named(tmp_path: Path, vbr: bytes, junk: bytes) -> None:
    bare = without_header(vbr)
    half = len(bare) // 2
    for mp3 in (vbr[:-half] + junk + vbr[-half:], bare[:half] + junk + bare[half:]):
        assert "are no MPEG audio, it may be damaged" in complaint(tmp_path / "a.mp3", mp3)
    # Behind the last frame that a header announces there may be anything; else it may have been sound.
    np.testing.assert_array_equal(
        samples_of(tmp_path / "a.mp3", vbr + junk), samples_of(tmp_path / "a.mp3", vbr)
    )
    assert "20000 bytes" in complaint(tmp_path / "a.mp3", bare + junk)
    assert "20000 bytes" in complaint(tmp_path / "a.mp3", junk + bare)


@pytest.mark.parametrize("share", [0.5, 0.97])
def test_an_mp3_that_was_cut_off_is_refused(tmp_path: Path, vbr: bytes, share: float) -> None:
    cut = vbr[: int(share * len(vbr))]
    assert "announces 6.00 s, it may be cut off" in complaint(tmp_path / "a.mp3", cut)
    bare = without_header(cut)
    assert "its last frame ends in the middle" in complaint(tmp_path / "a.mp3", bare)
    assert len(samples_of(tmp_path / "a.mp3", bare + TAGS[0])) > 0  # this file has its end


def test_mp3_frames_that_tell_no_length_are_refused(tmp_path: Path, vbr: bytes) -> None:
    free = bytes([vbr[0], vbr[1], vbr[2] & 0x0F, vbr[3]])
    assert "free format" in complaint(tmp_path / "a.mp3", (free + bytes(500)) * 20)


def test_an_mp3_of_varying_bit_rate_in_a_wav_file_is_decoded_whole(tmp_path: Path, vbr: bytes) -> None:
    bare = without_header(vbr)
    coding = b"\x55\0" + (1).to_bytes(2, "little") + RATE.to_bytes(4, "little") + bytes(4) + b"\1\0\0\0"
    head = b"WAVEfmt " + (30).to_bytes(4, "little") + coding + b"\x0c\0" + bytes(12)
    head += b"data" + len(bare).to_bytes(4, "little")
    file = b"RIFF" + (len(head) + len(bare)).to_bytes(4, "little") + head + bare
    np.testing.assert_array_equal(samples_of(tmp_path / "a.wav", file), samples_of(tmp_path / "a.mp3", bare))
    assert "may be cut off" in complaint(tmp_path / "a.wav", file[: len(file) // 2])


# Ogg: pages made by hand, from those that libsndfile writes.


def checksum(page: bytes) -> int:
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7) & 0xFFFFFFFF if crc & 0x80000000 else crc << 1
    return crc


def page_of(flags: int, position: int, stream: int, number: int, table: bytes, body: bytes) -> bytes:
    head = b"OggS\0" + bytes([flags]) + position.to_bytes(8, "little") + stream.to_bytes(4, "little")
    head += number.to_bytes(4, "little")
    rest = bytes([len(table)]) + table + body
    return head + checksum(head + bytes(4) + rest).to_bytes(4, "little") + rest


def pages_of(ogg: bytes) -> list[bytes]:
    pages = []
    while ogg:
        assert ogg.startswith(b"OggS")
        length = 27 + ogg[26] + sum(ogg[27 : 27 + ogg[26]])
        pages.append(ogg[:length])
        ogg = ogg[length:]
    return pages


def changed(page: bytes, flags: int | None = None, stream: int | None = None) -> bytes:
    number = page[14:18] if stream is None else stream.to_bytes(4, "little")
    mark = page[5] if flags is None else flags
    blank = page[:5] + bytes([mark]) + page[6:14] + number + page[18:22] + bytes(4) + page[26:]
    return blank[:22] + checksum(blank).to_bytes(4, "little") + blank[26:]


@pytest.fixture(params=["VORBIS", "OPUS"])
def ogg(request: pytest.FixtureRequest, write: Write, song: NDArray[np.int16]) -> bytes:
    """An Ogg file; the numbers of its streams are drawn by chance."""
    rate = RATE if request.param == "VORBIS" else 48000
    # Not a multiple of the codec's blocks, as the length of a song never is.
    return write("song.ogg", song[: 3 * RATE + 100], rate, subtype=request.param).read_bytes()


def test_joined_ogg_files_are_decoded_one_after_the_other(tmp_path: Path, ogg: bytes) -> None:
    one = samples_of(tmp_path / "a.ogg", ogg)
    other = b"".join(changed(page, stream=77) for page in pages_of(ogg))
    for second in (ogg, other):
        two = samples_of(tmp_path / "a.ogg", ogg + second)
        np.testing.assert_array_equal(two, np.concatenate([one, one]))


def test_joined_ogg_files_of_different_rates_are_refused(
    tmp_path: Path, write: Write, song: NDArray[np.int16]
) -> None:
    joined = write("b.ogg", song).read_bytes() + write("c.ogg", song, 22050).read_bytes()
    assert "changes from 44100 Hz" in complaint(tmp_path / "a.ogg", joined)


def test_an_ogg_file_without_a_last_mark_is_whole_if_its_end_is_trimmed(tmp_path: Path, ogg: bytes) -> None:
    pages = pages_of(ogg)
    unmarked = b"".join([*pages[:-1], changed(pages[-1], flags=0)])
    np.testing.assert_array_equal(
        samples_of(tmp_path / "a.ogg", unmarked), samples_of(tmp_path / "a.ogg", ogg)
    )
    assert "isn't marked as the last" in complaint(tmp_path / "a.ogg", b"".join(pages[:-1]))


def test_pages_that_are_missing_or_damaged_are_named(tmp_path: Path, ogg: bytes) -> None:
    pages = pages_of(ogg)
    assert len(pages) > 5
    assert "pages 3 to 3 are missing" in complaint(tmp_path / "a.ogg", b"".join(pages[:3] + pages[4:]))
    begin = len(b"".join(pages[:-2]))
    spoilt = ogg[: begin + 200] + bytes([ogg[begin + 200] ^ 1]) + ogg[begin + 201 :]
    assert f"the page at byte {begin} is damaged" in complaint(tmp_path / "a.ogg", spoilt)
    assert "first page of a stream is missing" in complaint(tmp_path / "a.ogg", b"".join(pages[1:]))


def test_an_ogg_file_with_tags_around_it_and_junk_between_pages(tmp_path: Path, ogg: bytes) -> None:
    pages = pages_of(ogg)
    content = b"".join([TAGS[1], *pages[:3], bytes(3000), *pages[3:], TAGS[0]])
    np.testing.assert_array_equal(
        samples_of(tmp_path / "a.ogg", content), samples_of(tmp_path / "a.ogg", ogg)
    )


def flac_in_ogg(flac: bytes, last: int, known: bool = True) -> bytes:
    """Wrap a FLAC file; its pages hold what comes, since no decoder of packets looks at them here."""
    if not known:
        flac = flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:]
    bodies = [b"\x7fFLAC\x01\x00\x00\x01" + flac[:42]]
    bodies += [flac[k : k + 5000] for k in range(42, len(flac), 5000)]
    pages = []
    for number, body in enumerate(bodies):
        flags = 2 if number == 0 else last if number == len(bodies) - 1 else 0
        full, rest = divmod(len(body), 255)
        pages.append(page_of(flags, 0, 5, number, b"\xff" * full + bytes([rest]), body))
    return b"".join(pages)


def test_flac_in_ogg(tmp_path: Path, write: Write, song: NDArray[np.int16]) -> None:
    flac = write("b.flac", song).read_bytes()
    for last in (0, 4):
        np.testing.assert_array_equal(samples_of(tmp_path / "a.oga", flac_in_ogg(flac, last)), song)
    np.testing.assert_array_equal(samples_of(tmp_path / "a.oga", flac_in_ogg(flac, 4, known=False)), song)
    assert "isn't marked" in complaint(tmp_path / "a.oga", flac_in_ogg(flac, 0, known=False))
    cut = b"".join(pages_of(flac_in_ogg(flac, 4))[:-3])
    assert "cannot be decoded beyond" in complaint(tmp_path / "a.oga", cut)


def test_other_sound_in_ogg_is_named(tmp_path: Path, ogg: bytes) -> None:
    speex = page_of(2, 0, 9, 0, bytes([80]), b"Speex   " + bytes(72))
    assert "it holds Speex" in complaint(tmp_path / "a.ogg", speex)
    first, *others = pages_of(ogg)
    assert "beside Speex" in complaint(tmp_path / "a.ogg", first + speex + b"".join(others))
    picture = page_of(2, 0, 9, 0, bytes([42]), b"\x80theora" + bytes(35))
    np.testing.assert_array_equal(
        samples_of(tmp_path / "a.ogg", first + picture + b"".join(others)),
        samples_of(tmp_path / "b.ogg", ogg),
    )


def test_a_flac_file_with_a_tag_behind_it(tmp_path: Path, write: Write, song: NDArray[np.int16]) -> None:
    flac = write("b.flac", song).read_bytes()
    np.testing.assert_array_equal(samples_of(tmp_path / "a.flac", TAGS[1] + flac + TAGS[0]), song)
    assert "cannot be decoded beyond" in complaint(tmp_path / "a.flac", flac + flac)


# Plain sound.

PLAIN = ["AIFF", "CAF", "AU", "W64", "RF64", "WAV", "WAVEX", "SVX"]


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("share", [0.5, 0.97])
def test_plain_sound_that_was_cut_off_is_refused(
    kind: str, share: float, tmp_path: Path, write: Write, song: NDArray[np.int16]
) -> None:
    content = write("b.x", song, format=kind).read_bytes()
    np.testing.assert_array_equal(samples_of(tmp_path / "a.x", content + TAGS[0]), song)
    assert "it may be cut off" in complaint(tmp_path / "a.x", content[: int(share * len(content))])


@pytest.mark.parametrize("kind", PLAIN)
def test_joined_plain_sound_is_refused(
    kind: str, tmp_path: Path, write: Write, song: NDArray[np.int16]
) -> None:
    content = write("b.x", song, format=kind).read_bytes()
    assert "ends at byte" in complaint(tmp_path / "a.x", content + content)


FORMAT = b"fmt " + (16).to_bytes(4, "little") + b"\1\0\1\0" + RATE.to_bytes(4, "little")
FORMAT += (2 * RATE).to_bytes(4, "little") + b"\2\0\x10\0"


def wav(sound: bytes, whole: int, length: int, before: bytes = b"", behind: bytes = b"") -> bytes:
    head = b"RIFF" + whole.to_bytes(4, "little") + b"WAVE" + FORMAT + before
    return head + b"data" + length.to_bytes(4, "little") + sound + behind


LIST = b"LIST" + (27).to_bytes(4, "little") + b"INFOISFT" + (15).to_bytes(4, "little") + b"Lavf 58.29.100\0"


@pytest.mark.parametrize("whole", [0, 36, 0x7FFF0024, 0x7FFFFFFF, 0x80000024, 0xFFFFFFFF])
@pytest.mark.parametrize("length", [0, 0x7FFF0000, 0x7FFFF000, 0x80000000, 0xFFFFFFDB, 0xFFFFFFFF])
def test_a_wav_file_whose_length_was_left_open_is_read_to_its_end(
    whole: int, length: int, tmp_path: Path, song: NDArray[np.int16]
) -> None:
    found = samples_of(tmp_path / "a.wav", wav(song.tobytes(), whole, length))
    np.testing.assert_array_equal(found, song)


def test_a_wav_file_without_sound_has_none(tmp_path: Path) -> None:
    for content in (wav(b"", 36, 0), wav(b"", 72, 0, behind=LIST + b"\0")):
        assert "no samples" in complaint(tmp_path / "a.wav", content)


@pytest.mark.parametrize("padding", [b"", b"\0"])
def test_chunks_of_odd_length_with_and_without_padding(
    padding: bytes, tmp_path: Path, song: NDArray[np.int16]
) -> None:
    sound = song.tobytes()
    size = 36 + len(sound) + len(LIST)
    for content in (
        wav(sound, size, len(sound), before=LIST + padding),
        wav(sound, size, len(sound), before=LIST + padding + LIST + padding),
        wav(sound, size, len(sound), behind=LIST + padding + LIST + padding),
    ):
        np.testing.assert_array_equal(samples_of(tmp_path / "a.wav", content), song)


def test_sound_behind_what_a_wav_header_announces_is_not_left_out(
    tmp_path: Path, song: NDArray[np.int16]
) -> None:
    sound = song.tobytes()
    half = len(sound) // 2
    for whole in (36 + half, 36 + len(sound)):
        assert f"it ends at byte {44 + half}, but" in complaint(tmp_path / "a.wav", wav(sound, whole, half))


def test_a_caf_and_an_au_file_written_to_a_pipe(
    tmp_path: Path, write: Write, song: NDArray[np.int16]
) -> None:
    caf = write("b.caf", song).read_bytes()
    begin = caf.index(b"data") + 4
    np.testing.assert_array_equal(
        samples_of(tmp_path / "a.caf", caf[:begin] + b"\xff" * 8 + caf[begin + 8 :]), song
    )
    au = write("b.au", song).read_bytes()
    for length in (bytes(4), b"\xff" * 4):
        np.testing.assert_array_equal(samples_of(tmp_path / "a.au", au[:8] + length + au[12:]), song)


def with_lengths(content: bytes, lengths: dict[bytes, bytes], before: int = 0) -> bytes:
    """Put other lengths behind the first of each name, and something behind it."""
    for name, length in lengths.items():
        at = content.index(name) + len(name) + before
        content = content[:at] + length + content[at + len(length) :]
    return content


@pytest.mark.parametrize("unknown", [0, (1 << 32) - 1, (1 << 64) - 1])
@pytest.mark.parametrize("before", [b"", LIST, LIST + b"\0"], ids=["", "without padding", "with padding"])
def test_an_rf64_file_written_to_a_pipe(
    unknown: int, before: bytes, tmp_path: Path, write: Write, song: NDArray[np.int16]
) -> None:
    rf64 = write("b.rf64", song, format="RF64").read_bytes()
    assert rf64[12:16] == b"ds64"
    assert rf64[rf64.index(b"data") + 4 :][:4] == b"\xff" * 4
    lengths = 3 * unknown.to_bytes(8, "little")  # of the file, of the sound, and the number of samples
    content = with_lengths(rf64, {b"ds64\x1c\0\0\0": lengths})
    at = rf64.index(b"data")
    for whole in (rf64, content):
        found = samples_of(tmp_path / "a.wav", whole[:at] + before + whole[at:])
        np.testing.assert_array_equal(found, song)


def test_a_w64_file_written_to_a_pipe(tmp_path: Path, write: Write, song: NDArray[np.int16]) -> None:
    w64 = write("b.w64", song, format="W64").read_bytes()
    for length in (b"\xff" * 8, b"\xff" * 7 + b"\x7f"):
        content = with_lengths(w64, {b"riff": b"\xff" * 8, b"data": length}, 12)
        np.testing.assert_array_equal(samples_of(tmp_path / "a.w64", content), song)


@pytest.mark.parametrize(("whole", "length"), [(0, 0), (0x7F000050, 0x7F000008), (0xFFFFFFFF, 0xFFFFFFFF)])
def test_an_aiff_file_written_to_a_pipe(
    whole: int, length: int, tmp_path: Path, write: Write, song: NDArray[np.int16]
) -> None:
    aiff = write("b.aiff", song).read_bytes()
    content = with_lengths(aiff, {b"FORM": whole.to_bytes(4), b"SSND": length.to_bytes(4)})
    np.testing.assert_array_equal(samples_of(tmp_path / "a.aiff", content), song)


@pytest.mark.parametrize("scale", [32768.0, 128.0, 1e30])
def test_samples_far_beyond_full_scale_are_refused(
    scale: float, tmp_path: Path, write: Write, song: NDArray[np.int16]
) -> None:
    path = write("a.wav", song / 32768 * scale, subtype="FLOAT")
    assert "where full scale is 1" in complaint(path, path.read_bytes())
    loud = write("b.wav", song / 32768 * 4, subtype="FLOAT")  # a mix that wasn't limited
    assert np.abs(read_audio(loud).samples).max() > 2


def test_the_notes_of_a_mac_about_a_file_do_not_keep_it_from_being_read(
    write: Write, tmp_path: Path, song: NDArray[np.int16], vbr: bytes
) -> None:
    for name in ("song.mp3", "song.wav", "song.sd2"):
        (tmp_path / f"._{name}").write_bytes(bytes(82))
    assert len(samples_of(tmp_path / "song.mp3", vbr)) == 6 * RATE
    assert len(read_audio(write("song.wav", song)).samples) == 6 * RATE
    assert "AppleDouble" in complaint(tmp_path / "._x.mp3", b"\0\5\x16\7\0\2\0\0" + bytes(100))


@pytest.mark.parametrize(
    ("begin", "name"),
    [
        (b"\0\0\0\x20ftypM4A ", "MPEG-4"),
        (b"\x1aE\xdf\xa3", "Matroska"),
        (b"0&\xb2u\x8ef\xcf\x11", "Windows Media"),
        (b"\xff\xf1\x50\x80", "AAC"),
        (b"NIST_1A\n", "NIST"),
    ],
)
def test_sound_that_cannot_be_decoded_is_named(tmp_path: Path, begin: bytes, name: str) -> None:
    assert f"cannot be decoded, it is {name}" in complaint(tmp_path / "a.m4a", begin + bytes(1000))


def test_a_disk_that_fails_in_the_middle_is_no_end(
    write: Write, song: NDArray[np.int16], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("a.wav", song)

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("lstmcore.features.pieces.PiecedFile._read", fail)
    with pytest.raises(AudioError, match="cannot be read, Input/output error"):
        read_audio(path)


def test_a_file_that_may_not_be_opened(
    write: Write, song: NDArray[np.int16], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("a.wav", song)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(AudioError, match="cannot be read, Permission denied"):
        read_audio(path)


@pytest.mark.parametrize("kind", ["MP3", "OGG", "FLAC", *PLAIN])
def test_damaged_bytes_give_samples_or_an_error(
    kind: str, tmp_path: Path, write: Write, song: NDArray[np.int16]
) -> None:
    content = write("b.x", song[:RATE], format=kind).read_bytes()
    random = np.random.default_rng(len(kind))
    extremes = [bytes(8), b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\x80" + bytes(7)]
    for _ in range(40):
        begin = int(random.integers(min(len(content), random.choice([120, len(content)]))))
        length = int(random.choice([1, 2, 4, 8]))
        put = extremes[random.integers(4)][:length] if random.random() < 0.7 else random.bytes(length)
        rest = content[begin + (length if random.random() < 0.7 else int(random.integers(50))) :]
        (tmp_path / "a.x").write_bytes(content[:begin] + put + rest)
        with suppress(AudioError):
            assert np.isfinite(read_audio(tmp_path / "a.x").samples).all()
