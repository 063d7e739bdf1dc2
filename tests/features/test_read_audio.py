"""Decoding: formats, sample types, and every way in which a file can be unusable."""

import errno
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from features import Audio, AudioError, read_audio, write_wav16

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


@given(
    samples=arrays.arrays(
        np.float32, st.tuples(st.integers(1, 9), st.integers(1, 3)), elements=st.floats(-2, 2, width=32)
    )
)
@settings(deadline=None)
def test_floating_point_is_rounded_and_clipped(
    samples: NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("wav") / "a.wav"
    write_wav16(Audio(samples, 44100), path)
    written, rate = soundfile.read(path, dtype="int16", always_2d=True)
    expected = np.clip(np.rint(samples.astype(np.float64) * 32768), -32768, 32767)
    np.testing.assert_array_equal(written, expected)
    assert rate == 44100
    assert soundfile.info(path).subtype == "PCM_16"


def test_integers_are_written_as_they_are_however_many(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).integers(-32768, 32768, (150_001, 2), dtype=np.int16)
    write_wav16(Audio(samples, 22050), tmp_path / "a.wav")
    written, _ = soundfile.read(tmp_path / "a.wav", dtype="int16")
    np.testing.assert_array_equal(written, samples)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_an_oserror_with_the_name_of_the_file() -> None:
    with pytest.raises(OSError, match="/dev/full") as caught:
        write_wav16(Audio(np.ones((1 << 20, 2), np.int16), 44100), "/dev/full")
    assert caught.value.errno == errno.ENOSPC


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


@pytest.mark.parametrize("name", ["a.flac", "a.mp3"])
def test_a_file_cut_off_in_the_middle(name: str, write: Write, mixture: Mixture) -> None:
    path = write(name, mixture[0][: 3 * 44100])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match=r"lost sync|1\.\d\d s could be decoded; .* announces 3\.00 s"):
        read_audio(path)


def test_silence_and_no_samples(write: Write) -> None:
    with pytest.raises(AudioError, match="silent, all samples are zero"):
        read_audio(write("a.wav", np.zeros((44100, 2))))
    with pytest.raises(AudioError, match="no samples"):
        read_audio(write("b.wav", np.zeros((0, 2))))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite(bad: float, write: Write) -> None:
    samples = np.full((1000, 2), 0.1)
    samples[500, 1] = bad
    with pytest.raises(AudioError, match="not finite"):
        read_audio(write("a.wav", samples, subtype="FLOAT"))


def test_an_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(AudioError("a.wav", "empty; sound is expected")))
    assert str(error) == "a.wav: empty; sound is expected"
