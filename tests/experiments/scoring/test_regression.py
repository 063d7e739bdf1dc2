"""The regressions among the baselines: against textbook formulas, and on dependent columns."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import lstsq

from lstmcore.experiments.datasets import Song
from lstmcore.experiments.scoring import regression
from lstmcore.experiments.scoring.baselines import predict_baselines
from lstmcore.experiments.scoring.regression import PENALTIES, Frames, memory
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
    return np.concatenate([fitted.inputs[0].apply(song.features) for song in songs])


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


@pytest.mark.parametrize("songs", [1, 2])
def test_where_no_column_varies_but_by_rounding_there_is_the_mean(songs):
    """One song of columns constant along it, say: the mean of 7 equal numbers may not be that number."""
    row = np.array([[0.361595, 1.304, 0.947081, -0.703735, -1.265421]])
    targets = np.random.default_rng(3).uniform(-1, 1, (7, 2))
    learnt = [Song(k, np.arange(7) / 2, np.repeat(row, 7, 0), targets) for k in range(songs)]
    other = Song(9, np.arange(7) / 2, np.repeat(row + 1, 7, 0), targets)
    (found,) = predict_baselines(learnt, [other])["linear_regression"]
    np.testing.assert_allclose(found, np.tile(targets.mean(0), (7, 1)), rtol=1e-12)


def test_so_little_that_nothing_can_be_left_out():
    one = songs_of(1, 5, frames=1)
    found = predict_baselines(one, one)
    for name in ("linear_regression", "ridge"):
        np.testing.assert_allclose(found[name][0], one[0].targets)
    two = Frames(songs_of(2, 5)).ridge()
    assert np.isfinite(two.weights).all()
    assert Frames(songs_of(1, 5)).ridge().penalties == (PENALTIES[-1],) * 2


def seen(song, window):
    """Frame, mean of the last frames and mean so far, one frame after the other."""
    heard, before = song.heard, song.frames_before
    rows = range(before, before + song.frames)
    return np.array(
        [[*heard[t], *heard[max(0, t + 1 - window) : t + 1].mean(0), *heard[: t + 1].mean(0)] for t in rows]
    )


@pytest.mark.parametrize("lead_in", [None, 3])
def test_memory_is_the_last_frames_and_all_so_far(lead_in):
    songs = songs_of(9, 4)
    if lead_in:
        songs = [replace(s, lead_in=s.features[::-1][:lead_in] + 1) for s in songs]
    fitted = Frames(songs[:8], memory(5)).ridge()
    columns = np.concatenate([seen(song, 5) for song in songs])
    z = (columns - columns[:-20].mean(0)) / columns[:-20].std(0)
    targets = np.concatenate([song.targets for song in songs[:8]])
    for k, penalty in enumerate(fitted.penalties):
        weights, level = ridge_by_normal_equations(z[:-20], targets, penalty)
        expected = z[-20:] @ weights[:, k] + level[k]
        np.testing.assert_allclose(fitted.predict(songs[8])[:, k], expected, rtol=1e-8)


def test_the_ridge_with_memory_has_ten_seconds():
    songs = songs_of(9, 4, frames=50)
    found = predict_baselines(songs[:8], songs[8:], hop_seconds=0.25)["ridge_memory"][0]
    np.testing.assert_array_equal(found, Frames(songs[:8], memory(40)).ridge().predict(songs[8]))
    alone = predict_baselines(songs[:8], songs[8:], hop_seconds=None)["ridge_memory"][0]
    np.testing.assert_array_equal(alone, Frames(songs[:8], memory(1)).ridge().predict(songs[8]))


def test_it_knows_what_a_regression_on_frames_cannot():
    """The target is the mean of what was heard so far."""
    rng = np.random.default_rng(5)
    songs = []
    for k in range(20):
        x = rng.standard_normal((60, 3))
        y = np.cumsum(x[:, :2], axis=0) / np.arange(1, 61)[:, None]
        songs.append(Song(k, np.arange(60) / 2, x, y + 0.01 * rng.standard_normal(y.shape)))
    found = predict_baselines(songs[:15], songs[15:])
    error = {
        name: np.concatenate([p - s.targets for p, s in zip(found[name], songs[15:], strict=True)]).std()
        for name in ("ridge", "ridge_memory")
    }
    assert error["ridge_memory"] < 0.02 < 0.1 < error["ridge"]


def test_a_penalty_is_chosen_without_songs_of_the_same_group():
    """Songs of a group are told by a feature of their own, which says nothing of other groups."""
    rng = np.random.default_rng(6)
    songs, artists = [], {}
    for artist in range(12):
        level = rng.standard_normal(2)
        for _ in range(5):
            x = rng.standard_normal((10, 13))
            x[:, artist] += 10
            artists[len(songs)] = str(artist)
            songs.append(Song(len(songs), np.arange(10) / 2, x, level + 0.3 * rng.standard_normal((10, 2))))
    alone = Frames(songs).ridge().penalties
    together = Frames(songs, kept_together=artists).ridge().penalties
    assert max(alone) < 0.1 < 1 < min(together)
    # Of one group only, which can't be left out, songs are.
    one = dict.fromkeys(artists, "one")
    assert Frames(songs, kept_together=one).ridge().penalties == alone


def test_the_largest_penalty_is_the_mean_and_the_least_is_least_squares():
    songs = songs_of(10, 6)
    fitted = Frames(songs)
    mean = np.concatenate([song.targets for song in songs]).mean(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regression, "PENALTIES", PENALTIES[-1:])
        np.testing.assert_allclose(fitted.ridge().predict(songs[0]), np.tile(mean, (20, 1)), atol=1e-4)
        patch.setattr(regression, "PENALTIES", PENALTIES[:1])
        expected = fitted.least_squares().predict(songs[0])
        np.testing.assert_allclose(fitted.ridge().predict(songs[0]), expected, atol=1e-4)


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
