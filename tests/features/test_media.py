"""Sound that FFmpeg decodes: all samples of the first stream, or an error, by PyAV as by the program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from lstmcore.features import AudioError, extract_music, read_audio
from lstmcore.features.audio import open_audio
from lstmcore.features.formats import MEDIA_SUFFIXES, SNDFILE_SUFFIXES, foreign_format
from lstmcore.features.media import INSTALL, media_reader, readable_suffixes
from tests.features.media_files import encode

RATE = 44100
ONSET = 1.0
Song = NDArray[np.int16]
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def song() -> Song:
    """A second of silence, two seconds of a tone, and a third that is no multiple of anything."""
    times = np.arange(2 * RATE + 123) / RATE
    tone = np.round(16000 * np.sin(2 * np.pi * 1000 * times)).astype(np.int16)
    mono = np.concatenate([np.zeros(RATE, np.int16), tone])
    return np.stack([mono, mono // 2], 1)


def using(monkeypatch: pytest.MonkeyPatch, reader: str | None) -> None:
    for module in ("media", "audio"):
        monkeypatch.setattr(f"lstmcore.features.{module}.media_reader", lambda: reader)


needs_program = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the program ffmpeg isn't here")


@pytest.fixture(params=["PyAV", pytest.param("ffmpeg", marks=needs_program)])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What decodes."""
    if request.param == "PyAV":
        pytest.importorskip("av", reason="PyAV is not installed")
    using(monkeypatch, request.param)
    return str(request.param)


def onset(samples: NDArray[Any]) -> float:
    """Second at which the tone begins."""
    return float(np.flatnonzero(np.abs(samples[:, 0]) > 0.1)[0] / RATE)


def complaint(path: Path) -> str:
    with pytest.raises(AudioError) as caught:
        read_audio(path)
    assert "\n" not in caught.value.reason
    return caught.value.reason


LOSSLESS = [("a.m4a", "alac"), ("a.mka", "flac"), ("a.wv", "wavpack"), ("a.avi", "pcm_s16le")]


@pytest.mark.parametrize(("name", "codec"), LOSSLESS)
def test_lossless_sound_comes_back_as_it_was(
    name: str, codec: str, reader: str, tmp_path: Path, song: Song
) -> None:
    audio = read_audio(encode(tmp_path / name, song, codec=codec))
    assert (audio.rate, audio.samples.dtype) == (RATE, np.float32)
    np.testing.assert_array_equal(audio.samples * 32768, song)


@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}], ids=["index behind", "index first"])
@pytest.mark.parametrize("name", ["a.m4a", "a.mov", "a.mp4"])
def test_what_the_encoder_of_aac_puts_around_a_song_is_left_out(
    name: str, options: dict[str, str], reader: str, tmp_path: Path, song: Song
) -> None:
    path = encode(tmp_path / name, song, codec="aac", pictures=name == "a.mp4", **options)
    audio = read_audio(path)
    assert audio.samples.shape == song.shape
    assert onset(audio.samples) == pytest.approx(ONSET, abs=0.001)
    left, right = np.abs(audio.samples[int(1.5 * RATE) :]).max(0)
    assert right == pytest.approx(left / 2, rel=0.1)
    with open_audio(path) as stream:
        assert all(block.flags.c_contiguous for block in stream.blocks)  # writers of files rely on it


@pytest.mark.parametrize(
    ("name", "codec", "most"),
    [
        *(("a.aac", "aac", 0.05), ("a.mkv", "aac", 0.05), ("a.ts", "aac", 0.05), ("a.flv", "aac", 0.05)),
        *(("a.wma", "wmav2", 0.05), ("a.mpg", "mp2", 0.02), ("a.ac3", "ac3", 0.05), ("a.avi", "mp2", 0.02)),
    ],
)
def test_other_formats_are_right_but_for_the_delay_of_their_encoders(
    name: str, codec: str, most: float, reader: str, tmp_path: Path, song: Song
) -> None:
    form = {"a.wma": "asf", "a.mkv": "matroska", "a.mpg": "mpeg"}.get(name)
    audio = read_audio(encode(tmp_path / name, song, codec=codec, form=form))
    assert onset(audio.samples) == pytest.approx(ONSET, abs=most)
    assert audio.seconds == pytest.approx(len(song) / RATE, abs=most)


def test_a_camcorders_file(reader: str, tmp_path: Path, song: Song) -> None:
    path = encode(tmp_path / "a.mts", song, codec="mp2", form="mpegts", mpegts_m2ts_mode="1")
    assert path.read_bytes()[4 : 4 + 2 * 192 : 192] == b"GG"
    assert onset(read_audio(path).samples) == pytest.approx(ONSET, abs=0.02)


def test_opus_in_webm_begins_and_ends_where_it_should(reader: str, tmp_path: Path, song: Song) -> None:
    audio = read_audio(encode(tmp_path / "a.webm", song, codec="libopus", rate=48000))
    assert audio.rate == 48000
    assert len(audio.samples) == pytest.approx(len(song), abs=1)
    begin = np.flatnonzero(np.abs(audio.samples[:, 0]) > 0.1)[0]
    assert begin == pytest.approx(RATE, abs=48)


def test_the_first_of_several_streams_is_read(reader: str, tmp_path: Path, song: Song) -> None:
    path = encode(tmp_path / "a.mkv", song[:, :1], song[::-1].copy(), codec="flac", pictures=True)
    np.testing.assert_array_equal(read_audio(path).samples * 32768, song[:, :1])


def test_features_are_those_of_the_same_samples_in_a_wav_file(
    reader: str, tmp_path: Path, song: Song, write: Write
) -> None:
    media, plain = encode(tmp_path / "a.m4a", song, codec="alac"), write("a.wav", song)
    pd.testing.assert_frame_equal(extract_music(media), extract_music(plain), check_exact=True)


CASES = [("a.m4a", "aac", None), ("a.webm", "libopus", None), ("a.mkv", "flac", None), ("a.aac", "aac", None)]
CASES += [("a.wma", "wmav2", "asf"), ("a.avi", "mp2", None), ("a.wv", "wavpack", None)]


def content_of(folder: Path, name: str, codec: str, form: str | None, song: Song) -> bytes:
    rate = 48000 if codec == "libopus" else RATE
    return encode(folder / name, song, codec=codec, form=form, rate=rate).read_bytes()


@pytest.mark.parametrize(("name", "codec", "form"), CASES)
def test_media_that_were_cut_off_are_refused(
    name: str, codec: str, form: str | None, reader: str, tmp_path: Path, song: Song
) -> None:
    content = content_of(tmp_path, name, codec, form, song)
    for share in (0.5, 0.97):
        (tmp_path / name).write_bytes(content[: int(share * len(content))])
        assert "a whole file is expected" in complaint(tmp_path / name)


@pytest.mark.parametrize(("name", "codec", "form"), [case for case in CASES if case[0] != "a.wma"])
def test_damage_in_the_middle_is_refused(
    name: str, codec: str, form: str | None, reader: str, tmp_path: Path, song: Song
) -> None:
    content = content_of(tmp_path, name, codec, form, song)
    middle = int(0.7 * len(content))
    (tmp_path / name).write_bytes(content[:middle] + bytes(6000) + content[middle + 6000 :])
    if (name, reader) == ("a.avi", "ffmpeg"):
        pytest.skip("the program ffmpeg doesn't tell how many samples an AVI file should have")
    assert "a whole file is expected" in complaint(tmp_path / name)


def test_packets_that_are_missing_are_told_by_their_times(
    tmp_path: Path, song: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = content_of(tmp_path, "a.wma", "wmav2", "asf", song)
    using(monkeypatch, "PyAV")
    middle = len(content) // 2
    (tmp_path / "a.wma").write_bytes(content[:middle] + bytes(6000) + content[middle + 6000 :])
    assert "its sound has a gap of 0." in complaint(tmp_path / "a.wma")


def test_matroska_written_to_a_pipe(reader: str, tmp_path: Path, song: Song) -> None:
    path = encode(tmp_path / "a.mkv", song, codec="flac", form="matroska", live="1")
    np.testing.assert_array_equal(read_audio(path).samples * 32768, song)
    path.write_bytes(path.read_bytes()[:-700])
    assert "it may be cut off" in complaint(path)


def test_a_video_without_sound(reader: str, tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv"):
        path = encode(tmp_path / name, codec="aac", pictures=True)
        assert "there is no sound in it" in complaint(path)


def test_sound_in_a_coding_that_nobody_knows(reader: str, tmp_path: Path, song: Song) -> None:
    path = encode(tmp_path / "a.m4a", song, codec="alac")
    path.write_bytes(path.read_bytes().replace(b"alac", b"ac-4"))
    assert complaint(path).startswith("cannot be decoded, it is MPEG-4")


def test_more_channels_or_another_rate_half_way_are_refused(
    tmp_path: Path, song: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    using(monkeypatch, "PyAV")
    one = encode(tmp_path / "a.ts", song, codec="mp2", form="mpegts").read_bytes()
    two = encode(tmp_path / "b.ts", song, codec="mp2", form="mpegts", rate=48000).read_bytes()
    (tmp_path / "a.ts").write_bytes(one + two)
    assert "it changes from 44100 Hz and 2 channels to 48000 Hz and 2" in complaint(tmp_path / "a.ts")


def test_without_a_reader_the_refusal_says_what_to_install(
    tmp_path: Path, song: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "a.m4a", song, codec="aac")
    using(monkeypatch, None)
    reason = complaint(path)
    assert reason.startswith("cannot be decoded, it is MPEG-4 (M4A, MP4: AAC or ALAC)")
    assert reason.endswith(INSTALL)
    assert "av>=14" in INSTALL
    assert "ffmpeg" in INSTALL


def test_pyav_comes_before_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    found: dict[str, str | None] = {"ffmpeg": "/usr/bin/ffmpeg"}
    monkeypatch.setattr("shutil.which", found.get)
    for missing, expected in [(False, "PyAV"), (True, "ffmpeg"), (True, None)]:
        if missing:
            monkeypatch.setitem(sys.modules, "av", None)
        if expected is None:
            found.clear()
        media_reader.cache_clear()
        assert media_reader() == expected
    media_reader.cache_clear()


def test_which_files_of_a_folder_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    using(monkeypatch, "PyAV")
    assert {".m4a", ".webm", ".wma", ".mp4", ".mkv", ".mp3"} <= set(readable_suffixes())
    using(monkeypatch, None)
    assert readable_suffixes() == SNDFILE_SUFFIXES
    assert not set(MEDIA_SUFFIXES) & set(SNDFILE_SUFFIXES)


@pytest.mark.parametrize(
    "content",
    [
        b"#EXTM3U\n#EXTINF:3,\nhttp://127.0.0.1:9/a.mp4\n",
        b"ffconcat version 1.0\nfile a.wav\n",
        b"[playlist]\nFile1=a.wav\n",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=audio 5004 RTP/AVP 0\r\n",
    ],
)
def test_lists_and_addresses_are_not_followed(content: bytes, reader: str, write: Write, song: Song) -> None:
    path = write("a.wav", song).with_name("list.m4a")
    path.write_bytes(content * 20)
    assert "cannot be decoded" in complaint(path)
    assert foreign_format(content) is None or "list" in str(foreign_format(content))


NAMES = [
    b"-i",
    b"a:b.m4a",
    b"http:a.m4a",
    b"caf\xe9.m4a",
    b"two\nlines.m4a",
    b"%03d.m4a",
    b"x" * 251 + b".m4a",
]


@pytest.mark.skipif(os.name != "posix", reason="names of files are text there")
@pytest.mark.parametrize("name", NAMES)
def test_names_that_programs_take_for_something_else(
    name: bytes, reader: str, tmp_path: Path, song: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "a.m4a", song, codec="alac")
    try:
        path = path.rename(tmp_path / os.fsdecode(name))
    except OSError as error:
        pytest.skip(f"this system has no such names: {error.strerror}")
    monkeypatch.chdir(tmp_path)
    for given in (path, os.fsdecode(name)):
        assert len(read_audio(given).samples) == len(song)
    middle = bytearray(path.read_bytes())
    middle[-(len(middle) // 2) :][:6000] = bytes(6000)


@pytest.mark.skipif(os.name != "posix", reason="processes are looked up as on Unix")
@needs_program
def test_the_program_ends_when_nobody_reads_on(
    tmp_path: Path, song: Song, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "a.mka", np.tile(song, (20, 1)), codec="flac")
    using(monkeypatch, "ffmpeg")
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def popen(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(real(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", popen)

    @contextmanager
    def half_way() -> Iterator[None]:
        with open_audio(path) as stream:
            assert len(next(iter(stream.blocks))) < len(song) * 20
            assert started[-1].poll() is None
            yield

    with half_way():
        pass
    with pytest.raises(KeyboardInterrupt), half_way():
        raise KeyboardInterrupt
    assert [process.returncode is not None for process in started] == [True, True]
