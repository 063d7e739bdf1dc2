"""How far a song lies from the training songs: the distance, what is kept of it, what a person is told."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.prediction import load_model, open_predictor, predict_files
from lstmcore.experiments.prediction.model import Model, write_model
from lstmcore.experiments.prediction.novelty import Novelty
from lstmcore.features import Extraction, columns, feature_names
from tests.experiments.prediction.test_model_files import DESCRIPTION, arrays, write_tiny_model

RATE = 8000


def songs(count: int, rng: np.random.Generator) -> np.ndarray:
    """Songs of twenty features that go along two directions, and a little beside them."""
    directions = np.linalg.qr(np.random.default_rng(7).standard_normal((20, 2)))[0]
    return (
        rng.standard_normal((count, 2)) * [3, 1] @ directions.T + 0.1 * rng.standard_normal((count, 20)) + 5
    )


@pytest.fixture(scope="module")
def novelty() -> Novelty:
    rng = np.random.default_rng(0)
    found = Novelty.fit([songs(60, rng) for _ in range(10)])
    assert found is not None
    return found


def test_new_songs_of_the_same_kind_are_as_far_as_the_training_songs_are(novelty):
    distances = novelty.distance(songs(4000, np.random.default_rng(1)))
    assert 0.8 < np.sqrt((distances**2).mean()) < 1.2
    shares = np.array([novelty.share_nearer(distance) for distance in distances])
    for level in (0.1, 0.5, 0.9, 0.98):
        assert (shares <= level).mean() == pytest.approx(level, abs=0.04)


def test_the_axes_count_by_their_own_variance(novelty):
    """Ten deviations beside the two directions are a small step, and further than ten along the first."""
    directions = np.linalg.qr(np.random.default_rng(7).standard_normal((20, 2)))[0]
    beside = np.linalg.qr(np.column_stack([directions, np.eye(20)[:, 0]]))[0][:, 2]
    along_first, along_second, off = novelty.distance(
        5 + np.stack([3 * directions[:, 0], 3 * directions[:, 1], 3 * beside])
    )
    assert along_first < along_second / 2 < off / 4
    assert novelty.share_nearer(off) == 1


def test_own_distances_are_from_the_songs_of_other_folds():
    """Songs that come in pairs, as of one album, are near to each other and far from all the rest."""
    rng = np.random.default_rng(2)
    pairs = [np.repeat(rng.standard_normal((1, 30)), 2, axis=0) for _ in range(8)]
    apart = Novelty.fit(pairs)
    mixed = Novelty.fit([np.concatenate([p[:1] for p in pairs]), np.concatenate([p[1:] for p in pairs])])
    assert apart is not None
    assert mixed is not None
    assert np.median(apart.distances) > 1.4 * np.median(mixed.distances)


def test_too_few_songs_tell_nothing():
    assert Novelty.fit([np.ones((2, 3)), np.zeros((3, 3))]) is None
    assert Novelty.fit([np.random.default_rng(0).standard_normal((50, 3))]) is None
    same = Novelty.fit([np.ones((4, 3)), np.ones((4, 3))])
    assert same is not None
    assert np.isfinite(same.distance(np.array([[1.0, 1, 1], [1e300, 1, -1e300]]))).all()


def test_a_run_keeps_it_and_songs_of_the_run_are_usual(fs1_run, tmp_path):
    model = load_model(fs1_run / "model")
    standings = [model.standing(np.random.default_rng(k).standard_normal((8, 260))) for k in range(5)]
    assert all(s.novelty is not None and s.distance is not None for s in standings)
    assert all(0.5 < s.distance < 2 for s in standings)
    assert model.standing(np.full((8, 260), 9.0)).novelty == 1


def test_older_models_without_it_still_predict(tmp_path):
    without = {name: array for name, array in arrays().items() if not name.startswith("novelty_")}
    write_model(tmp_path, DESCRIPTION, without)
    standing = load_model(tmp_path).standing(np.ones((4, 3)))
    assert (standing.distance, standing.novelty) == (None, None)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("novelty_axes", lambda a: a[:, 1:], r"novelty_axes has shape \(1, 2\); expected \(1, 3\)"),
        ("novelty_axes", lambda a: a[0, 0], r"novelty_axes has shape \(1,\); expected \(1, 3\)"),
        ("novelty_variances", lambda a: a[1:], r"novelty_variances has shape \(1,\); expected \(2,\)"),
        ("novelty_variances", lambda a: -a, "novelty_variances holds numbers that aren't above 0"),
        ("novelty_scale", lambda a: 0 * a, "novelty_scale holds numbers that aren't above 0"),
        ("novelty_distances", lambda a: a[:0], r"novelty_distances has shape \(0,\); expected \(0,\)"),
        ("novelty_centre", lambda a: a * np.nan, "novelty_centre holds numbers that aren't finite"),
    ],
)
def test_a_damaged_array_is_named(tmp_path, name, change, message):
    found = arrays()
    write_model(tmp_path, DESCRIPTION, found | {name: np.asarray(change(found[name]))})
    with pytest.raises(InputError, match=message):
        load_model(tmp_path)
    del found[name]
    write_model(tmp_path, DESCRIPTION, found)
    with pytest.raises(InputError, match=f"no {name}: damaged"):
        load_model(tmp_path)


def extraction(values: dict[str, float], rows: int = 8, rng=None) -> Extraction:
    """Features of a song that are random, but for some."""
    rng = rng or np.random.default_rng(0)
    table = pd.DataFrame(rng.standard_normal((rows, 261)), columns=list(columns("FS1")))
    for name, value in {"pcm_RMSenergy_sma_amean": 0.1, "frameTime": np.arange(rows) / 2, **values}.items():
        table[name] = value
    return Extraction(Path("a.wav"), table, None)


def test_what_makes_a_curve_doubtful_is_told(fs1_run):
    predictor = open_predictor(fs1_run)

    def told(**changes) -> str:
        rows = changes.pop("rows", 8)
        return "; ".join(predictor.song(extraction(changes, rows)).warnings)

    assert told() == ""
    assert told(rows=2).startswith("has a curve of 1.5 s: so little music says little")
    far = dict.fromkeys(feature_names("FS1")[::2], 9.0)
    assert told(**far) == (
        "lies further from the songs that the model learnt from than 98 % of them do from the others: "
        "don't trust its curve"
    )
    assert told(**dict.fromkeys(feature_names("FS1"), 0.0)) == "is silent: its curve says nothing"


def test_values_outside_of_what_was_ranked_are_told(fs1_run):
    predictor = open_predictor(fs1_run)
    quantiles = np.linspace(-9, 9, 5)[:, None].repeat(260, 1)
    model = Model(predictor.model.about, predictor.model.tensors | {"quantiles": quantiles})
    outside = dict.fromkeys(feature_names("FS1")[:52], 30.0)
    warnings = type(predictor)(model, predictor.system, predictor.backend).song(extraction(outside)).warnings
    assert any(warning.startswith("20 % of its features' values are outside") for warning in warnings)


def test_the_command_warns_and_has_a_column(tmp_path, monkeypatch, fs1_run):
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    soundfile.write("silent.wav", np.zeros(4 * RATE), RATE)
    soundfile.write("noise.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 4 * RATE), RATE)
    line = ["predict", "silent.wav", "noise.wav", "--model", str(fs1_run), "--quiet", "--out", "p.csv"]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0, result.output
    first, second = result.stderr.splitlines()
    assert first == "warning: silent.wav: is silent: its curve says nothing"
    assert second.startswith("warning: noise.wav: lies further from the songs that the model learnt from")
    table = pd.read_csv("p.csv")
    assert table.groupby("file")["novelty"].agg(["min", "max"]).loc["noise.wav"].tolist() == [1, 1]
    write_tiny_model(tmp_path / "old")
    predicted = predict_files(open_predictor(tmp_path / "old"), [Path("noise.wav")], workers=1)
    assert predicted.table["novelty"].isna().all()
    assert predicted.warnings == []


def test_many_warnings_are_counted(tmp_path, monkeypatch, fs1_run):
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for k in range(22):
        soundfile.write(f"{k}.wav", np.zeros(2 * RATE), RATE)
    result = CliRunner().invoke(app, ["predict", ".", "--model", str(fs1_run), "--quiet", "--out", "p.csv"])
    assert result.stderr.count("is silent") == 20
    assert result.stderr.endswith("warning: and 2 more like these; the column novelty is there for all\n")
