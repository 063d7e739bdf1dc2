"""Options of an experiment, each in a whole run on tiny data, and which jobs they make anew."""

import json
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lstmcore import BLSTM
from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.currennt.convert import Wishes, convert
from lstmcore.experiments.currennt.formats.network_file import read_network
from lstmcore.experiments.datasets import Song, load_dataset
from lstmcore.experiments.errors import InputError, Interrupted
from lstmcore.experiments.jobs.job import load_result
from lstmcore.experiments.prediction.model import load_model
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.experiments.scoring.ensemble import split_songs
from lstmcore.experiments.scoring.metrics import ccc
from lstmcore.experiments.terminal.progress import Quiet
from lstmcore.experiments.training.folds import split
from lstmcore.experiments.training.smoothing import smoothed
from lstmcore.experiments.training.trial import TrialData
from tests.experiments.jobs.test_checksums import without_digest

OUTPUTS = (
    "predictions.csv",
    "metrics.json",
    "ensemble.json",
    "model/networks.safetensors",
    "model/model.json",
)
BIDIRECTIONAL = ("network.bidirectional=true", "network.hidden=[4, 2]")
SINGLE = "network.targets=single"
FAST = ("training.learning_rate=3e-2", "training.max_epochs=12", "training.patience=12")


def run(folder: Path, out: str, *overrides: str, workers=1, progress=None, stop=None) -> Path:
    config = load_experiment(folder / "tiny.toml", list(overrides))
    stop = stop or threading.Event()
    run_experiment(config, Session(folder / out, workers, progress or Quiet(), stop))
    return folder / out


def jobs(folder: Path, kind: str) -> set[str]:
    return {path.name for path in (folder / "jobs").glob(f"{kind}-*")}


def curves(folder: Path, system: str) -> pd.DataFrame:
    return pd.read_csv(folder / "predictions.csv").query("system == @system")


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


def check_model(folder: Path, out: Path) -> None:
    """The saved model predicts what the run predicted."""
    model = load_model(out / "model")
    means = pd.read_csv(folder / "data" / "song_mean_features.csv").set_index("song_id")
    for system in ("lstm_rmse", "lstm_ccc"):
        for song in (2001, 2002):
            ours = curves(out, system).query("song_id == @song")
            row = means.loc[[song], model.description["feature_names"]].to_numpy()
            mean, spread = model.predict(np.repeat(row, len(ours), 0), system)
            np.testing.assert_allclose(mean, ours[["arousal", "valence"]], atol=1e-6)
            np.testing.assert_allclose(spread, ours[["arousal_spread", "valence_spread"]], atol=1e-6)


# --- bidirectional ------------------------------------------------------------------------


def test_bidirectional_networks_start_from_bidirectional_autoencoders(tiny):
    out = run(tiny, "both", *BIDIRECTIONAL)
    model = load_model(out / "model")
    first, second, _ = model.architecture.layers
    assert (first, second) == (BLSTM(4), BLSTM(2))
    check_model(tiny, out)
    onwards = run(tiny, "onwards", *BIDIRECTIONAL[1:])
    without = run(tiny, "without", *BIDIRECTIONAL, "pretraining.enabled=false")
    assert not jobs(out, "autoencoder") & jobs(onwards, "autoencoder")
    assert not jobs(out, "network") & jobs(onwards, "network")
    assert contents(out)["predictions.csv"] != contents(without)["predictions.csv"]


def test_a_bidirectional_network_knows_what_comes(tiny):
    """The first prediction of a song changes with its last frame."""
    found = {}
    for name, options in {"both": BIDIRECTIONAL, "onwards": BIDIRECTIONAL[1:]}.items():
        model = load_model(run(tiny, name, *options) / "model")
        x = np.random.default_rng(0).standard_normal((8, 5))
        y = x.copy()
        y[-1] += 3
        found[name] = np.abs(model.predict(x)[0][0] - model.predict(y)[0][0]).max()
    assert found["onwards"] == 0
    assert found["both"] > 0


def test_a_bidirectional_model_becomes_a_network_of_currennts(tiny):
    out = run(tiny, "both", *BIDIRECTIONAL)
    convert(out, tiny / "net.jsn", Wishes(network=0))
    assert [layer.type for layer in read_network(tiny / "net.jsn").layers] == [
        "input",
        "blstm",
        "blstm",
        "feedforward_identity",
        "sse",
    ]


# --- objective ----------------------------------------------------------------------------


def pairs(predictions: np.ndarray, songs: list[Song], pooled: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """Prediction and annotation of each target, by song or of all together."""
    annotations = [song.annotation for song in songs]
    found = list(zip(split_songs(predictions, songs), annotations, strict=True))
    if pooled:
        found = [(predictions, np.concatenate(annotations))]
    return [(p[:, k], a[:, k]) for p, a in found for k in range(2)]


@pytest.mark.parametrize("objective", ["ccc", "ccc_pooled"])
def test_networks_trained_by_concordance(tiny, objective):
    sse = run(tiny, "sse", *FAST)
    out = run(tiny, objective, *FAST, f"training.objective={objective}")
    assert jobs(out, "autoencoder") == jobs(sse, "autoencoder")
    assert not jobs(out, "network") & jobs(sse, "network")
    check_model(tiny, out)
    config = load_experiment(tiny / "tiny.toml", [])
    dataset = load_dataset(config.data, workers=1, progress=Quiet(), stop=threading.Event())
    songs_of = split(dataset.development, config.folds).validation
    for name in jobs(out, "network"):
        result = load_result(out / "jobs" / name)
        songs = songs_of(result.facts["fold"])
        found = pairs(result.tensors["validation"], songs, pooled=objective == "ccc_pooled")
        expected = np.sum([1 - ccc(p, a) for p, a in found]) / (1 if "pooled" in objective else len(songs))
        # The scores' CCC has no epsilon; a song's standardised targets have variances of some thousandths.
        assert result.facts["history"][-1]["best_error"] == pytest.approx(expected, rel=1e-3)


def test_the_model_converts_to_a_network_that_currennt_knows(tiny):
    out = run(tiny, "ccc", "training.objective=ccc")
    convert(out, tiny / "net.jsn", Wishes(network=0))
    assert read_network(tiny / "net.jsn").layers[-1].type == "sse"
    without_digest(out / "model" / "networks.safetensors")  # so that a file changed by hand is read
    file = out / "model" / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"objective": "ccc"}))
    with pytest.raises(InputError, match=r"objective 'ccc' and 5 layer_names; expected one of sse, "):
        convert(out, tiny / "other.jsn", Wishes(network=0))


# --- smoothing ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "hop", "reach"), [(3, 0.5, 3), (1, 0.5, 1), (1.9, 0.5, 1), (0.6, 0.1, 3)]
)
def test_smoothing_is_a_centred_moving_average_with_short_ends(seconds, hop, reach):
    found = np.random.default_rng(1).standard_normal((2, 9, 2))
    for before, after in zip(found, smoothed(found, seconds, hop), strict=True):
        window = pd.DataFrame(before).rolling(2 * reach + 1, center=True, min_periods=1)
        np.testing.assert_allclose(after, window.mean(), atol=1e-14)


def test_smoothing_a_song_shorter_than_the_window_gives_its_mean():
    found = np.array([[[1.0], [2.0], [6.0]]])
    np.testing.assert_allclose(smoothed(found, 60, 0.5), np.full((1, 3, 1), 3.0))


def test_no_smoothing_changes_no_bit():
    found = np.random.default_rng(1).standard_normal((2, 9, 2))
    np.testing.assert_array_equal(smoothed(found, 0, 0.5), found)


def test_smoothing_keeps_the_trainings_and_reaches_predictions_and_model(tiny):
    plain = run(tiny, "plain")
    out = run(tiny, "smooth", "predictions.smoothing=3")
    assert jobs(out, "*") == jobs(plain, "*")
    check_model(tiny, out)
    before, after = (curves(folder, "lstm_all") for folder in (plain, out))
    for song, rows in before.groupby("song_id"):
        window = rows[["arousal", "valence"]].rolling(7, center=True, min_periods=1)
        ours = after.loc[after["song_id"] == song, ["arousal", "valence"]]
        np.testing.assert_allclose(ours, window.mean(), atol=2e-6)
    assert not np.allclose(before["arousal"], after["arousal"], atol=1e-5)
    for baseline in ("global_mean", "song_mean_oracle", "linear_regression", "ridge"):
        pd.testing.assert_frame_equal(curves(plain, baseline), curves(out, baseline))


# --- joint or single targets --------------------------------------------------------------


def test_a_network_for_each_target(tiny):
    joint, out = run(tiny, "joint"), run(tiny, "single", SINGLE)
    assert len(jobs(out, "network")) == 2 * len(jobs(joint, "network")) == 12
    assert jobs(out, "autoencoder") == jobs(joint, "autoencoder")
    check_model(tiny, out)
    a, b = (pd.read_csv(folder / "predictions.csv") for folder in (joint, out))
    assert list(a.columns) == list(b.columns)
    pd.testing.assert_frame_equal(a[["song_id", "time", "system"]], b[["song_id", "time", "system"]])
    history = pd.read_csv(out / "history.csv")
    assert {"fold 0, trial 1, arousal", "fold 2, trial 0, valence"} < set(history["job"])


def test_pairs_are_of_one_fold_and_trial(tiny):
    out = run(tiny, "single", SINGLE)
    facts = json.loads((out / "ensemble.json").read_text())["ensembles"]
    description = load_model(out / "model").description
    for system, networks in description["systems"].items():
        places = [description["networks"][k] for k in networks]
        half = len(places) // 2
        for target, part in (("arousal", places[:half]), ("valence", places[half:])):
            assert part == [place | {"target": target} for place in facts[system]["networks"]]


def test_a_target_does_not_reach_the_networks_of_the_other(tiny):
    options = (SINGLE, "pretraining.enabled=false", "training.max_epochs=2")
    before = run(tiny, "before", *options)
    (path,) = (tiny / "data").rglob("valence.csv")
    rows = [line.split(",") for line in path.read_text().splitlines()]
    turned = [[number, *(str(-float(v)) if v else "" for v in values)] for number, *values in rows[1:]]
    path.write_text("\n".join(",".join(row) for row in [rows[0], *turned]) + "\n")
    after = run(tiny, "after", *options)
    a, b = (curves(folder, "lstm_all") for folder in (before, after))
    pd.testing.assert_series_equal(a["arousal"], b["arousal"])
    assert not np.allclose(a["valence"], b["valence"], atol=1e-3)


def test_single_targets_give_the_same_bytes_with_two_workers_and_after_a_stop(tiny):
    options = (SINGLE, "training.objective=ccc", "predictions.smoothing=2", *BIDIRECTIONAL)
    whole = run(tiny, "whole", *options)
    two = run(tiny, "two", *options, workers=2)
    stop = threading.Event()

    class Stopping(Quiet):
        def epoch(self, job, report):
            if job == "fold 1, trial 0, valence" and report.epoch == 2:
                stop.set()

    with pytest.raises(Interrupted):
        run(tiny, "parts", *options, progress=Stopping(), stop=stop)
    assert len(jobs(tiny / "parts", "network")) < len(jobs(whole, "network"))
    parts = run(tiny, "parts", *options)
    assert contents(whole) == contents(two) == contents(parts)


@pytest.mark.parametrize("stopping", ["next", "rotating"])
def test_stopped_by_another_fold_a_song_doesnt_touch_its_own_prediction(tiny, stopping):
    options = (f"folds.stopping={stopping}", *FAST, "pretraining.enabled=false")
    before = curves(run(tiny, "before", *options), "lstm_all").query("song_id in (1, 5, 9)")
    same = curves(run(tiny, "same", *options[1:]), "lstm_all").query("song_id in (1, 5, 9)")
    for path in (tiny / "data" / "annotations").rglob("*.csv"):
        rows = [row.split(",") for row in path.read_text().splitlines()]
        for row in rows[1:]:
            if row[0] in {"1", "5", "9"}:  # all of the first fold
                row[1:] = ["0.9" if cell else "" for cell in row[1:]]
        path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    after = curves(run(tiny, "after", *options), "lstm_all").query("song_id in (1, 5, 9)")
    pd.testing.assert_frame_equal(before, after)
    changed = curves(run(tiny, "changed", *options[1:]), "lstm_all").query("song_id in (1, 5, 9)")
    assert not np.allclose(same["arousal"], changed["arousal"], atol=1e-3)  # its own fold stops it


def test_each_trial_has_the_songs_of_its_own_watched_fold(tiny):
    def trial_data(stopping: str) -> TrialData:
        config = load_experiment(tiny / "tiny.toml", [f"folds.stopping={stopping}"])
        dataset = load_dataset(config.data, workers=1, progress=Quiet(), stop=threading.Event())
        return TrialData(config, dataset, split(dataset.development, config.folds), [])

    data = trial_data("rotating")
    found = [data.sets(0, trial, None) for trial in range(2)]
    for trial, sets in enumerate(found):
        for got, songs in (
            (sets.training, data.split.training(0, trial)),
            (sets.validation, data.split.watched(0, trial)),
        ):
            frames = np.concatenate([sets.inputs.apply(song.features) for song in songs])
            np.testing.assert_array_equal(got.inputs, frames.astype(np.float32))
    assert not np.array_equal(found[0].validation.inputs, found[1].validation.inputs)
    data = trial_data("next")
    assert (first := data.sets(0, 0, None)) is data.sets(0, 1, None)
    assert len(first.validation) == len(data.split.watched(0))


def test_one_network_of_a_single_target_becomes_currennts(tiny):
    out = run(tiny, "single", SINGLE)
    convert(out, tiny / "net.jsn", Wishes(network=0))
    assert [layer.size for layer in read_network(tiny / "net.jsn").layers[-2:]] == [1, 1]
    with pytest.raises(InputError, match=r"0: fold \d trial \d target arousal"):
        convert(out, tiny / "other.jsn", Wishes())
