"""Files as they come: each gives features, all of them numbers, or an error that says why not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from numpy.typing import NDArray

from lstmcore.features import AudioError, FeatureStore, columns, extract_features, extract_fs1
from tests.features.many import extract_all

Write = Callable[..., Path]
Mixture = tuple[NDArray[np.int16], int]

pytestmark = pytest.mark.parametrize("feature_set", ["FS1", "FS2"])
TWO_SECONDS = 2 * 44100


def assert_features(table: pd.DataFrame, feature_set: str, rows: int) -> None:
    assert tuple(table.columns) == columns(feature_set)
    assert len(table) == rows
    assert np.isfinite(table.to_numpy()).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no audio at all " * 99, "cannot be decoded"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "cannot be decoded"),
        (b"", r"the file is empty \(0 bytes\)"),
    ],
)
def test_not_audio(feature_set: str, content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(AudioError, match=reason):
        extract_features(tmp_path / "a.wav", feature_set)


@pytest.mark.parametrize("frames", [1, 16, 4410, 44099, 45423])
def test_shorter_than_a_window(feature_set: str, frames: int, write: Write, mixture: Mixture) -> None:
    """45423 samples, 1.03 s, are longer than a window, but openSMILE gives no row for them yet."""
    path = write("a.wav", mixture[0][:frames])
    with pytest.raises(AudioError, match=rf"too short, {frames / 44100:.2f} s; at least about 1\.04 s"):
        extract_features(path, feature_set)


def test_no_samples(feature_set: str, write: Write) -> None:
    with pytest.raises(AudioError, match="the file holds no samples"):
        extract_features(write("a.wav", np.zeros((0, 2))), feature_set)


def test_nothing_but_silence(feature_set: str, write: Write) -> None:
    table = extract_features(write("a.wav", np.zeros((5 * 44100, 2), np.int16)), feature_set)
    assert_features(table, feature_set, 8)
    assert (table["pcm_RMSenergy_sma_amean"] == 0).all()
    assert (table["F0final_sma_amean"] == 0).all()
    assert not table.to_numpy()[:, 261:].any()


def test_silence_within_a_song(feature_set: str, write: Write, mixture: Mixture) -> None:
    samples = mixture[0][: 8 * 44100].copy()
    samples[2 * 44100 : 6 * 44100] = 0
    table = extract_features(write("a.wav", samples), feature_set)
    assert_features(table, feature_set, 14)
    assert table["pcm_RMSenergy_sma_amean"][5] == 0
    assert table["pcm_RMSenergy_sma_amean"][13] > 0
    if feature_set == "FS2":
        quiet = table.iloc[5:9]
        assert (quiet[["sensory_dissonance", "roughness_vassilakis", "event_density"]] == 0).all().all()
        assert quiet["tempo"].between(40, 200).all()  # the one before holds on


def test_clipping(feature_set: str, write: Write, mixture: Mixture) -> None:
    loud = 8 * (mixture[0][:TWO_SECONDS] / 32768)
    beyond = write("beyond.wav", loud, subtype="FLOAT")
    table = extract_features(beyond, feature_set)
    assert_features(table, feature_set, 2)
    flat = write("flat.wav", np.clip(np.rint(loud * 32768), -32768, 32767).astype(np.int16))
    assert (np.abs(soundfile.read(flat)[0]) > 0.999).mean() > 0.01
    clipped = extract_features(flat, feature_set)
    assert_features(clipped, feature_set, 2)
    fs1 = list(columns("FS1"))
    pd.testing.assert_frame_equal(table[fs1], clipped[fs1], check_exact=True)


def test_an_offset(feature_set: str, write: Write, mixture: Mixture) -> None:
    samples = mixture[0][:TWO_SECONDS] // 4
    table = extract_features(write("a.wav", samples + np.int16(20000)), feature_set)
    assert_features(table, feature_set, 2)
    level = table["pcm_RMSenergy_sma_amean"]
    assert (level > 20000 / 32768).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers(feature_set: str, bad: float, write: Write, mixture: Mixture) -> None:
    samples = mixture[0][:TWO_SECONDS] / 32768
    samples[70_000] = bad
    with pytest.raises(AudioError, match="some samples are not finite"):
        extract_features(write("a.wav", samples, subtype="FLOAT"), feature_set)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (192_000, 2), (44100, 8)])
def test_rates_and_channels(
    feature_set: str, rate: int, channels: int, write: Write, mixture: Mixture
) -> None:
    samples = np.resize(mixture[0][: 2 * rate], 2 * rate * channels).reshape(-1, channels)
    assert_features(extract_features(write("a.wav", samples, rate), feature_set), feature_set, 2)


def test_every_channel_counts(feature_set: str, write: Write, mixture: Mixture) -> None:
    """A reader that takes the left channel alone gives other features when the channels change places."""
    pair = np.stack([mixture[0][:TWO_SECONDS], mixture[0][100_000:][:TWO_SECONDS]], axis=1)
    table = extract_features(write("a.wav", pair), feature_set)
    swapped = extract_features(write("b.wav", pair[:, ::-1]), feature_set)
    pd.testing.assert_frame_equal(table, swapped, check_exact=True)
    left = extract_features(write("c.wav", pair[:, 0]), feature_set)
    assert not np.allclose(left.to_numpy(), table.to_numpy(), rtol=0.01)


@pytest.mark.golden
def test_the_mean_of_the_channels_is_not_rounded(feature_set: str, golden: Path, write: Write) -> None:
    """Mixed down to 16 bits, jitter would be another: then the references' agreement would be lost."""
    samples, rate = soundfile.read(golden / "mix12_stereo.flac", dtype="int16")
    expected = pd.read_csv(golden / "mix12_fs1_stereo.csv", sep=";")
    rounded = write("a.wav", np.rint(samples.mean(axis=1)).astype(np.int16), rate)
    jitter = "jitterLocal_sma_amean"
    found = extract_features(golden / "mix12_stereo.flac", feature_set)[jitter]
    np.testing.assert_allclose(found, expected[jitter], rtol=1e-5)
    assert not np.allclose(extract_fs1(rounded)[jitter], expected[jitter], rtol=1e-3)


@pytest.mark.parametrize("name", ["a.flac", "a.mp3", "a.ogg", "a.wav"])
def test_a_file_that_ends_in_the_middle(
    feature_set: str, name: str, write: Write, mixture: Mixture, tmp_path: Path
) -> None:
    path = write(name, mixture[0][: 5 * 44100])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match=r"lost sync|last page|could be decoded; .* announces 5"):
        extract_features(path, feature_set)


@pytest.mark.parametrize("name", ["my song (live).wav", "Übergröße.wav", "-o.wav", "-"])
def test_names(
    feature_set: str, name: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip.rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert_features(extract_features(name, feature_set), feature_set, 2)


def test_a_folder_without_rights(
    feature_set: str, clip: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(clip))

    monkeypatch.setattr(
        "lstmcore.features.store.Path.open", refuse
    )  # the tests may run as root, who may read all
    (result,) = extract_all([clip], feature_set, store)
    assert "cannot be read, Permission denied" in str(result.error)


def test_two_files_of_one_name(
    feature_set: str, write: Write, mixture: Mixture, tmp_path: Path, store: FeatureStore
) -> None:
    paths = []
    for folder, start in (("one", 0), ("two", 200_000)):
        (tmp_path / folder).mkdir()
        paths.append(write(f"{folder}/01.wav", mixture[0][start:][:TWO_SECONDS]))
    for _ in range(2):
        one, two = extract_all(paths, feature_set, store, workers=2)
        assert one.features is not None
        assert two.features is not None
        assert not one.features.equals(two.features)
        pd.testing.assert_frame_equal(two.features, extract_features(paths[1], feature_set), check_exact=True)
