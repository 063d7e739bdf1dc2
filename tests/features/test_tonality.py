"""Tonality: major or minor in every key, however tuned and accompanied, and nothing where nothing sounds."""

import threading
import tracemalloc
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from numpy.typing import NDArray

from lstmcore.features import (
    ExtractionStopped,
    FeatureSettings,
    FeatureStore,
    chroma,
    columns,
    extract_features,
    extract_fs2,
    extract_tonality,
    feature_names,
    harmonic_change,
    key_clarity,
    key_correlations,
    key_mode,
    pitch_profile,
    scale_degrees,
    tonal_centroid,
    tonality_rows,
    tunings,
)
from lstmcore.features.fs3 import tonality_version
from lstmcore.features.sets import TONALITY, TONALITY_SECONDS
from tests.features import tonality_plainly
from tests.features.cadences import RATE, SECONDS, cadence, drums, noise

Write = Callable[..., Path]

ROWS = 11  # whole windows in 6 s
LONG = TONALITY_SECONDS.index(10)
KEYS = [(tonic, minor) for minor in (False, True) for tonic in range(12)]


def measures(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mode, clarity, entropy and change, by length of window."""
    windows = len(TONALITY_SECONDS)
    return rows[:, : 4 * windows].reshape(len(rows), windows, 4)


@cache
def last_row(tonic: int, minor: bool, detuned: float = 0.0) -> NDArray[np.float64]:
    """All columns at the end of a cadence that nothing sounds beside."""
    row: NDArray[np.float64] = tonality_rows(cadence(tonic, minor=minor, detuned=detuned), RATE, ROWS)[-1]
    return row


def whole(row: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mode, clarity, entropy and change of the whole cadence, from the last row."""
    values: NDArray[np.float64] = measures(row[np.newaxis])[0, LONG]
    return values


@pytest.mark.parametrize(
    ("detuned", "keys"), [(-0.5, KEYS[::5]), (-0.3, KEYS), (0.0, KEYS), (0.2, KEYS[2::5]), (0.5, KEYS)]
)
def test_the_mode_of_each_key_in_any_tuning(detuned: float, keys: list[tuple[int, bool]]) -> None:
    for tonic, minor in keys:
        mode, clarity, _, _ = whole(last_row(tonic, minor, detuned))
        assert (mode < 0) == minor, (tonic, minor)
        assert abs(mode) > 0.05
        assert clarity > 0.8


@pytest.mark.parametrize(("detuned", "keys"), [(-0.3, KEYS[::5]), (0.25, KEYS), (0.5, KEYS[2::5])])
def test_the_mode_beside_drums_and_noise(detuned: float, keys: list[tuple[int, bool]]) -> None:
    for tonic, minor in keys:
        sound = cadence(tonic, minor=minor, detuned=detuned)
        for beside in (drums(), noise(sound, 6.0), noise(sound, 0.0)):
            assert (whole(tonality_rows(sound + beside, RATE, ROWS)[-1])[0] < 0) == minor, (tonic, minor)


def test_it_is_the_same_for_every_key() -> None:
    for minor in (False, True):
        values = np.array([whole(last_row(tonic, minor)) for tonic in range(12)])
        assert (values.std(0) < [0.005, 0.01, 0.02, 0.005]).all(), values.std(0)


def test_rows_are_those_of_the_plain_formulation() -> None:
    rate, random = 8000, np.random.default_rng(2)
    parts = [
        cadence(3, minor=True, detuned=0.3, rate=rate)[:9000],
        np.zeros(9000),
        0.05 * random.standard_normal(7000),
    ]
    signal = np.concatenate([*parts, cadence(8, minor=False, rate=rate)[6000:17000]])
    expected = tonality_plainly.rows(signal, rate, 8, TONALITY_SECONDS)
    np.testing.assert_allclose(tonality_rows(signal, rate, 8), expected, rtol=0, atol=2e-5)
    other = FeatureSettings(window_seconds=0.7, hop_seconds=0.3)
    expected = tonality_plainly.rows(signal, rate, 9, TONALITY_SECONDS, 0.3, 0.7)
    np.testing.assert_allclose(tonality_rows(signal, rate, 9, other), expected, rtol=0, atol=2e-5)


def test_silence_has_no_key_and_noise_no_clear_one() -> None:
    np.testing.assert_array_equal(tonality_rows(np.zeros((40000, 2), np.int16), 8000, 8), 0)
    rows = tonality_rows(0.1 * np.random.default_rng(1).standard_normal(31 * RATE), RATE, 60)
    values = measures(rows)[-1]
    assert (np.abs(values[1:, 0]) < 0.1).all()
    assert (values[1:, 1] < 0.35).all()
    assert (values[1:, 2] > 0.98).all()
    assert (values[1:, 3] < 0.25).all()


def test_silence_after_sound_is_exact() -> None:
    sound = np.concatenate([cadence(0, minor=False), np.zeros(12 * RATE)])
    rows = measures(tonality_rows(sound, RATE, 34))
    np.testing.assert_array_equal(rows[13:, 0, :3], 0)
    np.testing.assert_array_equal(rows[14:, 0], 0)
    assert (rows[30, -1, :3] != 0).all()


def test_what_comes_later_is_not_heard() -> None:
    song = np.concatenate([cadence(0, minor=False), cadence(6, minor=True, detuned=0.4)])
    alone = tonality_rows(song[: round((SECONDS + 0.4) * RATE)], RATE, ROWS)
    np.testing.assert_array_equal(tonality_rows(song, RATE, ROWS), alone)


@pytest.mark.parametrize("rate", [8000, 44100, 48000, 96000])
def test_the_sample_rate_does_not_matter(rate: int) -> None:
    """What differs: frames begin at whole samples."""
    usual = tonality_rows(cadence(4, minor=True, detuned=0.1), RATE, ROWS)
    other = tonality_rows(cadence(4, minor=True, detuned=0.1, rate=rate), rate, ROWS)
    np.testing.assert_allclose(other, usual, rtol=0, atol=1e-4)


def test_channels_types_and_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.round(32767 * cadence(2, minor=False) / 2).astype(np.int16)
    expected = tonality_rows(samples, RATE, ROWS)
    stereo = np.stack([samples, samples], axis=1)
    np.testing.assert_array_equal(tonality_rows(stereo, RATE, ROWS), expected)
    np.testing.assert_array_equal(tonality_rows(samples / 32768, RATE, ROWS), expected)
    for block in (1, 5 * RATE):
        monkeypatch.setattr("lstmcore.features.pitch_classes._BLOCK_SAMPLES", block)
        monkeypatch.setattr("lstmcore.features.tonality._BLOCK_FRAMES", 1 + block // 10_000)
        np.testing.assert_allclose(tonality_rows(samples, RATE, ROWS), expected, rtol=0, atol=1e-6)


def test_loudness_does_not_matter() -> None:
    sound = cadence(9, minor=True)
    np.testing.assert_allclose(
        tonality_rows(sound / 64, RATE, ROWS), tonality_rows(sound, RATE, ROWS), atol=0.01
    )


class Endless:
    """A cadence over and over, so long that it must not be held."""

    def __init__(self, seconds: int) -> None:
        self.piece = np.concatenate([np.round(20000 * cadence(0, minor=m, rate=8000)) for m in (False, True)])
        self.seconds = seconds

    def __len__(self) -> int:
        return 8000 * self.seconds

    def __getitem__(self, at: slice, /) -> NDArray[np.int16]:
        places = np.arange(at.start, min(at.stop, len(self)))
        cut: NDArray[np.int16] = self.piece[places % len(self.piece)].astype(np.int16)
        return cut


def test_memory_hardly_grows_with_the_song() -> None:
    def peak(seconds: int) -> int:
        tracemalloc.start()
        try:
            tonality_rows(Endless(seconds), 8000, 20)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    short, long = peak(600), peak(1800)
    assert (
        long - short < 1200 * 8000
    )  # bytes: the samples alone, with 8 bytes each, would be eight times that


def test_short_and_slow_signals_have_numbers_too() -> None:
    assert tonality_rows(np.ones(1), 44100, 0).shape == (0, len(TONALITY))
    for samples, rate in ((np.ones(17), 44100), (np.ones(4000), 1000), (np.sin(np.arange(900)), 120)):
        assert np.isfinite(tonality_rows(samples, rate, 3)).all()


def test_a_tone_lies_in_its_class() -> None:
    t = np.arange(2 * RATE) / RATE
    for note, cents in ((0, 0), (4, 30), (9, -45), (11, 20)):
        profile = pitch_profile(np.sin(2 * np.pi * 440 * 2 ** ((note - 9 + cents / 100) / 12) * t), RATE)
        np.testing.assert_allclose(tunings(profile)[5:-5], cents / 100, atol=0.01)
        classes = chroma(profile.weights, tunings(profile))
        np.testing.assert_allclose(classes[5:-5, note], 1, atol=1e-2)  # filters overlap
        assert (harmonic_change(profile)[10:-5] < 0.01).all()


def test_degrees_begin_with_the_tonic() -> None:
    """In all keys alike, and a chord's root is its tonic."""
    for minor in (False, True):
        rows = np.array([last_row(tonic, minor) for tonic in range(12)])
        degrees = rows[:, -12:]
        assert [name.split("_")[2] for name in TONALITY[-12:]][3:5] == ["b3", "3"]
        np.testing.assert_allclose(degrees.sum(1), 1)
        assert (degrees.std(0) < 0.02).all(), degrees.std(0)
        assert ((degrees[:, 3] > 0.05) & (degrees[:, 4] < 0.03)).all() == minor
        assert set(degrees.argmax(1)) <= {0, 7}
    classes = np.roll(np.eye(12)[0] + np.eye(12)[3] + np.eye(12)[7], 5)
    np.testing.assert_array_equal(
        np.flatnonzero(scale_degrees(classes, key_correlations(classes))), [0, 3, 7]
    )


def test_formulas_by_hand() -> None:
    triad = np.zeros(12)
    triad[[0, 4, 7]] = 1 / 3
    keys = key_correlations(triad)
    assert keys.argmax() == 0
    pearson = np.corrcoef(triad, tonality_plainly.MAJOR)[0, 1]
    assert key_clarity(keys) == pytest.approx(pearson, rel=2e-2)
    assert key_mode(keys) == pytest.approx(keys[:12].max() - keys[12:].max())
    # C to G: 7 semitones are 7 · 7π/6 on the first circle, π/6 short of four turns … of radius 1.
    one, other = np.eye(12)[[0, 7]]
    apart = np.linalg.norm((tonal_centroid(one) - tonal_centroid(other))[:2])
    assert apart == pytest.approx(2 * np.sin(np.pi / 12))


def test_fs3_is_fs2_and_tonality_and_the_store_shares_parts(
    write: Write, store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write("clip.wav", cadence(5, minor=True)[: 3 * RATE], RATE)
    fs2, alone = extract_fs2(clip), extract_tonality(clip)
    anew = extract_features(clip, "FS3")
    assert tuple(anew.columns) == columns("FS3")
    assert tuple(alone.columns) == ("frameTime", *TONALITY)
    assert set(anew.dtypes[1:]) == {np.dtype(np.float32)}
    pd.testing.assert_frame_equal(anew[list(columns("FS2"))], fs2, check_exact=True)
    pd.testing.assert_frame_equal(anew[["frameTime", *TONALITY]], alone, check_exact=True)

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("computed although the store holds it")

    extract_features(clip, "FS2", store)
    with monkeypatch.context() as patch:
        patch.setattr("lstmcore.features.parts.fs1_rows", forbidden)
        patch.setattr("lstmcore.features.parts.music_rows", forbidden)
        pd.testing.assert_frame_equal(extract_features(clip, "FS3", store), anew, check_exact=True)
        assert (store.folder / f"tonality-{tonality_version()}").is_dir()


def test_names_and_versions() -> None:
    assert feature_names("FS3") == (*feature_names("FS2"), *TONALITY)
    assert len(set(feature_names("FS3"))) == 292
    assert TONALITY[8:10] == ("tonality_mode_10s", "tonality_clarity_10s")
    assert tonality_version(FeatureSettings(hop_seconds=0.1)) != tonality_version()
    assert tonality_version(FeatureSettings(tempo_seconds=4)) == tonality_version()


def test_it_stops_when_asked_to() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(ExtractionStopped):
        tonality_rows(cadence(0, minor=False), RATE, ROWS, stop=stop)


def test_of_a_file_as_of_its_samples(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", cadence(7, minor=False, rate=44100), 44100)
    samples, rate = soundfile.read(tmp_path / "a.flac", dtype="int16")
    table = extract_tonality(tmp_path / "a.flac", settings=FeatureSettings(hop_seconds=0.1))
    rows = tonality_rows(samples, rate, len(table), FeatureSettings(hop_seconds=0.1))
    np.testing.assert_array_equal(table.to_numpy()[:, 1:], rows.astype(np.float32))
