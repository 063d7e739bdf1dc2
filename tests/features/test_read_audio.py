"""Decoding: formats, sample types, and every way in which a file can be unusable."""

import errno
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from lstmcore.features import AudioError, read_audio
from lstmcore.features.audio import open_audio

Write = Callable[..., Path]
Mixture = tuple[NDArray[np.int16], int]


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_sixteen_bits_come_back_as_they_were(name: str, write: Write, mixture: Mixture) -> None:
    samples = mixture[0][:44100].reshape(-1, 3)
    audio = read_audio(write(name, samples, 48000))
    assert audio.samples.dtype == np.int16
    assert audio.rate == 48000
    assert audio.seconds == pytest.approx(14700 / 48000)
    np.testing.assert_array_equal(audio.samples, samples)


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_lossy_formats_come_as_floating_point(name: str, write: Write, mixture: Mixture) -> None:
    samples = mixture[0][: 3 * 44100]
    audio = read_audio(write(name, samples))
    assert audio.samples.dtype == np.float32
    assert audio.samples.shape[1] == 1
    assert audio.seconds == pytest.approx(3.0, abs=0.1)


def test_24_bits_keep_their_low_bits(write: Write) -> None:
    samples = np.array([[1], [-3], [2**23 - 1]], dtype=np.int32) << 8
    audio = read_audio(write("a.wav", samples, subtype="PCM_24"))
    np.testing.assert_array_equal(audio.samples * 2.0**23, samples >> 8)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_decoded_block_by_block_it_is_what_it_is_at_once(
    name: str, write: Write, mixture: Mixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(name, mixture[0][:200_000].reshape(-1, 2))
    at_once, _ = soundfile.read(path, dtype="float32")
    monkeypatch.setattr("lstmcore.features.audio._BLOCK_FRAMES", 7000)
    with open_audio(path) as stream:
        blocks = list(stream.blocks)
    assert len(blocks) > 10
    assert all(block.dtype == stream.dtype for block in blocks)
    joined = np.concatenate(blocks)
    scale = np.float32(32768 if stream.dtype == np.int16 else 1)
    np.testing.assert_array_equal(joined / scale, at_once)
    np.testing.assert_array_equal(read_audio(path).samples, joined)


def test_a_flac_file_that_does_not_tell_its_length(write: Write, mixture: Mixture) -> None:
    path = write("a.flac", mixture[0][:100_000])
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the 36 bits of the number of samples, as programs leave them that write to a pipe
    content[22:26] = bytes(4)
    path.write_bytes(content)
    np.testing.assert_array_equal(read_audio(path).samples[:, 0], mixture[0][:100_000])


def test_a_missing_file_a_folder_and_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    for name, found in [("none.wav", "no such file"), ("", "a folder"), ("empty.wav", r"empty \(0 bytes\)")]:
        with pytest.raises(AudioError, match=found) as caught:
            read_audio(tmp_path / name)
        assert caught.value.path == tmp_path / name
        assert str(caught.value) == f"{tmp_path / name}: {caught.value.reason}"
        assert "is expected" in caught.value.reason


@pytest.mark.parametrize("name", ["a.wav", "a.txt", "a.raw"])
def test_what_is_not_audio(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("words, words, words " * 100)
    with pytest.raises(AudioError, match=r"cannot be decoded, .*; WAV, FLAC, OGG or MP3 is expected"):
        read_audio(tmp_path / name)


@pytest.mark.parametrize("name", ["a.flac", "a.mp3", "a.ogg", "a.wav"])
def test_a_file_cut_off_in_the_middle(name: str, write: Write, mixture: Mixture) -> None:
    path = write(name, mixture[0][: 3 * 44100])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(
        AudioError, match=r"lost sync|last page|1\.\d\d s could be decoded; .* announces 3\.00 s"
    ):
        read_audio(path)


def test_an_ogg_file_says_in_its_last_page_that_it_is_whole(write: Write, mixture: Mixture) -> None:
    path = write("a.ogg", mixture[0][: 3 * 44100])
    whole = path.read_bytes()
    samples = read_audio(path).samples
    path.write_bytes(whole + b"TAG" + bytes(125))  # an ID3 tag: players don't mind it
    np.testing.assert_array_equal(read_audio(path).samples, samples)
    last = whole.rfind(b"OggS")
    for end in (last + 5, last + 27, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(AudioError, match="its last page ends in the middle, it may be cut off"):
            read_audio(path)
    path.write_bytes(whole[:last])
    with pytest.raises(AudioError, match="its last page isn't marked as the last, it may be cut off"):
        read_audio(path)


@pytest.mark.parametrize("size", [0, 0x7FFFF024, 0xFFFFFFFF])
def test_a_wav_file_written_to_a_pipe_does_not_know_its_length(
    size: int, write: Write, mixture: Mixture
) -> None:
    path = write("a.wav", mixture[0][:10_000])
    content = path.read_bytes()
    path.write_bytes(content[:4] + size.to_bytes(4, "little") + content[8:])
    assert len(read_audio(path).samples) == 10_000


def test_silence_is_audio_and_no_samples_are_not(write: Write) -> None:
    assert not read_audio(write("a.wav", np.zeros((44100, 2)))).samples.any()
    with pytest.raises(AudioError, match="no samples"):
        read_audio(write("b.wav", np.zeros((0, 2))))


@pytest.mark.parametrize("name", ["-", "-a.wav", "ä ö.wav"])
def test_names_that_programs_take_for_something_else(
    name: str, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("a.wav", np.ones((10, 1), np.int16)).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(read_audio(name).samples) == 10


def test_what_the_system_does_not_let_be_read(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("a.wav", np.ones((10, 1), np.int16))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refuse)  # the tests may run as root, who may read all
    with pytest.raises(AudioError, match=r"a\.wav: cannot be read, Permission denied"):
        read_audio(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite(bad: float, write: Write) -> None:
    samples = np.full((1000, 2), 0.1)
    samples[500, 1] = bad
    with pytest.raises(AudioError, match="not finite"):
        read_audio(write("a.wav", samples, subtype="FLOAT"))


def test_an_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(AudioError("a.wav", "empty; sound is expected")))
    assert str(error) == "a.wav: empty; sound is expected"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes with names")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(AudioError, match=r"pipe\.wav.*not a regular file"):
        read_audio(tmp_path / "pipe.wav")
