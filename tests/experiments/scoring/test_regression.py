"""The regressions among the baselines: against textbook formulas, and on dependent columns."""

import json

import numpy as np
import pytest
from scipy.linalg import lstsq

from lstmcore.experiments.datasets import Song
from lstmcore.experiments.scoring import regression
from lstmcore.experiments.scoring.baselines import predict_baselines
from lstmcore.experiments.scoring.regression import PENALTIES, Frames
from tests.experiments.run.test_run import run


def songs_of(count, features, frames=20, noise=0.3, seed=0):
    """Songs whose targets are linear in the features, with noise."""
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal((features, 2))
    found = []
    for k in range(count):
        x = rng.standard_normal((frames, features)) * (1 + np.arange(features)) + 10
        y = x @ truth / features + noise * rng.standard_normal((frames, 2))
        found.append(Song(k, np.arange(frames) / 2, x, y))
    return found


def with_columns(song, columns):
    return Song(song.song_id, song.times, np.column_stack([song.features, *columns]), song.targets)


def design_of(songs, fitted):
    return np.concatenate([fitted.inputs.apply(song.features) for song in songs])


def test_least_squares_is_least_squares():
    songs = songs_of(12, 7)
    fitted = Frames(songs[:9]).least_squares()
    z = design_of(songs[:9], fitted)
    expected, *_ = lstsq(
        np.column_stack([np.ones(len(z)), z]), np.concatenate([s.targets for s in songs[:9]])
    )
    np.testing.assert_allclose(fitted.level, expected[0], rtol=1e-12)
    np.testing.assert_allclose(fitted.weights, expected[1:], rtol=1e-10)
    found = fitted.predict(songs[9])
    np.testing.assert_allclose(found, design_of(songs[9:10], fitted) @ expected[1:] + expected[0], rtol=1e-10)


def ridge_by_normal_equations(z, y, penalty):
    """Return weights and level; the level is not penalised."""
    mean = z.mean(0)
    matrix = (z - mean).T @ (z - mean) + penalty * len(z) * np.eye(z.shape[1])
    weights = np.linalg.solve(matrix, (z - mean).T @ (y - y.mean(0)))
    return weights, y.mean(0) - mean @ weights


def test_the_ridge_is_the_best_of_its_penalties_on_songs_left_out():
    songs = songs_of(11, 12, frames=4, noise=1.5)
    fitted = Frames(songs).ridge()
    z, y = design_of(songs, fitted), np.concatenate([song.targets for song in songs])
    group = np.repeat(np.arange(len(songs)) % regression.GROUPS, 4)
    for k, penalty in enumerate(fitted.penalties):
        errors = []
        for tried in PENALTIES:
            fits = [
                ridge_by_normal_equations(z[group != g], y[group != g], tried)
                for g in range(regression.GROUPS)
            ]
            parts = [z[group == g] @ w + level - y[group == g] for g, (w, level) in enumerate(fits)]
            errors.append(sum((part[:, k] ** 2).sum() for part in parts))
        assert penalty == PENALTIES[int(np.argmin(errors))]
        assert PENALTIES[0] < penalty < PENALTIES[-1]
        weights, level = ridge_by_normal_equations(z, y, penalty)
        np.testing.assert_allclose(fitted.weights[:, k], weights[:, k], rtol=1e-9)
        assert fitted.level[k] == pytest.approx(level[k], rel=1e-10)


def test_many_frames_are_taken_in_parts(monkeypatch):
    songs = songs_of(9, 5)
    whole = Frames(songs).least_squares()
    monkeypatch.setattr(regression, "_ROWS", 30)
    np.testing.assert_allclose(Frames(songs).least_squares().weights, whole.weights, rtol=1e-11)


def test_each_target_has_a_penalty_of_its_own():
    rng = np.random.default_rng(4)
    songs = [
        Song(s.song_id, s.times, s.features, np.column_stack([s.targets[:, 0], rng.standard_normal(20)]))
        for s in songs_of(10, 6, noise=0.01)
    ]
    clear, chance = Frames(songs).ridge().penalties
    assert clear < 1e-3 < 0.1 < chance


@pytest.mark.parametrize("rounding", [0.0, 1e-15, 1e-12, 1e-9, 2e-8])
def test_a_dependent_column_changes_nothing_however_it_was_rounded(rounding):
    songs = songs_of(12, 6)
    rng = np.random.default_rng(1)
    doubled = [
        with_columns(
            song,
            [
                song.features[:, 0] + song.features[:, 1] + rounding * rng.standard_normal(20),
                np.full(20, 7.0),
            ],
        )
        for song in songs
    ]
    # In the songs to predict the columns don't agree.
    for song in doubled[9:]:
        song.features[:, 6] += 1e-3
    expected = predict_baselines(songs[:9], songs[9:])
    found = predict_baselines(doubled[:9], doubled[9:])
    for name in ("linear_regression", "ridge"):
        for ours, theirs in zip(found[name], expected[name], strict=True):
            np.testing.assert_allclose(ours, theirs, atol=5e-3)


def test_more_columns_than_songs_constant_along_each_song():
    """33 songs of 64 columns: their rank is that of the songs, and rounding has no weight."""
    rng = np.random.default_rng(2)
    songs = [
        Song(
            k, np.arange(60) / 2, np.repeat(rng.standard_normal((1, 64)), 60, 0), rng.uniform(-1, 1, (60, 2))
        )
        for k in range(33)
    ]
    found = predict_baselines(songs[:30], songs[30:])
    for name in ("linear_regression", "ridge"):
        assert np.abs(np.concatenate(found[name])).max() < 3
    # Nothing is to be learnt: the ridge comes to the mean.
    np.testing.assert_allclose(found["ridge"][0], found["global_mean"][0], atol=0.05)


def test_so_little_that_nothing_can_be_left_out():
    one = songs_of(1, 5, frames=1)
    found = predict_baselines(one, one)
    for name in ("linear_regression", "ridge"):
        np.testing.assert_allclose(found[name][0], one[0].targets)
    two = Frames(songs_of(2, 5)).ridge()
    assert np.isfinite(two.weights).all()
    assert Frames(songs_of(1, 5)).ridge().penalties == (PENALTIES[-1],) * 2


def test_the_ridge_is_in_scores_predictions_and_report(tiny):
    run(tiny)
    out = tiny / "out"
    rows = json.loads((out / "metrics.json").read_text())
    assert {row["set"] for row in rows if row["system"] == "ridge"} == {
        "cross_validation",
        "team_test",
        "official_test",
    }
    assert ",ridge," in (out / "predictions.csv").read_text()
    assert "<td>ridge</td>" in (out / "report.html").read_text()
