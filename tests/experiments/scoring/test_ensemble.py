"""Choosing networks, folds, baselines."""

import itertools

import numpy as np
import pytest

from lstmcore.experiments.config import Ensemble, Folds
from lstmcore.experiments.datasets import Song
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.scoring.baselines import predict_baselines
from lstmcore.experiments.scoring.ensemble import choose, split_songs
from lstmcore.experiments.scoring.metrics import criterion
from lstmcore.experiments.training.folds import split

RNG = np.random.default_rng(3)


def song(number, frames=8, features=3):
    x = RNG.standard_normal((frames, features))
    return Song(number, np.arange(frames) / 2, x, 0.3 * x[:, :2] - 0.1 * x[:, 1:] + 0.2)


SONGS = [song(k) for k in range(5)]
TRUTH = np.concatenate([s.annotation for s in SONGS])
NETWORKS = np.stack([TRUTH + RNG.normal(0, 0.1 + 0.1 * k, TRUTH.shape) for k in (3, 0, 5, 1, 4, 2)])


def value(members, metric):
    return criterion(metric, "pooled", SONGS, split_songs(NETWORKS[list(members)].mean(0), SONGS))


@pytest.mark.parametrize("metric", ["rmse", "ccc"])
def test_best_k_averages_the_first_of_the_ranking(metric):
    choice = choose(NETWORKS, SONGS, metric, Ensemble(choice="best_k"))
    ranked = sorted(range(6), key=lambda k: -value([k], metric))
    assert choice.members == ranked[: len(choice.members)]
    values = [value(ranked[:n], metric) for n in range(1, 7)]
    assert value(choice.members, metric) == max(values)
    assert abs(choice.value) == pytest.approx(abs(max(values)))


@pytest.mark.parametrize("metric", ["rmse", "ccc"])
@pytest.mark.parametrize("choice", ["best_k", "greedy"])
def test_of_equal_ensembles_the_smallest_is_taken(metric, choice):
    same = np.round(64 * NETWORKS[1]) / 64  # whose sums and means are exact
    assert choose(np.stack([same] * 5), SONGS, metric, Ensemble(choice=choice)).members == [0]
    worse = np.stack([same + 0.5, same, same, same])
    assert choose(worse, SONGS, metric, Ensemble(choice=choice)).members == [1]


@pytest.mark.parametrize("metric", ["rmse", "ccc"])
def test_greedy_adds_what_helps_most_until_nothing_helps(metric):
    members = choose(NETWORKS, SONGS, metric, Ensemble(choice="greedy")).members
    for n in range(len(members)):
        candidates = [k for k in range(6) if k not in members[:n]]
        assert members[n] == max(candidates, key=lambda k: value([*members[:n], k], metric))
    rest = set(range(6)) - set(members)
    assert all(value([*members, k], metric) <= value(members, metric) for k in rest)


@pytest.mark.parametrize("choice", ["best_k", "greedy"])
def test_a_fixed_number_of_networks(choice):
    found = choose(NETWORKS, SONGS, "rmse", Ensemble(choice=choice, networks=4))
    assert len(set(found.members)) == 4
    assert len(choose(NETWORKS, SONGS, "rmse", Ensemble(choice=choice, networks=99)).members) == 6


def test_folds_are_by_modulus_and_disjoint():
    songs = [song(k) for k in range(25)]
    cut = split(songs, Folds(count=4, team_test=2))
    assert [s.song_id for s in cut.validation(1)] == [1, 5, 9, 13, 17, 21]
    assert cut.cross_validation == [0, 1, 3]
    for fold in cut.cross_validation:
        groups = [cut.training(fold), cut.validation(fold), cut.team_test_songs]
        ids = [{s.song_id for s in g} for g in groups]
        assert set.union(*ids) == set(range(25))
        assert all(not a & b for a, b in itertools.combinations(ids, 2))


def test_another_fold_may_stop_the_training():
    cut = split([song(k) for k in range(25)], Folds(count=5, team_test=1, stopping="next"))
    assert [next(s.song_id % 5 for s in cut.watched(fold)) for fold in (0, 2, 3, 4)] == [2, 3, 4, 0]
    for fold in cut.cross_validation:
        groups = [cut.training(fold), cut.validation(fold), cut.watched(fold), cut.team_test_songs]
        ids = [{s.song_id for s in g} for g in groups]
        assert set.union(*ids) == set(range(25))
        assert all(not a & b for a, b in itertools.combinations(ids, 2))


def test_each_of_the_other_folds_may_stop_a_trial_in_turn():
    cut = split([song(k) for k in range(25)], Folds(count=5, team_test=1, stopping="rotating"))
    watched = {
        fold: [next(s.song_id % 5 for s in cut.watched(fold, trial)) for trial in range(4)]
        for fold in cut.cross_validation
    }
    assert watched == {0: [2, 3, 4, 2], 2: [3, 4, 0, 3], 3: [4, 0, 2, 4], 4: [0, 2, 3, 0]}
    for fold, trial in itertools.product(cut.cross_validation, range(4)):
        own = (cut.training(fold, trial), cut.watched(fold, trial))
        groups = [*own, cut.validation(fold), cut.team_test_songs]
        ids = [{s.song_id for s in g} for g in groups]
        assert set.union(*ids) == set(range(25))
        assert all(not a & b for a, b in itertools.combinations(ids, 2))
    together = {s.song_id for trial in range(3) for s in cut.training(0, trial)}
    assert together == {s.song_id for s in cut.others(0)}  # the average learns from all other folds


GROUPS = dict(enumerate("aabbbbcdddefgggg"))


def test_groups_stay_together_in_folds_of_about_equal_size():
    cut = split([song(k) for k in range(16)], Folds(count=4, team_test=3, group="artist"), GROUPS)
    # b and g have four songs, d three, a two, c, e and f one: each goes where the fewest are, b before g.
    assert [[s.song_id for s in fold] for fold in cut.folds] == [
        [2, 3, 4, 5],
        [12, 13, 14, 15],
        [7, 8, 9, 10],
        [0, 1, 6, 11],
    ]
    assert cut.fold_groups == [{"b": 4}, {"g": 4}, {"d": 3, "e": 1}, {"a": 2, "c": 1, "f": 1}]
    assert cut.team_test_songs == list(cut.folds[3])


def test_groups_of_one_song_each_are_dealt_out_as_songs_are():
    songs = [song(k) for k in range(10)]
    alone = split(songs, Folds(count=4, team_test=1, group="id"), {k: f"{k}" for k in range(10)})
    assert alone.folds == split(songs, Folds(count=4, team_test=1)).folds


def test_more_folds_than_groups():
    message = r"folds.count is 8 and the development songs have 7 groups by folds.group = 'artist'; expected"
    with pytest.raises(InputError, match=message):
        split([song(k) for k in range(16)], Folds(count=8, team_test=0, group="artist"), GROUPS)


def test_all_folds_may_take_turns():
    cut = split([song(k) for k in range(6)], Folds(count=2, team_test="none"))
    assert (cut.cross_validation, cut.team_test_songs) == ([0, 1], [])
    assert [s.song_id for s in cut.training(0)] == [1, 3, 5]


def test_more_folds_than_songs():
    with pytest.raises(InputError, match=r"folds.count is 11 and there are 5 development songs"):
        split(SONGS, Folds())


def test_baselines():
    training, others = SONGS[:3], SONGS[3:]
    found = predict_baselines(training, others)
    mean = np.concatenate([s.annotation for s in training]).mean(0)
    np.testing.assert_allclose(found["global_mean"][1], np.tile(mean, (8, 1)))
    np.testing.assert_allclose(found["song_mean_oracle"][0][5], others[0].annotation.mean(0))
    for prediction, s in zip(found["linear_regression"], others, strict=True):
        np.testing.assert_allclose(prediction, s.annotation, atol=1e-12)  # the truth is linear
