"""Networks that learn from sound itself: whole runs on short recordings, and what doesn't fit in words."""

import json
import threading

import numpy as np
import pandas as pd
import pytest

from lstmcore import Convolution, MaxPool, MeanPool
from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.jobs.job import load_result
from lstmcore.experiments.prediction import open_predictor
from lstmcore.experiments.prediction.model import load_model
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.experiments.terminal.progress import Quiet
from lstmcore.experiments.training.trial import architecture_of
from lstmcore.features import extract_many
from tests.experiments.datasets.test_own_audio import SONGS, ratings, write_song

EXPERIMENT = """
name = "sound"

[data]
source = "audio"
root = "."
features = "log-mel-16x50ms"
scale = [1, 9]
unlabelled = "all"

[data.audio]
folder = "recordings"
annotations = "ratings.csv"

[folds]
count = 4
team_test = 3

[network]
hidden = [3]

[training]
learning_rate = 3e-3
max_epochs = 20
patience = 20

[ensemble]
trials = 1
"""
WAVEFORM = (
    "data.features=waveform",
    "network.front.layers=[{filters=4, window=[400, 1], stride=[200, 1], pool=[2, 1, 2]}]",
    "network.front.over_time=max",
    "training.max_epochs=2",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("sound")
    for n, song in enumerate(SONGS):
        write_song(root / "recordings" / f"{song}.wav", seed=n)
    ratings().to_csv(root / "ratings.csv", index=False)
    (root / "sound.toml").write_text(EXPERIMENT)
    return root


def run(folder, out, *overrides):
    config = load_experiment(folder / "sound.toml", list(overrides))
    return run_experiment(config, Session(folder / out, 1, Quiet(), threading.Event()))


@pytest.fixture(scope="module")
def done(folder):
    return run(folder, "run")


def predicted(folder, out, song):
    """What a song's model says of it, and what the run wrote."""
    predictor = open_predictor(folder / out)
    with extract_many([folder / "recordings" / f"{song}.wav"], predictor.feature_set) as results:
        table = predictor.song(next(iter(results))).table
    rows = pd.read_csv(folder / out / "predictions.csv").query("system == 'lstm_rmse'")
    return table, rows.query("song_id == @song")


def test_a_run_leaves_a_model_that_predicts_what_it_predicted(folder, done):
    convolution, pool, _, means, _, _ = load_model(folder / "run" / "model").architecture.layers
    assert convolution == Convolution(shape=(20, 16, 1), window=(5, 5), stride=(2, 2), filters=16)
    assert pool == MaxPool(shape=(8, 6, 16), window=(2, 2))
    assert isinstance(means, MeanPool)
    table, rows = predicted(folder, "run", "d")
    assert len(rows) == 4
    np.testing.assert_allclose(table["arousal"][: len(rows)], rows["arousal"], atol=1e-5)


def test_what_only_the_sound_tells_is_learnt(folder, done):
    """Songs are tones that rise with the rating; networks hear which lies where."""
    rows = pd.read_csv(folder / "run" / "predictions.csv")
    errors = {}
    for system in ("lstm_all", "global_mean"):
        part = rows[rows["system"] == system].set_index("song_id")["arousal"].groupby("song_id").mean()
        errors[system] = np.mean((part - pd.Series({s: 3.0 + n for n, s in enumerate(SONGS)})).dropna() ** 2)
    assert errors["lstm_all"] < 0.8 * errors["global_mean"]


def test_scores_have_no_regressions_of_pictures_and_no_auto_encoder(folder, done):
    systems = {row["system"] for row in json.loads((folder / "run" / "metrics.json").read_text())}
    assert not any(name.startswith(("ridge", "linear")) for name in systems)
    assert "global_mean" in systems
    assert not list((folder / "run" / "jobs").glob("autoencoder-*"))
    note = "Networks that learn from sound itself begin with random weights: they have no auto-encoder."
    assert note in done.notes


def test_filters_begin_with_a_range_of_their_own(folder, done):
    """Weights of layers above are at most .1 at the start, and those of a filter of 25 values are not."""
    [job] = (folder / "run" / "jobs").glob("network-fold00-*")
    weights = load_model(folder / "run" / "model").architecture.views(load_result(job).tensors["weights"])
    assert np.abs(weights[0]["W"]).max() > 0.3


def test_samples_are_learnt_from_too(folder):
    run(folder, "waveform", *WAVEFORM)
    layers = load_model(folder / "waveform" / "model").architecture.layers
    assert layers[0] == Convolution(shape=(16000, 1, 1), window=(400, 1), stride=(200, 1), filters=4)
    assert layers[1].output_shape == (39, 1, 2)
    table, rows = predicted(folder, "waveform", "d")
    np.testing.assert_allclose(table["valence"][: len(rows)], rows["valence"], atol=1e-5)
    assert table["novelty"].isna().all()  # the mean of a waveform says nothing


def test_another_front_is_another_run_with_other_networks(folder, done):
    one = load_experiment(folder / "sound.toml", ["network.front.layers=[{filters=12, window=[5, 5]}]"])
    assert one.fingerprint != load_experiment(folder / "sound.toml", []).fingerprint
    run(folder, "other", "network.front.layers=[{filters=12, window=[5, 5]}]", "training.max_epochs=1")
    frozen = ["network.front.layers=[{filters=12, window=[5, 5]}]", "network.front.learning_rate=0"]
    architecture = architecture_of(load_experiment(folder / "sound.toml", frozen), 20 * 16)
    assert [layer.learning_rate for layer in architecture.layers] == [0, None, None, None]
    names = {path.name for path in (folder / "run" / "jobs").iterdir()}
    assert not names & {path.name for path in (folder / "other" / "jobs").iterdir()}


def test_a_silent_song_is_told(folder, done):
    write_song(folder / "silence.wav", seed=0)
    import soundfile

    soundfile.write(folder / "silence.wav", np.zeros(40_000), 8000)
    predictor = open_predictor(folder / "run")
    with extract_many([folder / "silence.wav"], predictor.feature_set) as results:
        assert "is silent: its curve says nothing" in predictor.song(next(iter(results))).warnings


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["data.features=FS1", "network.front.layers=[{filters=2, window=[2, 2]}]"],
            "network.front is there, and data.features is 'FS1'; expected features = 'log-mel' or 'waveform'",
        ),
        (["data.normal_scores=true"], "data.normal_scores is true and features log-mel-16x50ms"),
        (["data.leave_out=['mel_000*']"], "data.leave_out is ['mel_000*'] and features log-mel"),
        (["engine.backend=cuda"], "engine.backend is 'cuda', which has no convolution, and features log-mel"),
        (
            ["network.front.layers=[{filters=2, window=[2, 17]}]"],
            "network.front.layers.0: convolution layer: its window has 17 bands, and its block 16",
        ),
        (
            ["data.features=log-mel-4x100ms"],
            "network.front.layers.0: convolution layer: its window has 5 bands, and its block 4",
        ),
        (["network.front.layers=[]"], "network.front.layers"),
        (["network.front.layers=[{filters=2}]"], "network.front.layers.0.window' is missing"),
        (["network.front.over_time=median"], "network.front.over_time is 'median'; expected 'max', 'mean'"),
        (["data.features=log-mel-16x70ms"], "a whole number of them in a second"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(folder, overrides, said):
    with pytest.raises(InputError) as caught:
        load_experiment(folder / "sound.toml", overrides)
    assert said in str(caught.value)


def test_frames_that_can_not_be_as_far_apart_as_annotations_are_told_before_work(folder, tmp_path):
    (tmp_path / "recordings").symlink_to(folder / "recordings")
    ratings(hop=0.02).to_csv(tmp_path / "ratings.csv", index=False)
    (tmp_path / "sound.toml").write_text(EXPERIMENT)
    with pytest.raises(
        InputError, match=r"annotations: rows are 0\.02 s apart, and frames of log-mel-16x50ms"
    ):
        run(tmp_path, "run")
