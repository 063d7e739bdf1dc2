"""FS2: four descriptors on the 2 Hz grid, beside FS1."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from lstmcore.features import (
    ExtractionStopped,
    FeatureSettings,
    FeatureStore,
    columns,
    extract_features,
    extract_fs1,
    music_rows,
)
from lstmcore.features.fs1 import fs1_version
from lstmcore.features.fs2 import hold, music_version, window_means
from lstmcore.features.gammatone import differentiated_envelope
from lstmcore.features.onsets import event_density, onset_curve
from lstmcore.features.roughness import sethares_dissonance, vassilakis_roughness
from lstmcore.features.spectrum import spectral_peaks
from lstmcore.features.tempo_estimation import tempo
from tests.features.golden_rows import assert_same, golden_table, numbers
from tests.features.many import extract_all

Write = Callable[..., Path]
Mixture = tuple[NDArray[np.int16], int]


def test_fs2_is_fs1_and_four_more_and_the_store_keeps_it(golden: Path, store: FeatureStore) -> None:
    path = golden / "mix12.flac"
    table = extract_features(path, "FS2", store)
    assert tuple(table.columns) == columns("FS2")
    assert table.shape == (22, 265)
    assert set(table.dtypes[1:]) == {np.dtype(np.float32)}
    assert np.isfinite(table.to_numpy()).all()
    pd.testing.assert_frame_equal(table[list(columns("FS1"))], extract_fs1(path), check_exact=True)
    pd.testing.assert_frame_equal(extract_features(path, "FS2", store), table, check_exact=True)
    kept = {file.parent.name for file in store.folder.rglob("*.npz")}
    assert kept == {f"FS1-{fs1_version()}", f"music-{music_version()}"}


@pytest.mark.golden
def test_rows_of_the_mixture_follow_from_the_references(mixture: Mixture) -> None:
    rows = music_rows(*mixture, 22)
    golden = golden_table("tempo_density").set_index(["signal", "function", "frame/hop"])["values"]
    beats = numbers(golden["mix12", "mirtempo", "3s/0.5s"])
    assert_same(rows[:, 2], beats[np.clip(np.arange(22) - 2, 0, 17)], "tempo")
    assert_same(rows[:, 3], numbers(golden["mix12", "mireventdensity", "1s/0.5s"]), "density")
    frames = golden_table("roughness_frames")
    short = frames[(frames["signal"] == "mix12") & (frames["frame_s"] == 0.05)].set_index("method")["values"]
    for column, method in enumerate(("Sethares", "Vassilakis-1.6.1")):
        values = numbers(short[method])
        for k in (0, 7, 21):  # 20 frames begin in half a second; the first is centred at .025 s
            assert_same(rows[k, column], values[20 * k : 20 * k + 40].mean(), f"{method}, row {k}")
    assert (rows[17:19, :2] == 0).all()  # silence
    assert (rows[17:19, 3] == 0).all()


def test_every_choice_can_be_switched(mixture: Mixture) -> None:
    samples, rate = mixture
    other = FeatureSettings(sethares="min", vassilakis="published", spectra="window", density_seconds=3.0)
    rows = music_rows(samples, rate, 22, other)
    peaks = spectral_peaks(samples, rate, 1.0, 0.5)
    assert len(peaks.counts) == 23
    np.testing.assert_array_equal(rows[:, 0], sethares_dissonance(peaks, "min")[:22])
    np.testing.assert_array_equal(rows[:, 1], vassilakis_roughness(peaks, "published")[:22])
    density = event_density(onset_curve(samples, rate), 3.0)
    np.testing.assert_array_equal(rows[:, 3], density[np.clip(np.arange(22) - 2, 0, len(density) - 1)])
    slow = music_rows(
        samples, rate, 9, FeatureSettings(window_seconds=2.0, hop_seconds=1.2, tempo_seconds=4.4)
    )
    beats = hold(tempo(differentiated_envelope(samples, rate), 4.4, 1.2))
    np.testing.assert_array_equal(slow[:, 2], beats[np.clip(np.arange(9) - 1, 0, len(beats) - 1)])
    short = spectral_peaks(samples, rate)
    inside = (short.centres >= 3.6) & (short.centres < 5.6)
    assert slow[3, 0] == pytest.approx(sethares_dissonance(short)[inside].mean(), rel=1e-12)


def test_as_many_rows_as_fs1_has(mixture: Mixture) -> None:
    samples = np.tile(mixture[0], 4)[: 45 * 22050]
    rows = music_rows(samples, 22050, 88)
    assert rows.shape == (88, 4)
    assert len(event_density(onset_curve(samples, 22050), 1.0)) == 88
    assert (
        len(tempo(differentiated_envelope(samples, 22050), 3.0)) == 85 - 1
    )  # the envelope is shorter by one


def test_silence_and_the_shortest_signal_have_numbers_too(mixture: Mixture) -> None:
    silence = music_rows(np.zeros((48000, 2), np.int16), 16000, 4)
    np.testing.assert_array_equal(silence, 0)
    assert np.isfinite(music_rows(mixture[0][:46000], mixture[1], 1)).all()
    assert music_rows(*mixture, 0).shape == (0, 4)


def test_equal_channels_give_what_one_of_them_gives(mixture: Mixture) -> None:
    samples, rate = mixture[0][:100_000], mixture[1]
    stereo = np.stack([samples, samples], axis=1)
    np.testing.assert_array_equal(music_rows(stereo, rate, 3), music_rows(samples, rate, 3))
    floating = (samples / 32768).astype(np.float32)
    np.testing.assert_array_equal(music_rows(floating, rate, 3), music_rows(samples, rate, 3))


def test_any_number_of_workers_gives_the_same_bits(write: Write, mixture: Mixture) -> None:
    clips = [write(f"{i}.wav", mixture[0][i * 50_000 :][:120_000]) for i in range(4)]
    alone, beside = (extract_all(clips, "FS2", workers=workers) for workers in (1, 4))
    for one, other in zip(alone, beside, strict=True):
        assert one.features is not None
        assert other.features is not None
        pd.testing.assert_frame_equal(one.features, other.features, check_exact=True)


def test_it_stops_when_asked_to(mixture: Mixture) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(ExtractionStopped):
        music_rows(*mixture, 22, stop=stop)


def test_no_tempo_holds_the_one_before() -> None:
    nan = np.nan
    np.testing.assert_array_equal(hold(np.array([nan, 3, nan, nan, 5, nan])), [3, 3, 3, 3, 5, 5])


def test_windows_take_what_lies_in_them() -> None:
    times = np.array([0.0, 0.4, 0.5, 0.99, 1.0, 1.6])
    values = np.array([[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]])
    np.testing.assert_array_equal(window_means(times, values, 6)[:, 0], [2.5, 4, 5.5, 6, 6, 6])
