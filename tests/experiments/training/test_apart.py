"""A run looks whether a song stands on both sides: splits broken on purpose."""

from dataclasses import replace

import numpy as np
import pytest

from lstmcore.experiments.config import Experiment, load_experiment
from lstmcore.experiments.datasets import Dataset, Song
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.experiments.training.apart import check_apart, check_unlabelled
from lstmcore.experiments.training.folds import Split, split_of
from lstmcore.experiments.training.trial import TrialData, network_jobs


def song(number, targets=True):
    y = np.full((3, 2), number / 10) if targets else None
    return Song(number, np.arange(3) / 2, np.full((3, 1), float(number)), y)


def small(stopping="same", **data):
    experiment = Experiment.model_validate(
        {
            "name": "x",
            "data": {"source": "deam", "root": "."} | data,
            "folds": {"count": 4, "team_test": 3, "stopping": stopping},
        }
    )
    songs = [song(k) for k in range(8)]
    dataset = Dataset(songs, [song(20, targets=False)], [song(30)], ["f"], "x", [])
    return experiment, dataset, split_of(dataset, experiment)


def broken(cut, fold, *more):
    """A split in which songs are in this fold, too."""
    return replace(cut, folds=tuple((*f, *more) if k == fold else f for k, f in enumerate(cut.folds)))


@pytest.mark.parametrize("stopping", ["same", "next", "rotating"])
def test_sound_splits_pass(stopping):
    experiment, dataset, cut = small(stopping)
    assert len(network_jobs(TrialData(experiment, dataset, cut, []))) == 3 * experiment.ensemble.trials
    check_unlabelled(experiment, dataset, cut)


@pytest.mark.parametrize(
    ("stopping", "fold", "more", "said"),
    [
        ("same", 1, [0], r"fold 0: song 0 is both in training and in validation; expected"),
        ("same", 1, [0, 4], r"fold 0: songs 0 and 4 are both in training and in validation"),
        ("same", 3, [1], r"fold 0: song 1 is both in training and in team_test"),
        ("same", 1, [30], r"fold 0: song 30 is both in training and in official_test"),
        ("next", 1, [0], r"fold 0: song 0 is both in validation and in early stopping"),
        ("next", 1, [2], r"fold 0: song 2 is both in training and in early stopping"),
    ],
)
def test_a_song_on_both_sides_is_told_before_anything_is_trained(stopping, fold, more, said):
    experiment, dataset, cut = small(stopping)
    data = TrialData(experiment, dataset, broken(cut, fold, *map(song, more)), [])
    with pytest.raises(InputError, match=said):
        network_jobs(data)


@pytest.mark.parametrize("other", ["validation", "team_test"])
def test_what_is_handed_over_in_the_end_is_looked_at(other, monkeypatch):
    """Wherever songs are mixed up on the way from the folds to a training's sets."""
    experiment, dataset, cut = small()
    wrong = cut.validation(0) if other == "validation" else cut.team_test_songs
    monkeypatch.setattr(TrialData, "_in_order", lambda self, songs: [*songs, wrong[0]])
    with pytest.raises(InputError, match=f"song {wrong[0].song_id} is both in training and in {other}"):
        TrialData(experiment, dataset, cut, []).sets(0, 0, None)


def test_a_group_on_both_sides_is_told():
    experiment, dataset, cut = small()
    apart = {number: "ABCD"[number % 4] for number in range(8)}
    network_jobs(TrialData(experiment, dataset, replace(cut, groups=apart), []))
    mixed = replace(cut, groups=apart | {1: "A"})
    with pytest.raises(InputError, match="fold 0: group 'A' is both in training and in validation"):
        network_jobs(TrialData(experiment, dataset, mixed, []))


def test_many_are_counted():
    songs = [song(k) for k in range(9)]
    with pytest.raises(InputError, match="songs 0, 1, 2, 3, 4 and 4 more are both in a and in b"):
        check_apart("here", {"a": songs, "b": songs})


@pytest.mark.parametrize(
    ("unlabelled", "number"), [("others", 30), ("others", 0), ("others", 3), ("all", 30)]
)
def test_pre_training_hears_no_song_that_it_must_not(unlabelled, number):
    experiment, dataset, cut = small(unlabelled=unlabelled)
    more = replace(dataset, unlabelled=[*dataset.unlabelled, song(number, targets=False)])
    with pytest.raises(InputError, match=f"pre-training: song {number} is both in the songs without anno"):
        check_unlabelled(experiment, more, cut)


def test_pre_training_may_hear_what_it_is_told_to():
    experiment, dataset, cut = small(unlabelled="all")
    check_unlabelled(experiment, replace(dataset, unlabelled=dataset.development), cut)
    experiment, dataset, cut = small()
    few = replace(cut, labelled=frozenset({0, 1, 2}))
    check_unlabelled(experiment, replace(dataset, unlabelled=few.left_over), few)


@pytest.mark.parametrize("changed", ["pretraining.enabled=false", "pretraining.enabled=true"])
def test_a_run_with_a_broken_split_ends_before_any_network(tiny, monkeypatch, changed):
    real = Split.training
    monkeypatch.setattr(
        Split, "training", lambda self, fold, trial=0: [*real(self, fold, trial), *self.folds[fold]]
    )
    experiment = load_experiment(tiny / "tiny.toml", [changed])
    with pytest.raises(InputError, match="fold 0: songs 1, 5 and 9 are both in training and in validation"):
        run_experiment(experiment, Session(tiny / "out", 1))
    assert not list((tiny / "out").rglob("network-*"))


def test_regressions_and_models_of_ones_own_are_looked_at(tiny, monkeypatch):
    monkeypatch.setattr(
        Split, "others", lambda self, fold: [s for k in self.cross_validation for s in self.folds[k]]
    )
    experiment = load_experiment(tiny / "tiny.toml", ["pretraining.enabled=false", "training.max_epochs=1"])
    with pytest.raises(InputError, match="regressions: songs 1, 5 and 9 are both in training and in what is"):
        run_experiment(experiment, Session(tiny / "out", 1))
