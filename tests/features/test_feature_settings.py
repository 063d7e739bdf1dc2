"""Choices: which are refused, which have a version of their own, and what another grid gives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lstmcore.features import AudioError, FeatureSettings, extract_features, extract_fs1
from lstmcore.features.fs1 import fs1_version
from lstmcore.features.fs2 import fs2_version, music_version
from tests.features.many import extract_all

Write = Callable[..., Path]
Mixture = tuple[NDArray[np.int16], int]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"window_seconds": 0.05}, r"window_seconds is 0\.05; 0\.1 to 60 s are expected"),
        ({"window_seconds": float("nan")}, "window_seconds is nan; 0.1 to 60 s are expected"),
        ({"hop_seconds": 0}, "hop_seconds is 0; 0.01 to 60 s are expected"),
        ({"hop_seconds": 0.333}, r"hop_seconds is 0\.333; a multiple of 0\.01 s is expected"),
        ({"density_seconds": 61}, "density_seconds is 61; 0.1 to 60 s are expected"),
        ({"tempo_seconds": 0.5}, "tempo_seconds is 0.5; 1 to 60 s are expected"),
        ({"sethares": "sum"}, "sethares is 'sum'; 'product' or 'min' is expected"),
        ({"vassilakis": "2014"}, "vassilakis is '2014'; '2015' or 'published' is expected"),
        ({"spectra": "window", "window_seconds": 3}, "window_seconds is 3; at most 2 s are expected"),
        ({"spectra": "one"}, "spectra is 'one'; 'mean' or 'window' is expected"),
    ],
)
def test_what_is_none_is_refused(choice: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FeatureSettings(**choice)


def test_the_defaults_keep_the_version_that_tables_are_stored_under() -> None:
    assert fs1_version(FeatureSettings()).endswith("-r1")
    assert fs2_version(FeatureSettings()).endswith("-r1-m1")
    assert fs2_version(FeatureSettings(tempo_seconds=3, density_seconds=1)).endswith("-r1-m1")


def test_other_choices_have_versions_of_their_own_in_the_sets_they_touch() -> None:
    choices: list[dict[str, Any]] = [
        {},
        {"window_seconds": 2},
        {"hop_seconds": 2},
        {"sethares": "min"},
        {"vassilakis": "published"},
        {"spectra": "window"},
        {"density_seconds": 2},
        {"tempo_seconds": 2},
    ]
    settings = [FeatureSettings(**choice) for choice in choices]
    assert len({fs2_version(one) for one in settings}) == len(choices)
    assert len({fs1_version(one) for one in settings}) == 3
    assert len({music_version(one) for one in settings}) == len(choices)
    assert fs1_version(FeatureSettings(window_seconds=2)) == fs1_version(FeatureSettings(window_seconds=2.0))


def test_longer_windows_of_fs1_are_made_of_the_shorter_ones(golden: Path) -> None:
    path = golden / "mix12.flac"
    short = extract_fs1(path)
    long = extract_fs1(path, settings=FeatureSettings(window_seconds=2.0, hop_seconds=1.5))
    np.testing.assert_array_equal(long["frameTime"], [0.0, 1.5, 3.0, 4.5, 6.0, 7.5, 9.0])
    values = short.drop(columns="frameTime").to_numpy(np.float64)
    spread, mean = values[:, ::2], values[:, 1::2]
    first, second = 3 * np.arange(7), 3 * np.arange(7) + 2
    expected_mean = (mean[first] + mean[second]) / 2
    variance = (spread[first] ** 2 + spread[second] ** 2) / 2 + ((mean[first] - mean[second]) / 2) ** 2
    found = long.drop(columns="frameTime").to_numpy()
    largest = np.maximum(spread, np.abs(mean)).max(axis=0)
    assert (np.abs(found[:, 1::2] - expected_mean) <= 1e-6 * largest).all()
    assert (np.abs(found[:, ::2] - np.sqrt(variance)) <= 1e-5 * largest).all()


def test_a_finer_grid_has_the_rows_of_the_coarser_one(clip: Path) -> None:
    fine = extract_features(clip, "FS2", settings=FeatureSettings(hop_seconds=0.1))
    np.testing.assert_allclose(fine["frameTime"], np.arange(10) / 10)
    coarse = extract_features(clip, "FS2")
    np.testing.assert_array_equal(fine.iloc[[0, 5]].to_numpy()[:, 1:261], coarse.to_numpy()[:, 1:261])
    np.testing.assert_array_equal(fine.iloc[[0, 5]].to_numpy()[:, 261:263], coarse.to_numpy()[:, 261:263])


@pytest.mark.parametrize(("window", "rate", "seconds", "rows"), [(0.1, 44100, 12, 119), (60.0, 8000, 61, 1)])
def test_the_shortest_and_the_longest_window(
    window: float, rate: int, seconds: int, rows: int, write: Write, mixture: Mixture
) -> None:
    path = write("a.wav", np.tile(mixture[0], 6)[: rate * seconds], rate)
    settings = FeatureSettings(window_seconds=window, hop_seconds=window)
    table = extract_features(path, "FS2", settings=settings)
    assert len(table) == rows
    assert np.isfinite(table.to_numpy()).all()


def test_too_short_for_the_window(clip: Path) -> None:
    settings = FeatureSettings(window_seconds=2.5)
    (result,) = extract_all([clip], settings=settings)
    assert isinstance(result.error, AudioError)
    assert result.error.reason == "too short, 2.00 s; at least about 2.54 s are expected"
