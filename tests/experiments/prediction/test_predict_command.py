"""``lstmcore predict``: songs and folders, what is told at once, and that a file's failure costs no other."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.prediction.batch import predict_files
from lstmcore.experiments.prediction.model import Model
from lstmcore.experiments.prediction.songs import open_predictor
from lstmcore.features import FeatureStore, extract_features

GOLDEN = Path(__file__).parents[2] / "golden" / "features"


def invoke(run, *arguments):
    return CliRunner().invoke(app, ["predict", *map(str, arguments), "--model", str(run)])


@pytest.fixture
def songs(tmp_path, monkeypatch):
    """The current folder: three songs in ``songs``, of which one has an odd name, and a file that is none."""
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    samples, rate = soundfile.read(GOLDEN / "mix12.flac", dtype="int16")
    for k, name in enumerate(("a.wav", "below/b.wav")):
        Path("songs", name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(Path("songs", name), samples[k * 70_000 :][: 2 * rate], rate)
    Path("songs", os.fsdecode(b"c\xe9\n.wav")).write_bytes(Path("songs/a.wav").read_bytes())
    Path("songs/broken.mp3").write_text("no audio")
    return tmp_path


def test_files_that_cannot_be_used_are_told_of_in_the_end_and_the_others_predicted(songs, fs1_run):
    audio = ["nowhere.wav", "songs/a.wav", "songs/broken.mp3", "songs/below/b.wav"]
    result = invoke(fs1_run, *audio, "--out", "p.csv")
    assert result.exit_code == 1
    told = result.stderr.splitlines()[-3:]
    assert told[0] == "error: nowhere.wav: no such file; an audio file is expected"
    assert told[1].startswith("error: songs/broken.mp3: cannot be decoded")
    assert told[2] == "2 of 4 songs can't be used"
    table = pd.read_csv("p.csv")
    spreads = ["arousal_spread", "valence_spread"]
    assert [*table.columns] == ["file", "time", "arousal", "valence", *spreads, "novelty"]
    assert table["file"].tolist() == ["songs/a.wav"] * 2 + ["songs/below/b.wav"] * 2
    assert np.isfinite(table.drop(columns="file")).all().all()


def test_the_files_of_a_folder_and_what_is_below_it(songs, fs1_run, monkeypatch):
    printed = invoke(fs1_run, "songs", "--quiet")
    assert printed.exit_code == 1
    assert printed.stderr.endswith("1 of 4 songs can't be used\n")
    files = [line.split(",")[0] for line in printed.stdout.splitlines()]
    assert list(dict.fromkeys(files)) == ["file", "songs/a.wav", "songs/below/b.wav", "songs/c\\xe9\\n.wav"]
    monkeypatch.chdir(songs / "songs")
    assert invoke(fs1_run, ".", "--quiet", "--out", "../p.csv").exit_code == 1
    names = list(dict.fromkeys(pd.read_csv("../p.csv")["file"]))
    assert names == ["a.wav", "below/b.wav", "c\\xe9\\n.wav"]


def test_where_nothing_can_be_predicted_nothing_is_written(songs, fs1_run):
    Path("p.csv").write_text("of yesterday")
    for out in ([], ["--out", "p.csv"]):
        result = invoke(fs1_run, "songs/broken.mp3", "nowhere.wav", "--quiet", *out)
        assert result.exit_code == 1
        assert result.stdout == ""
        assert result.stderr.endswith("2 of 2 songs can't be used; nothing was written\n")
    assert Path("p.csv").read_text() == "of yesterday"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "p.cvs"], "p.cvs: unknown suffix '.cvs'; expected .csv"),
        (["--out", "p.csv", "--format", "eaf"], "expected a name that ends in .eaf"),
        (["--format", "srt"], "a file holds one song and 4 are given; expected --out FOLDER"),
        (["--scale", "1..0"], "--scale 1..0: expected two numbers that rise"),
        (["--times", "nowhere.txt"], "nowhere.txt: can't be read"),
        (["--times", "songs/broken.mp3"], "songs/broken.mp3, line 1: 'no'; expected a time in seconds"),
        (["--summary", "--out", "p"], "--summary with --out p, a folder; expected one table"),
        (["--summary", "--times", "songs/broken.mp3"], "--summary and --times: expected one of them"),
        (["--page", "p.csv"], "p.csv: unknown suffix '.csv'; expected the name of a page, .html"),
        (["--page", "songs"], "songs: is a folder; expected the name of a page, .html"),
        (["--page", "p.html", "--summary"], "--summary with --page alone; expected --out or --format"),
        (["--out", "songs/a.wav/p.csv"], "songs/a.wav"),
        (["--system", "lstm_cc"], "no system 'lstm_cc'; expected one of lstm_rmse, lstm_ccc; did you mean"),
        (["--backend", "abacus"], "abacus"),
    ],
)
def test_mistakes_are_told_before_anything_is_computed(songs, fs1_run, arguments, message):
    result = invoke(fs1_run, "songs", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "to do" not in result.stderr
    assert not FeatureStore().folder.exists()
    assert sorted(path.name for path in songs.iterdir()) == ["songs"]


def test_a_wrong_system_is_told_before_anything_is_computed_by_plot_too(songs, fs1_run):
    arguments = ["plot", "songs/a.wav", "--model", str(fs1_run), "--system", "lstm_cc"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "no system 'lstm_cc'; expected one of lstm_rmse, lstm_ccc; did you mean" in result.stderr
    assert not FeatureStore().folder.exists()


def test_a_model_that_wants_features_nobody_computes_is_refused_at_once(songs, fs1_run, monkeypatch):
    predictor = open_predictor(fs1_run)
    about = predictor.model.about.model_copy(update={"feature_names": ["loudness"]})
    model = Model(about, predictor.model.tensors)
    monkeypatch.setattr("lstmcore.experiments.prediction.songs.load_model", lambda _: model)
    with pytest.raises(ValueError, match="the model wants a feature 'loudness'; expected one of FS1"):
        open_predictor(fs1_run)


def test_the_predictions_are_those_of_the_model(songs, fs1_run):
    predictor = open_predictor(fs1_run, "lstm_ccc")
    predicted = predict_files(predictor, [Path("songs/a.wav")], workers=1)
    features = FeatureStore()
    assert len(list(features.folder.rglob("*.npz"))) == 1
    rows = extract_features("songs/a.wav").to_numpy(np.float64)[:, 1:]
    mean, spread = predictor.model.predict(rows, "lstm_ccc")
    np.testing.assert_array_equal(predicted.table[["arousal", "valence"]], mean)
    np.testing.assert_array_equal(predicted.table[["arousal_spread", "valence_spread"]], spread)


def test_a_song_whose_prediction_is_no_number_costs_the_others_nothing(songs, fs1_run, monkeypatch):
    def predict(model, features, system, engine, times):
        assert len(features) == 2
        if calls.append(1) or len(calls) == 1:
            raise ValueError("frame 0 holds inf")
        value = np.nan if len(calls) == 2 else 0.5
        return np.full((2, 2), value), np.zeros((2, 2))

    calls = []
    monkeypatch.setattr(Model, "predict", predict)
    predicted = predict_files(open_predictor(fs1_run), sorted(Path("songs").rglob("*.wav")), workers=1)
    assert [str(error).split(": ", 1)[1] for error in predicted.errors] == [
        "can't be predicted: frame 0 holds inf",
        "its prediction isn't finite; features of music are expected",
    ]
    assert predicted.table["arousal"].tolist() == [0.5, 0.5]
