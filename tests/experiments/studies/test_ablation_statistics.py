"""Intervals, tests and corrections, against values by hand, SciPy, and the scores of a run."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from lstmcore.experiments.scoring.metrics import ccc, pearson, rmse
from lstmcore.experiments.scoring.statistics import (
    corrected_t_test,
    correlation,
    holm,
    percentile_interval,
    pooled_sums,
    resamples,
)
from lstmcore.experiments.studies.ablation.compare import Comparison, SongScores, compare, corrected

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)
DIFFERENCES = st.lists(st.floats(-1, 1).filter(lambda v: v == 0 or abs(v) > 1e-6), min_size=3, max_size=12)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.2, 0.9, 0.001, 0.4]) == pytest.approx([0.6, 0.9, 0.004, 0.8])
    assert holm([0.5, 0.5]) == [1, 1]
    assert holm([]) == []


@given(P_VALUES)
def test_holm_is_between_the_plain_p_and_bonferronis(p):
    found = holm(p)
    for plain, one in zip(p, found, strict=True):
        assert plain <= one <= min(1, plain * len(p))
    order = np.argsort(p, kind="stable")
    assert np.all(np.diff(np.array(found)[order]) >= 0)


@given(DIFFERENCES)
def test_without_shared_songs_the_test_is_the_plain_one(values):
    differences = np.array(values)
    if np.ptp(differences) < 1e-6:
        return
    t, p = corrected_t_test(differences, 0.0)
    expected = stats.ttest_1samp(differences, 0)
    assert t == pytest.approx(expected.statistic, abs=1e-9)
    assert p == pytest.approx(expected.pvalue, abs=1e-9)


def test_the_corrected_test_by_hand():
    # Mean 2, variance 1; error √((1/3 + 1/2) · 1) = .91287; t = 2.19089 with 2 degrees of freedom, for
    # which p = 1 − t / √(2 + t²).
    t, p = corrected_t_test(np.array([1.0, 2.0, 3.0]), 0.5)
    assert t == pytest.approx(2 / np.sqrt(5 / 6))
    assert p == pytest.approx(1 - t / np.sqrt(2 + t * t))


def test_tests_that_need_no_variance():
    assert corrected_t_test(np.zeros(5), 0.1) == (0, 1)
    assert corrected_t_test(np.full(5, -0.25), 0.1) == (-np.inf, 0)
    assert corrected_t_test(np.array([0.3]), 0.1) is None


def test_resamples_draw_as_many_songs_and_are_seeded():
    one, two = (resamples(7, 50, np.random.default_rng(3)) for _ in range(2))
    assert one.shape == (50, 7)
    assert np.all(one.sum(1) == 7)
    np.testing.assert_array_equal(one, two)
    # Each song is drawn once on average; the standard error of this mean is √(6/7 / 50) = .13.
    assert np.abs(one.mean(0) - 1).max() < 4 * 0.13


def test_percentiles():
    assert percentile_interval(np.arange(101.0), 0.9) == pytest.approx((5, 95))
    assert percentile_interval(np.array([np.nan, 1.0, 2.0]), 0.95) == pytest.approx((1.025, 1.975))
    assert percentile_interval(np.array([np.nan]), 0.95) is None


@given(st.lists(st.integers(2, 9), min_size=1, max_size=5), st.integers(0, 99))
def test_sums_of_songs_give_the_correlation_of_all_frames(lengths, seed):
    rng = np.random.default_rng(seed)
    pairs = [rng.uniform(-1, 1, (2, n)) for n in lengths]
    sums = np.sum([pooled_sums(x, y) for x, y in pairs], 0)
    whole = np.concatenate(pairs, 1)
    assert float(correlation(sums)) == pytest.approx(pearson(*whole), abs=1e-9)


def test_the_correlation_with_a_constant_is_0():
    flat = np.full(900, 0.37)
    assert correlation(pooled_sums(flat, np.linspace(-1, 1, 900))) == 0


def scores_of(annotations, curves, folds):
    """Scores by song of curves of both targets, shape (frames, 2) a song."""
    values = [
        [(rmse(c[:, k], a[:, k]), ccc(c[:, k], a[:, k])) for k in (0, 1)]
        for a, c in zip(annotations, curves, strict=True)
    ]
    sums = [[pooled_sums(c[:, k], a[:, k]) for k in (0, 1)] for a, c in zip(annotations, curves, strict=True)]
    songs = list(range(1, len(curves) + 1))
    return SongScores(songs, np.array(folds), np.array(values), np.array([sums]), ("arousal", "valence"))


@pytest.fixture(scope="module")
def songs():
    """Annotations of forty songs in ten folds, and curves that follow them with an error of .1."""
    rng = np.random.default_rng(5)
    annotations = [rng.uniform(-0.6, 0.6, 2) + rng.normal(0, 0.1, (12, 2)) for _ in range(40)]
    curves = [a + rng.normal(0, 0.1, a.shape) for a in annotations]
    return annotations, curves, [k % 10 for k in range(40)], rng


def test_a_resample_is_scored_as_the_songs_it_has(songs):
    annotations, curves, folds, _ = songs
    drawn = [3, 3, 7, 20, 20, 20]
    weights = np.bincount(drawn, minlength=40)[None].astype(float)
    found = scores_of(annotations, curves, folds).weighted(weights)[0]
    for k in (0, 1):
        pairs = [(curves[n][:, k], annotations[n][:, k]) for n in drawn]
        assert found[k, 0] == pytest.approx(np.mean([rmse(*p) for p in pairs]))
        assert found[k, 1] == pytest.approx(np.mean([ccc(*p) for p in pairs]))
        assert found[k, 2] == pytest.approx(pearson(*np.concatenate(pairs, 1)))


def judged(songs, changed):
    annotations, curves, folds, _ = songs
    base = scores_of(annotations, curves, folds)
    rows = corrected(compare("x", base, scores_of(annotations, changed, folds), 1 / 9, seed=1))
    return {(r.metric, r.target): r for r in rows}


def test_what_is_better_and_worse_is_shown(songs):
    annotations, curves, _, rng = songs
    nearer = [a + 0.5 * (c - a) for a, c in zip(annotations, curves, strict=True)]
    farther = [c + rng.normal(0, 0.15, c.shape) for c in curves]
    for changed, verdict in ((nearer, "better"), (farther, "worse")):
        rows = judged(songs, changed)
        assert {row.verdict for row in rows.values()} == {verdict}
        assert all(r.low <= r.difference <= r.high for r in rows.values())
        assert (rows["rmse", "arousal"].difference < 0) == (verdict == "better")
        assert (rows["r", "arousal"].difference > 0) == (verdict == "better")


def test_noise_is_not_taken_for_a_difference(songs):
    annotations, _, _, rng = songs
    shown = 0
    for _ in range(20):
        other = [a + rng.normal(0, 0.1, a.shape) for a in annotations]
        rows = judged(songs, other)
        # The base is the same each time, so these are not twenty tests of nothing; few must be shown.
        shown += any(r.verdict in ("better", "worse") for r in rows.values())
    assert shown <= 3


def test_the_same_is_called_the_same(songs):
    rows = judged(songs, songs[1])
    assert {r.verdict for r in rows.values()} == {"the same"}
    assert {r.p for r in rows.values()} == {1.0}


def test_few_songs_have_no_interval(songs):
    annotations, curves, folds, _ = songs
    base = scores_of(annotations[:8], curves[:8], folds[:8])
    nearer = [a + 0.1 * (c - a) for a, c in zip(annotations[:8], curves[:8], strict=True)]
    rows = corrected(compare("x", base, scores_of(annotations[:8], nearer, folds[:8]), 1 / 9, seed=1))
    assert all(r.low is None and r.verdict == "no difference shown" for r in rows)


def test_songs_are_paired_by_their_numbers(songs):
    annotations, curves, folds, _ = songs
    base = scores_of(annotations, curves, folds)
    order = [7, 3, *range(8, 30)]
    some = base.of([base.songs[n] for n in order])
    rows = compare("x", base, some, 1 / 9, seed=1)
    assert {(r.songs, r.difference, r.verdict) for r in rows} == {(24, 0.0, "the same")}


def test_p_is_corrected_within_a_metric():
    def row(metric, scope, p):
        numbers = (20, 5, 0.3, 0.2, -0.1, -0.15, -0.05, -4.0, p, None)
        return Comparison("x", "arousal", metric, scope, *numbers, "no difference shown")

    rows = corrected([row("rmse", "per_song", 0.02), row("rmse", "per_song", 0.04), row("r", "pooled", 0.04)])
    assert [r.p_holm for r in rows] == pytest.approx([0.04, 0.04, 0.04])
    assert [r.verdict for r in rows] == ["better", "better", "worse"]
