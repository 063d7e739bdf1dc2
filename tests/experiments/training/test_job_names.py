"""The name of a job says all that its result depends on: what changes a result changes the name."""

from dataclasses import replace

import numpy as np
import pytest

from lstmcore.experiments.config import Experiment
from lstmcore.experiments.datasets import Dataset, Song
from lstmcore.experiments.jobs.job import Result, name_of
from lstmcore.experiments.scoring import own_systems
from lstmcore.experiments.scoring.own_systems import predict_systems
from lstmcore.experiments.training import pretraining, trial
from lstmcore.experiments.training.folds import split_of
from lstmcore.experiments.training.pretraining import Start, pretrain
from lstmcore.experiments.training.trial import TrialData, network_jobs


def song(number, plus=0.0, targets=True):
    """``plus`` is on the features of a song without targets, else on the targets."""
    x = np.full((4, 2), float(number)) + (0 if targets else plus)
    return Song(number, np.arange(4) / 2, x, np.full((4, 2), number / 100 + plus) if targets else None)


SECTIONS = {
    "data": {"source": "deam", "root": "."},
    "folds": {"count": 4, "team_test": 3},
    "network": {"hidden": [3, 2]},
    "ensemble": {"trials": 2},
}
ALSO = {"source": "deam", "root": "elsewhere"}


def experiment(**sections):
    merged = {
        k: SECTIONS.get(k, {}) | sections.get(k, {}) for k in {*SECTIONS, *sections} - {"systems", "seed"}
    }
    others = {k: sections[k] for k in ("systems", "seed") if k in sections}
    return Experiment.model_validate({"name": "x", **merged, **others})


def dataset(development=(), unlabelled=(), test=(), **more):
    """Eight annotated songs, two others, one of the official test; those that are named are changed."""
    return Dataset(
        [song(k, 0.01 * (k in development)) for k in range(8)],
        [song(k, k in unlabelled, targets=False) for k in (20, 21)],
        [song(30, 0.01 * (30 in test))],
        ["f", "g"],
        "x",
        [],
        **more,
    )


def names(songs=None, starts=(), **sections):
    """The names of the networks, by fold, trial and target."""
    one, songs = experiment(**sections), songs or dataset()
    jobs = network_jobs(TrialData(one, songs, split_of(songs, one), list(starts)))
    return {job.title: job.name for job in jobs}


def changed(one, other):
    """Titles of the jobs whose names differ."""
    assert one.keys() == other.keys()
    return {title for title in one if one[title] != other[title]}


ALL = {f"fold {fold}, trial {k}" for fold in range(3) for k in range(2)}


@pytest.mark.parametrize(
    "sections",
    [
        {"seed": 2},
        {"network": {"hidden": [3, 3]}},
        {"network": {"forget_bias": 1.0}},
        {"training": {"learning_rate": 1e-3}},
        {"training": {"sequence_seconds": 30.0}},
        {"engine": {"precision": "float64"}},
        {"engine": {"backend": "reference"}},
    ],
)
def test_settings_of_networks_are_in_their_names(sections):
    assert changed(names(), names(**sections)) == ALL


def test_what_is_done_with_networks_is_not_in_their_names():
    assert not changed(names(), names(ensemble={"choice": "best_k"}, predictions={"smoothing": 3.0}))


@pytest.mark.parametrize("stopping", ["same", "next"])
@pytest.mark.parametrize("number", range(8))
def test_every_song_is_in_the_names_of_those_that_learn_from_it_or_predict_it(number, stopping):
    """In a fold's own networks it is predicted, in those of the others it is learnt from."""
    folds = {"stopping": stopping}
    assert changed(names(folds=folds), names(dataset(development={number}), folds=folds)) == ALL


def test_the_song_of_the_official_test_is_in_the_names_and_those_without_annotations_are_not():
    assert changed(names(), names(dataset(test={30}))) == ALL
    assert not changed(names(), names(dataset(unlabelled={20})))


def test_the_songs_of_another_data_set_are_in_the_names():
    beside = [dataset(also=(dataset(development=which),)) for which in ((), {0})]
    assert changed(*(names(songs, data={"also": [ALSO]}) for songs in beside)) == ALL


def test_which_fold_stops_a_training_is_in_its_name():
    stopping = [names(folds={"stopping": how}) for how in ("next", "rotating")]
    # In turn, the second trial of a fold is stopped by another fold than the first, which is the next one.
    assert changed(*stopping) == {title for title in ALL if title.endswith("trial 1")}


def test_what_networks_begin_with_is_in_their_names():
    starts = [Start("one", []), Start("two", [])]
    assert changed(names(), names(starts=starts)) == ALL
    other = [starts[0], Start("three", [])]
    assert changed(names(starts=starts), names(starts=other)) == {t for t in ALL if t.endswith("trial 1")}


def starts_of(strategy, songs=None, **sections):
    """The names that pre-training hands on; its jobs end with the weights they begin with."""

    def run(stage, jobs):
        return [Result({"weights": job.training().network.weights}, {}) for job in jobs]

    sections["pretraining"] = {"strategy": strategy, "next_frames": 1} | sections.get("pretraining", {})
    found = {start.name for start in pretrain(experiment(**sections), songs or dataset(), run)}
    assert len(found) == 2  # each trial learns by itself
    return found


STRATEGIES = ("first_layer", "layerwise", "next_frames", "sequence_autoencoder")


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    "sections",
    [
        {"seed": 2},
        {"network": {"hidden": [4, 2]}},
        {"network": {"bias": 0.5}},
        {"network": {"forget_bias": 1.0}},
        {"pretraining": {"learning_rate": 1e-3}},
        {"engine": {"precision": "float64"}},
        {"engine": {"backend": "reference"}},
    ],
)
def test_settings_of_pre_training_are_in_the_names_of_its_jobs(strategy, sections):
    assert not starts_of(strategy) & starts_of(strategy, **sections)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_second_layer_is_in_the_names_of_what_learns_it(strategy):
    same = starts_of(strategy) == starts_of(strategy, network={"hidden": [3, 3]})
    assert same == (strategy == "first_layer")


@pytest.mark.parametrize("strategy", ["first_layer", "layerwise"])
@pytest.mark.parametrize("network", [{"cell": "feedforward"}, {"bidirectional": True}])
def test_the_kind_of_layers_is_in_the_names_of_their_auto_encoders(strategy, network):
    network = {"hidden": [4, 2]} | network
    assert not starts_of(strategy, network={"hidden": [4, 2]}) & starts_of(strategy, network=network)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("number", [20, 21])
def test_the_songs_of_pre_training_are_in_the_names_of_its_jobs(strategy, number):
    assert not starts_of(strategy) & starts_of(strategy, dataset(unlabelled={number}))
    assert starts_of(strategy) == starts_of(strategy, dataset(development={1}))


@pytest.mark.parametrize(
    ("strategy", "key", "value"),
    [("next_frames", "next_frames", 2), ("sequence_autoencoder", "piece_seconds", 1)],
)
def test_what_a_strategy_alone_is_told_is_in_its_names(strategy, key, value):
    assert not starts_of(strategy) & starts_of(strategy, pretraining={key: value})


class Recorder:
    """A runner that notes the names, and computes nothing."""

    def compute(self, stage, computations):
        self.names = {one.title: one.name for one in computations}
        raise StopIteration


def own_names(songs=None, hop_seconds=0.5, seed=1, **system):
    system = {"name": "own", "estimator": "fractions:Fraction"} | system
    one = experiment(systems=[system], seed=seed)
    songs = replace(songs or dataset(), hop_seconds=hop_seconds)
    recorder = Recorder()
    with pytest.raises(StopIteration):
        predict_systems(one, songs, split_of(songs, one), recorder)
    assert len(set(recorder.names.values())) == 4
    return recorder.names


@pytest.mark.parametrize(
    "other",
    [
        {"estimator": "decimal:Decimal"},
        {"parameters": {"alpha": 2.0}},
        {"sees": "memory"},
        {"targets": "joint"},
        {"hop_seconds": 1.0},
        {"seed": 2},
        *({"songs": dataset(development={number})} for number in range(3)),
    ],
)
def test_all_that_a_model_of_ones_own_depends_on_is_in_its_names(other):
    assert changed(own_names(), own_names(**other)) == {*own_names()}


def test_the_songs_of_tests_are_in_the_names_of_what_predicts_them():
    for songs in (dataset(test={30}), dataset(development={3})):
        assert changed(own_names(), own_names(songs)) == {"own, for the test sets"}
    assert not set(own_names().values()) - set(own_names(name="other").values())


@pytest.mark.parametrize("module", [trial, pretraining, own_systems])
def test_the_version_of_a_computation_is_in_its_names(module, monkeypatch):
    def all_names():
        return {*names().values(), *starts_of("layerwise"), *own_names().values()}

    before = all_names()
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    assert before - all_names()


def test_the_source_of_a_model_of_ones_own_is_in_its_names(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "model_that_changes.py"
    found = []
    for number in (1, 2):
        file.write_text(f"class Model:\n    number = {number}\n")
        found.append(own_names(estimator="model_that_changes:Model"))
    assert changed(*found) == {*found[0]}


def test_targets_whose_names_in_files_are_the_same_have_networks_of_their_own():
    table = {"file": "frames.csv", "targets": ["a b", "a_b"]}
    data = {"source": "table", "scale": [-1, 1], "table": table}
    found = names(replace(dataset(), targets=("a b", "a_b")), data=data, network={"targets": "single"})
    assert len(set(found.values())) == len(found) == 2 * len(ALL)


def test_a_name_is_that_of_the_same_inputs_in_any_order():
    assert name_of("a", {"x": 1, "y": [2]}) == name_of("a", {"y": [2], "x": 1})
    assert len({name_of("a", {"x": 1}), name_of("a", {"x": 2}), name_of("b", {"x": 1})}) == 3
