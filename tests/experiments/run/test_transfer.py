"""lstmcore score: a trained model on the songs of another experiment."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.prediction import load_model
from lstmcore.experiments.prediction.model import write_model
from lstmcore.experiments.run import Session, run_experiment, score_model
from lstmcore.experiments.run.transfer import EACH, HOME, OWN
from lstmcore.experiments.scoring.statistics import bootstrap_correlations, difference_interval
from tests.experiments.conftest import DYNAMIC, EXPERIMENT, write_dynamic, write_tiny_deam
from tests.experiments.datasets.test_deam import load, write_features
from tests.experiments.run.test_run import run


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A finished run whose songs are many enough for verdicts."""
    root = tmp_path_factory.mktemp("home")
    write_tiny_deam(root / "data", range(1, 41))
    (root / "tiny.toml").write_text(EXPERIMENT)
    run(root, "out", "data.normal_scores=true")
    return root


@pytest.fixture
def other(tmp_path):
    """Another data set, of songs that the model hasn't met."""
    write_tiny_deam(tmp_path / "data", range(101, 114))
    (tmp_path / "tiny.toml").write_text(EXPERIMENT)
    return tmp_path


def invoke(*arguments):
    return CliRunner().invoke(app, ["score", *map(str, arguments)])


def changed(model, folder, **changes):
    """Copy a model alone, with something else in its description."""
    loaded = load_model(model)
    write_model(folder, loaded.description | changes, loaded.tensors)
    return folder


def test_the_scores_are_those_of_its_predictions(home, other):
    transfer = score_model(home / "out", load_experiment(other / "tiny.toml"), "lstm_ccc")
    data, model = load(other), load_model(home / "out" / "model")
    songs = [*data.development, *data.official_test]
    found = {(s.system, s.target, s.metric, s.scope): s for s in transfer.scores}
    errors = [
        np.sqrt(((model.predict(s.features, "lstm_ccc")[0][:, 1] - s.annotation[:, 1]) ** 2).mean())
        for s in songs
    ]
    score = found["lstm_ccc", "valence", "rmse", "per_song"]
    assert (score.songs, score.set) == (15, "transfer")
    assert score.mean == pytest.approx(np.mean(errors))
    numbers = model.members("lstm_ccc")
    level = model.tensors["target_mean"][numbers].mean(0)[1]
    flat = {HOME: level, OWN: np.concatenate([s.annotation for s in songs])[:, 1].mean()}
    for name, value in flat.items():
        expected = np.mean([np.sqrt(((value - s.annotation[:, 1]) ** 2).mean()) for s in songs])
        assert found[name, "valence", "rmse", "per_song"].mean == pytest.approx(expected)
    expected = np.mean([s.annotation[:, 1].std() for s in songs])
    assert found[EACH, "valence", "rmse", "per_song"].mean == pytest.approx(expected)


def test_what_the_command_prints_and_writes(home, other):
    result = invoke(other / "tiny.toml", "--model", home / "out", "--out", other / "found.json")
    assert result.exit_code == 0, result.output
    written = json.loads((other / "found.json").read_text())
    assert {row["system"] for row in written["scores"]} == {"lstm_rmse", HOME, OWN, EACH}
    assert [row["set"] for row in written["carried"]] == ["cross_validation", "transfer"]
    home_rows = json.loads((home / "out" / "annotation_quality.json").read_text())["carried"]
    assert written["carried"][0] == home_rows[0]
    assert isinstance(written["misled"][0]["misled"], bool)
    assert written["apart"][0]["songs"] == 15
    for sentence in (written["misled"][0]["sentence"], written["apart"][0]["sentence"]):
        assert sentence.split(": ")[1].split(" (")[0] in " ".join(result.output.split())
    result = invoke(other / "tiny.toml", "--model", home / "out", "--out", other / "found.csv", "--quiet")
    with (other / "found.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["mean"]) for row in rows] == pytest.approx(
        [row["mean"] for row in written["scores"]], abs=1e-6
    )
    assert "tell" not in result.output
    assert (home / "out" / "jobs").is_dir()
    assert not (other / "runs").exists()


def test_single_networks_have_means_of_their_own(other):
    run(other, "out", "network.targets=single")
    transfer = score_model(other / "out", load_experiment(other / "tiny.toml"))
    model = load_model(other / "out" / "model")
    of = {k: model.about.networks[k].target for k in model.members(None)}
    targets = ("arousal", "valence")
    level = [np.mean([model.tensors["target_mean"][k] for k in of if of[k] == t]) for t in targets]
    truth = np.concatenate([s.annotation for s in [*load(other).development, *load(other).official_test]])
    squares = ((truth - level) ** 2).mean(0)
    found = [s.mean for s in transfer.scores if (s.system, s.metric, s.scope) == (HOME, "rmse", "pooled")]
    assert found == pytest.approx(np.sqrt(squares))
    assert any("learnt from songs of this folder" in note for note in transfer.notes)


def test_predictions_are_brought_to_the_scale_of_the_songs(home, other):
    plain = score_model(home / "out", load_experiment(other / "tiny.toml"))
    for target in ("arousal", "valence"):
        file = other / "data" / DYNAMIC / f"{target}.csv"
        rows = [line.split(",") for line in file.read_text().splitlines()[1:]]
        curves = {int(song): [5 + 4 * float(v) for v in row if v] for song, *row in rows}
        write_dynamic(file, curves)
    moved = score_model(home / "out", load_experiment(other / "tiny.toml", ["data.scale=[1, 9]"]))
    for one, two in zip(plain.scores, moved.scores, strict=True):
        assert two.mean == pytest.approx((4 if one.metric == "rmse" else 1) * one.mean, abs=1e-9)
    assert "The model's predictions were brought from its scale, -1 to 1, to 1 to 9." in moved.notes


def test_without_the_run_of_its_home_it_cannot_be_called_misled(home, other, tmp_path):
    transfer = score_model(
        changed(home / "out" / "model", tmp_path / "m"), load_experiment(other / "tiny.toml")
    )
    assert transfer.misled[0].misled is None
    assert "without the run that it comes from" in transfer.misled[0].sentence


def test_a_damaged_record_of_its_home_is_told(home, other, tmp_path):
    shutil.copytree(home / "out" / "model", tmp_path / "run" / "model")
    (tmp_path / "run" / "annotation_quality.json").write_text('{"correlation": [1]}')
    result = invoke(other / "tiny.toml", "--model", tmp_path / "run")
    assert result.exit_code == 2
    assert "annotation_quality.json: can't be read as a run's" in result.output


def test_only_targets_that_both_have_are_scored(home, other, tmp_path):
    model = changed(home / "out" / "model", tmp_path / "m", targets=["arousal", "tension"])
    transfer = score_model(model, load_experiment(other / "tiny.toml"))
    assert {s.target for s in transfer.scores} == {"arousal"}
    assert transfer.misled == transfer.apart == []
    assert any("only the model or only the songs have it: tension, valence" in n for n in transfer.notes)


def test_music_before_the_first_annotation_is_real_for_a_model_that_knows_it(other, tmp_path):
    """Of features over time the model hears the frames before, and its delay is that of the song."""
    rng = np.random.default_rng(0)
    table = rng.standard_normal((2003, 12, 260))
    stamps = [13.0 + k / 2 for k in range(12)]
    songs = [*range(101, 114), 2001, 2002]
    write_features(other, songs, stamps, lambda song, t, k: table[song, stamps.index(t), k])
    run(other, "fs1", "data.features=FS1", "data.unlabelled=none")
    late = {"lead_in_seconds": 1.0, "annotation_delay_seconds": 0.5}
    changed(other / "fs1" / "model", tmp_path / "m", **late)
    transfer = score_model(tmp_path / "m", load_experiment(other / "tiny.toml", ["data.features=FS1"]))
    loaded, squares, data = load_model(tmp_path / "m"), [], load(other)
    for song in [*data.development, *data.official_test]:
        heard = table[song.song_id, 1 : 4 + song.frames]  # from 13.5 s on, 1.5 s before the first annotation
        squares.append((loaded.predict(heard)[0][3:, 0] - song.annotation[:, 0]) ** 2)
    (found,) = [
        s.mean
        for s in transfer.scores
        if (s.system, s.target, s.metric, s.scope) == ("lstm_rmse", "arousal", "rmse", "pooled")
    ]
    assert found == pytest.approx(np.sqrt(np.concatenate(squares).mean()))


TABLE = """
name = "{name}"
[data]
source = "table"
root = "{root}"
scale = [1, 9]
[data.table]
file = "{name}.csv"
annotations = "{name}-once.csv"
features = ["a", "b"]
targets = ["tension"]
[folds]
count = 3
team_test = "none"
[network]
hidden = [2]
[training]
max_epochs = 2
[ensemble]
trials = 1
"""


def test_songs_of_tables_that_were_rated_once_have_one_value_each(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("home", "away"):
        frames = [
            f"{name}{s},{t / 2},{rng.random():.3f},{rng.random():.3f}" for s in range(12) for t in range(8)
        ]
        (tmp_path / f"{name}.csv").write_text("\n".join(["song,time,a,b", *frames]) + "\n")
        rated = [f"{name}{s},{rng.uniform(1, 9):.2f}" for s in range(12)]
        (tmp_path / f"{name}-once.csv").write_text("\n".join(["song,tension", *rated]) + "\n")
        (tmp_path / f"{name}.toml").write_text(TABLE.format(name=name, root=tmp_path))
    run_experiment(load_experiment(tmp_path / "home.toml"), Session(tmp_path / "out", 1))
    transfer = score_model(tmp_path / "out", load_experiment(tmp_path / "away.toml"))
    assert {(s.system, s.target) for s in transfer.scores} == {
        (name, "tension") for name in ("lstm_all", HOME, OWN, EACH)
    }
    exact = [s.mean for s in transfer.scores if (s.system, s.metric) == (EACH, "rmse")]
    assert exact == pytest.approx([0.0], abs=1e-12)
    assert transfer.apart == []


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"hop_seconds": 1.0}, [], "learnt from frames 1 s apart, and those of the songs are 0.5 s apart"),
        ({"feature_names": ["f0", "f1", "f2", "f3", "g4"]}, [],
         "a feature 'g4', and the 5 of the songs (song_means) don't have it; did you mean 'f4'?"),
        ({"feature_set": "input"}, [], "the model wants input features, which data.source = 'deam' hasn't"),
        ({"targets": ["joy", "tension"]}, [],
         "predicts joy, tension, and the songs of experiment 'tiny' are annotated in arousal, valence"),
        ({}, ["--system", "lstm_cc"], "no system 'lstm_cc'; expected one of lstm_rmse, lstm_ccc; did you"),
        ({}, ["--out", "found.txt"], "found.txt: expected the name of a file that ends in .json or .csv"),
        ({}, ["--set", "data.root=nowhere"], "no such folder"),
        ({}, ["--model", "nowhere"], "nowhere: no such model"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(home, other, tmp_path, changes, options, message):
    model = changed(home / "out" / "model", tmp_path / "m", **changes)
    result = invoke(other / "tiny.toml", "--model", model, *options)
    assert result.exit_code == 2
    assert re.search(re.escape(message), " ".join(result.output.split())), result.output
    assert "Traceback" not in result.output


def test_the_interval_of_a_difference_has_the_limits_that_bear_on_it():
    # As normal errors add up, where intervals are symmetric.
    assert difference_interval((0.5, 0.2, 0.8), (0.1, -0.3, 0.5)) == pytest.approx((0.4 - 0.5, 0.4 + 0.5))
    # The least difference is that of the first's lower limit and the second's upper one.
    assert difference_interval((0.5, 0.2, 0.5), (0.1, 0.1, 0.5)) == pytest.approx((0.4 - 0.5, 0.4))


def test_the_interval_of_a_difference_is_nearly_that_of_the_bootstrap():
    rng = np.random.default_rng(5)
    drawn, limits = [], []
    for slope, songs in ((0.8, 80), (0.2, 60)):
        x = rng.standard_normal((songs, 1, 1))
        y = slope * x + rng.standard_normal((songs, 1, 1))
        parts = list(np.concatenate([x, y], axis=2))
        drawn.append(bootstrap_correlations(parts, rng))
        r = np.corrcoef(np.concatenate(parts).T)[0, 1]
        limits.append((r, *np.quantile(drawn[-1], [0.025, 0.975])))
    expected = np.quantile(drawn[0] - drawn[1], [0.025, 0.975])
    np.testing.assert_allclose(difference_interval(*limits), expected, atol=0.03)
