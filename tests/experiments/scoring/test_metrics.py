"""The metrics against their definitions, and how the undefined is counted."""

import numpy as np
import pytest
from scipy import stats

from lstmcore.experiments.datasets import Song
from lstmcore.experiments.scoring.metrics import ccc, criterion, pearson, rmse, score

TARGETS = ("arousal", "valence")


def song(number, targets):
    targets = np.asarray(targets, float)
    return Song(number, np.arange(len(targets)) / 2, np.zeros((len(targets), 1)), targets)


RNG = np.random.default_rng(0)
SONGS = [song(k, RNG.normal(0.2 * k, 0.1, (20 + k, 2))) for k in range(4)]
PREDICTIONS = [s.annotation + RNG.normal(0.05, 0.1, s.annotation.shape) for s in SONGS]


def by(rows, **wanted):
    (row,) = [r for r in rows if all(getattr(r, k) == v for k, v in wanted.items())]
    return row


def test_pearson_is_scipys():
    a, b = RNG.standard_normal((2, 50))
    assert pearson(a, b) == pytest.approx(stats.pearsonr(a, b).statistic)


def test_ccc_is_lins_and_punishes_scale_and_offset():
    a, b = RNG.standard_normal((2, 50))
    expected = 2 * np.cov(a, b, ddof=0)[0, 1] / (a.var() + b.var() + (a.mean() - b.mean()) ** 2)
    assert ccc(a, b) == pytest.approx(expected)
    assert ccc(a, a) == pytest.approx(1)
    assert pearson(2 * a + 1, a) == pytest.approx(1)
    assert ccc(2 * a + 1, a) < 0.8


@pytest.mark.parametrize("value", [5.5, 5.8, -0.3, 0.1, 1e-3])
def test_ccc_of_constants_is_one_if_they_are_equal_but_for_rounding(value):
    flat = np.full(59, value)
    assert ccc(np.full(59, flat.mean()), flat) == 1
    assert ccc(flat + 1e-3, flat) == 0
    assert ccc(flat, np.arange(59.0)) == ccc(np.arange(59.0), flat) == 0


def test_rmse():
    assert rmse(np.array([0.0, 0.0]), np.array([3.0, 4.0])) == pytest.approx(np.sqrt(12.5))


@pytest.mark.parametrize(("value", "other"), [(0.3, "curve"), (1e6, "curve"), (0.0, "constant")])
def test_r_of_a_constant_is_undefined(value, other):
    flat = np.full(10, value)
    assert pearson(flat, np.arange(10.0) if other == "curve" else flat) is None


def test_by_song_is_mean_and_deviation_over_songs_and_pooled_is_all_frames():
    rows = score("s", "team_test", TARGETS, SONGS, PREDICTIONS)
    assert len(rows) == 12
    errors = [rmse(p[:, 1], s.annotation[:, 1]) for p, s in zip(PREDICTIONS, SONGS, strict=True)]
    found = by(rows, target="valence", metric="rmse", scope="per_song")
    assert (found.mean, found.std) == pytest.approx((np.mean(errors), np.std(errors, ddof=1)))
    assert (found.songs, found.undefined) == (4, 0)
    p, a = np.concatenate(PREDICTIONS)[:, 0], np.concatenate([s.annotation for s in SONGS])[:, 0]
    pooled = by(rows, target="arousal", metric="r", scope="pooled")
    assert pooled.mean == pytest.approx(stats.pearsonr(p, a).statistic)
    assert pooled.std is None


def test_undefined_r_counts_as_zero_and_is_counted():
    flat = [np.full_like(PREDICTIONS[0], 0.1), *PREDICTIONS[1:]]
    found = by(score("s", "g", TARGETS, SONGS, flat), target="arousal", metric="r", scope="per_song")
    others = [pearson(p[:, 0], s.annotation[:, 0]) for p, s in zip(flat[1:], SONGS[1:], strict=True)]
    assert found.undefined == 1
    assert found.mean == pytest.approx(sum(others) / 4)


def test_criterion_is_better_when_higher():
    exact = [s.annotation for s in SONGS]
    for metric in ("rmse", "ccc"):
        for scope in ("pooled", "per_song"):
            assert criterion(metric, scope, SONGS, exact) > criterion(metric, scope, SONGS, PREDICTIONS)
    both = [
        by(score("", "", TARGETS, SONGS, PREDICTIONS), target=t, metric="ccc", scope="pooled").mean
        for t in TARGETS
    ]
    assert criterion("ccc", "pooled", SONGS, PREDICTIONS) == pytest.approx(np.mean(both))
