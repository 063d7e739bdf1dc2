"""What an experiment holds: sets are shared, made in place, and gone as soon as their networks are done."""

import gc
import threading
import tracemalloc
import weakref
from contextlib import contextmanager

import numpy as np
import pytest

from lstmcore import SequenceSet, Standardiser
from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.datasets import Dataset, Song, load_dataset
from lstmcore.experiments.datasets.normal_scores import NormalScores
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.jobs.job import Job, JobFolder, Result
from lstmcore.experiments.scoring.baselines import predict_baselines
from lstmcore.experiments.terminal.progress import Quiet
from lstmcore.experiments.training import trial
from lstmcore.experiments.training.folds import split
from lstmcore.experiments.training.sets import Shared, heard_by, standardiser_of
from lstmcore.experiments.training.trial import TrialData
from tests.experiments.run.test_run import run

ROTATING = "folds.stopping=rotating"
FLOAT32, FLOAT64 = 4, 8


def songs_of(count, features, frames=60, seed=0):
    rng = np.random.default_rng(seed)
    return [
        Song(k + 1, np.arange(frames) / 2, 3 + 5 * rng.random((frames, features)), rng.random((frames, 2)))
        for k in range(count)
    ]


def data_of(tiny, songs, *overrides):
    config = load_experiment(tiny / "tiny.toml", [ROTATING, *overrides])
    dataset = Dataset(songs, [], [], [f"f{k}" for k in range(songs[0].features.shape[1])], "FS2", [])
    return TrialData(config, dataset, split(songs, config.folds), [])


@contextmanager
def traced():
    """Yield a function that tells how many bytes more than at the start were held at most."""
    gc.collect()
    tracemalloc.start()
    start = tracemalloc.get_traced_memory()[0]
    try:
        yield lambda: tracemalloc.get_traced_memory()[1] - start
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("width", [1, 2, 5, 16, 31, 33, 264])
def test_columns_by_turns_give_the_bits_of_all_at_once(width):
    songs = songs_of(23, width, frames=101)
    whole = np.concatenate([song.features for song in songs])
    expected, found = Standardiser.fit(whole), standardiser_of(songs)
    assert found.mean.tobytes() == expected.mean.tobytes()
    assert found.scale.tobytes() == expected.scale.tobytes()
    quantiles = np.quantile(whole, np.linspace(0, 1, 1001), axis=0)
    assert NormalScores.fit([song.features for song in songs]).quantiles.tobytes() == quantiles.tobytes()
    heard = heard_by(songs, found, "float32")
    lists = [found.apply(song.features) for song in songs]
    assert heard.inputs.tobytes() == SequenceSet.from_lists(lists, lists).inputs.tobytes()


def test_what_single_precision_cannot_hold_is_told_with_its_song():
    songs = songs_of(3, 4)
    songs[1].features[7, 2] = 1e39
    narrow = Standardiser(np.zeros(4), np.ones(4))
    with pytest.raises(InputError, match=r"song 2, frame 7, feature 2: 1e\+39 once standardised; .*float32"):
        heard_by(songs, narrow, "float32")


def test_a_set_is_made_without_the_collection_in_double_precision(tiny):
    songs = songs_of(120, 264)
    data = data_of(tiny, songs)
    with traced() as most:
        sets = data.sets(0, 0, None)
        held = most()
    assert held < 1.7 * (sets.training.inputs.nbytes + sets.validation.inputs.nbytes)


def test_baselines_are_fitted_without_the_collection_in_one_matrix():
    songs = songs_of(800, 120)
    with traced() as most:
        predict_baselines(songs[:790], songs[790:])
        held = most()
    assert held < 0.5 * sum(song.features.nbytes for song in songs)


def test_networks_that_are_trained_on_the_same_songs_share_them(tiny):
    data = data_of(tiny, songs_of(12, 5), "network.targets=single")
    # Three folds validate: trial 0 of fold 0 is stopped by fold 1, trial 1 of fold 1 by fold 0.
    one, other = data.sets(0, 0, "arousal"), data.sets(1, 1, "valence")
    assert one.training.inputs is other.training.inputs
    assert one.inputs is other.inputs
    assert data.sets(0, 0, "arousal") is one
    assert data.sets(0, 1, "arousal").training.inputs is not one.training.inputs
    np.testing.assert_allclose(
        one.training.targets,
        one.targets.apply(np.concatenate([s.annotation[:, :1] for s in data.split.training(0)])),
    )


def test_sets_are_gone_with_their_networks_without_the_collectors_help(tiny, monkeypatch):
    made, alive = [], []

    def watched(*arguments):
        found = heard_by(*arguments)
        made.append(weakref.ref(found))
        return found

    class Listener(Quiet):
        def advance(self, text="", *, fresh=True):
            alive.append(sum(reference() is not None for reference in made))

    monkeypatch.setattr(trial, "heard_by", watched)
    gc.collect()
    gc.disable()
    try:
        run(tiny, "out", ROTATING, "ensemble.trials=4", progress=Listener())
    finally:
        gc.enable()
    assert len(made) > 4 * 4
    assert max(alive) == 1  # the training set of the network that is just done


def test_weights_are_held_by_the_disk_until_they_are_asked_for(tiny):
    kept, job = (
        JobFolder(tiny / "jobs"),
        Job("a job", "network-0", training=pytest.fail, conclude=pytest.fail),
    )
    weights, curve = np.arange(6, dtype=np.float32), np.ones((2, 2))
    held = [kept.save(job, Result({"weights": weights, "validation": curve}, {"fold": 1})), kept.load(job)]
    for result in held:
        assert [*result.tensors] == ["validation"]
        np.testing.assert_array_equal(result.tensors["validation"], curve)
        np.testing.assert_array_equal(result.tensors["weights"], weights)
        with pytest.raises(InputError, match=r"network-0\.safetensors: no readable team_test any more"):
            result.tensors["team_test"]
    kept.file(job).unlink()
    with pytest.raises(InputError, match=r"network-0\.safetensors: no readable weights any more"):
        held[0].tensors["weights"]


def test_who_wants_a_value_waits_for_who_makes_it():
    shared, entered, made = Shared(), threading.Barrier(3), []

    class Value:
        pass

    def make():
        made.append(Value())
        threading.Event().wait(0.05)
        return made[-1]

    got = []

    def want():
        entered.wait()
        got.append(shared.get("key", make))

    threads = [threading.Thread(target=want) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert all(value is made[0] for value in got)


def test_a_song_that_is_unlabelled_too_has_its_features_once(tiny):
    config = load_experiment(tiny / "tiny.toml", ["data.unlabelled=all"])
    data = load_dataset(config.data, workers=1, progress=Quiet(), stop=threading.Event())
    unlabelled = {song.song_id: song for song in data.unlabelled}
    for song in data.development:
        assert unlabelled[song.song_id].features is song.features
