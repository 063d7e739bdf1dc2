"""Decoded files on disk: 16-bit WAV for openSMILE, samples cut out like those of an array."""

import errno
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from lstmcore.features import AudioError, ExtractionStopped, read_audio
from lstmcore.features.decoded import decode, wav16_writer

Write = Callable[..., Path]
Mixture = tuple[NDArray[np.int16], int]


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
    with wav16_writer(path, 44100, samples.shape[1]) as append:
        append(samples)
    written, rate = soundfile.read(path, dtype="int16", always_2d=True)
    expected = np.clip(np.rint(samples.astype(np.float64) * 32768), -32768, 32767)
    np.testing.assert_array_equal(written, expected)
    assert rate == 44100
    assert soundfile.info(path).subtype == "PCM_16"


def test_integers_are_written_as_they_are_however_many(tmp_path: Path) -> None:
    samples = np.random.default_rng(1).integers(-32768, 32768, (150_001, 2), dtype=np.int16)
    with wav16_writer(tmp_path / "a.wav", 22050, 2) as append:
        append(samples[:60_000])
        append(samples[60_000:])
    written, _ = soundfile.read(tmp_path / "a.wav", dtype="int16")
    np.testing.assert_array_equal(written, samples)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_an_oserror_with_the_name_of_the_file() -> None:
    with pytest.raises(OSError, match="/dev/full") as caught, wav16_writer("/dev/full", 44100, 2) as append:
        append(np.ones((1 << 20, 2), np.int16))
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
def test_pieces_of_the_file_are_pieces_of_the_samples(
    name: str, write: Write, mixture: Mixture, tmp_path: Path
) -> None:
    path = write(name, mixture[0][:240_000].reshape(-1, 2))
    folder = tmp_path / "room"
    folder.mkdir()
    decoded, audio = decode(path, folder, keep_samples=True), read_audio(path)
    assert decoded.samples is not None
    assert len(decoded.samples) == decoded.frames == len(audio.samples)
    assert decoded.seconds == audio.seconds
    for at in (slice(0, 10), slice(65_000, 70_000), slice(decoded.frames - 3, None), slice(10**6, 10**7)):
        piece = decoded.samples[at]
        assert piece.dtype == audio.samples.dtype
        np.testing.assert_array_equal(piece, audio.samples[at])
    written, _ = soundfile.read(decoded.wav, dtype="int16")
    assert written.shape == audio.samples.shape
    files = {file.name for file in folder.iterdir()}
    assert files == ({"input.wav"} if name != "a.mp3" else {"input.wav", "samples.raw"})


def test_samples_that_nobody_wants_are_not_kept(write: Write, mixture: Mixture, tmp_path: Path) -> None:
    path = write("a.mp3", mixture[0][:50_000])
    (tmp_path / "room").mkdir()
    assert decode(path, tmp_path / "room").samples is None
    assert [file.name for file in (tmp_path / "room").iterdir()] == ["input.wav"]


def test_more_than_a_wav_file_holds(
    write: Write, mixture: Mixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("a.flac", mixture[0][:176_400])
    monkeypatch.setattr("lstmcore.features.decoded._LARGEST_WAV", 300_000)
    with pytest.raises(AudioError, match="longer than 4 s with 1 channels; at most 4 GiB"):
        decode(path, tmp_path)


def test_it_stops_when_asked_to(clip: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(ExtractionStopped):
        decode(clip, tmp_path, stop=stop)
