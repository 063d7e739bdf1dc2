"""``lstmcore predict`` of many songs: in order, kept, resumed, as and where it was asked for."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.prediction import Model, batch, open_predictor, predict_many, songs as model_songs
from lstmcore.experiments.prediction.command import facts_of
from lstmcore.experiments.prediction.curves import CurveStore
from lstmcore.features import FeatureStore, cache_root

RATE = 16_000


def predict(run, *words):
    return CliRunner().invoke(app, ["predict", *map(str, words), "--model", str(run), "--quiet"])


@pytest.fixture
def songs(tmp_path, monkeypatch):
    """The current folder: three songs of noise, the first the longest, and a file that is none."""
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for seconds, name in ((4, "a.wav"), (2, "b/c.wav"), (3, "d.wav")):
        Path("songs", name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(Path("songs", name), 0.1 * rng.standard_normal(seconds * RATE), RATE)
    Path("songs/broken.mp3").write_text("no audio")
    return tmp_path


def kept() -> list[Path]:
    return sorted((cache_root() / "curves").rglob("*.safetensors"))


def test_a_second_run_computes_nothing_and_says_the_same(songs, fs1_run, monkeypatch):
    assert predict(fs1_run, "songs", "--out", "p.csv").exit_code == 1
    assert len(kept()) == 3
    Path("songs/a.wav").rename("songs/renamed.wav")

    def computed(path, *_, **__):
        raise AssertionError(f"{path} is computed again")

    monkeypatch.setattr(model_songs, "extract_features", computed)
    again = predict(fs1_run, "songs", "--out", "again.csv")
    assert "broken.mp3: its analysis fails, AssertionError" in again.stderr  # it alone was to be computed
    assert "1 of 4 songs can't be used" in again.stderr
    first, second = pd.read_csv("p.csv"), pd.read_csv("again.csv")
    assert list(second["file"].unique()) == ["songs/b/c.wav", "songs/d.wav", "songs/renamed.wav"]
    first["file"] = first["file"].replace("songs/a.wav", "songs/renamed.wav")
    pd.testing.assert_frame_equal(first.sort_values(["file", "time"], ignore_index=True), second)


def test_what_is_said_of_a_song_is_said_again(songs, fs1_run):
    predictor = open_predictor(fs1_run)
    first, again = (batch.predict_files(predictor, [Path("songs/b/c.wav")], workers=1) for _ in range(2))
    pd.testing.assert_frame_equal(first.table, again.table)
    assert first.table["novelty"].between(0, 1).all()
    assert first.warnings == again.warnings
    assert first.warnings[0].startswith("songs/b/c.wav: has a curve of 1.5 s: so little")


def test_another_ensemble_or_model_has_curves_of_its_own(songs, fs1_run):
    predictor = open_predictor(fs1_run, "lstm_rmse")
    about, tensors = predictor.model.about, predictor.model.tensors
    wider = Model(about, tensors | {"target_scale": 2 * tensors["target_scale"]})
    smoother = Model(about.model_copy(update={"smoothing_seconds": 1.5}), tensors)
    others = [
        open_predictor(fs1_run, "lstm_ccc"),
        open_predictor(fs1_run, "lstm_rmse", "reference"),
        replace(predictor, model=wider),
        replace(predictor, model=smoother),
    ]
    folders = {CurveStore(one).folder for one in [predictor, *others]}
    assert len(folders) == 5
    assert CurveStore(open_predictor(fs1_run)).folder == CurveStore(predictor).folder


def test_a_damaged_curve_is_computed_anew(songs, fs1_run):
    first = predict(fs1_run, "songs/d.wav").stdout
    [file] = kept()
    content = file.read_bytes()
    file.write_bytes(content[:-9] + b"\xff" + content[-8:])
    assert predict(fs1_run, "songs/d.wav").stdout == first
    assert file.read_bytes() == content


def test_nothing_is_kept_where_nothing_is_to_be(songs, fs1_run):
    kept_ones = predict(fs1_run, "songs").stdout
    for file in [*kept(), *FeatureStore().folder.rglob("*.npz")]:
        file.unlink()
    assert predict(fs1_run, "songs", "--no-store").stdout == kept_ones
    assert not kept()
    assert not list(FeatureStore().folder.rglob("*.npz"))


def test_results_come_in_the_order_of_the_files_and_are_told_of_as_they_end(songs, fs1_run):
    paths = [Path("songs/a.wav"), Path("nowhere.wav"), Path("songs/b/c.wav"), Path("songs/d.wav")]
    ended = []
    with predict_many(open_predictor(fs1_run), paths, workers=2, on_done=ended.append) as results:
        found = list(results)
    assert [one.path for one in found] == paths
    assert {one.path for one in ended} == {*paths}
    assert [one.error is None for one in found] == [True, False, True, True]
    assert [len(one.song.table) for one in found if one.song is not None] == [6, 2, 4]


def test_songs_are_taken_up_little_by_little(songs, fs1_run):
    taken = []

    def many():
        for number in range(100):
            taken.append(number)
            yield Path("songs/d.wav")

    with predict_many(open_predictor(fs1_run), many(), workers=2) as results:
        for count, _ in enumerate(results, 1):
            assert len(taken) <= count + 8
    assert count == len(taken) == 100


def test_a_folder_of_files_in_another_scale(songs, fs1_run):
    assert predict(fs1_run, "songs", "--out", "out", "--format", "json", "--scale", "1..9").exit_code == 1
    assert sorted(str(f.relative_to("out")) for f in Path("out").rglob("*.json")) == [
        "a.json",
        "b/c.json",
        "d.json",
    ]
    song = json.loads(Path("out/b/c.json").read_text())
    assert (song["file"], song["scale"], song["time"]) == ("songs/b/c.wav", [1, 9], [0, 0.5])
    plain = json.loads(predict(fs1_run, "songs/b/c.wav", "--format", "jsonl").stdout)
    np.testing.assert_allclose(song["arousal"], 5 + 4 * np.array(plain["arousal"]), atol=1e-5)
    np.testing.assert_allclose(song["valence_spread"], 4 * np.array(plain["valence_spread"]), atol=1e-5)
    facts = facts_of(open_predictor(fs1_run))
    assert {key: plain[key] for key in facts.as_json()} == facts.as_json()
    assert (facts.model, facts.system, facts.scale) == (str(fs1_run), "lstm_rmse", (-1, 1))


def test_one_row_for_each_song(songs, fs1_run):
    assert predict(fs1_run, "songs", "--summary", "--out", "p.csv").exit_code == 1
    rows = pd.read_csv("p.csv", index_col="file")
    assert rows["seconds"].to_dict() == {"songs/a.wav": 3.5, "songs/b/c.wav": 1.5, "songs/d.wav": 2.5}
    assert predict(fs1_run, "songs/a.wav", "--out", "a.csv").exit_code == 0
    curve = pd.read_csv("a.csv")
    assert rows.loc["songs/a.wav", "arousal_mean"] == pytest.approx(curve["arousal"].mean(), abs=2e-6)


def test_times_outside_a_song_cost_the_others_nothing(songs, fs1_run):
    Path("bars.txt").write_text("0 1 first\n2.5 4 second\n")
    result = predict(fs1_run, "songs", "--times", "bars.txt", "--out", "p.csv")
    assert result.exit_code == 1
    of_the_end = "bars.txt, line 2: 4 s is after the end of the song; expected 0 to"
    told = result.stderr.splitlines()
    assert f"error: songs/b/c.wav: {of_the_end} 2 s" in told
    assert f"error: songs/d.wav: {of_the_end} 3 s" in told
    rows = pd.read_csv("p.csv")
    assert rows["file"].unique().tolist() == ["songs/a.wav"]
    assert rows[["time", "end", "label"]].to_numpy().tolist() == [[0, 1, "first"], [2.5, 4, "second"]]


def test_times_that_overlap_are_no_intervals_of_a_textgrid(songs, fs1_run):
    Path("bars.txt").write_text("0 2 first\n1 2 second\n")
    result = predict(fs1_run, "songs/a.wav", "--times", "bars.txt", "--out", "p.TextGrid")
    assert result.exit_code == 2
    assert "bars.txt, line 2: begins at 1 s, before line 1 ends; for --format textgrid" in result.stderr
    assert predict(fs1_run, "songs/a.wav", "--times", "bars.txt", "--out", "p.srt").exit_code == 0


def test_a_file_is_no_folder_for_a_file_each(songs, fs1_run):
    Path("curves").write_text("mine")
    result = predict(fs1_run, "songs/a.wav", "--format", "srt", "--out", "curves")
    assert (result.exit_code, Path("curves").read_text()) == (2, "mine")
    assert "error: curves: is a file; expected a folder, or a file's name that ends in .csv" in result.stderr


def test_times_that_fall_are_no_subtitles(songs, fs1_run):
    Path("bars.txt").write_text("3\n1\n")
    result = predict(fs1_run, "songs/a.wav", "--times", "bars.txt", "--out", "p.srt")
    assert result.exit_code == 2
    assert "line 2: begins at 1 s, before line 1 begins; for --format srt times that rise" in result.stderr
    assert not Path("p.srt").exists()


def test_a_model_of_unknown_scale_is_told_before_anything_is_computed(songs, fs1_run, monkeypatch):
    predictor = open_predictor(fs1_run)
    about = predictor.model.about.model_copy(update={"target_range": None})
    model = Model(about, predictor.model.tensors)
    monkeypatch.setattr("lstmcore.experiments.prediction.songs.load_model", lambda _: model)
    result = predict(fs1_run, "songs", "--scale", "0..1")
    assert result.exit_code == 2
    assert "doesn't say which scale its annotations had" in result.stderr
    assert not kept()


def test_a_full_disk_ends_it_and_keeps_what_was_computed(songs, fs1_run, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "p.csv")

    monkeypatch.setattr("lstmcore.experiments.prediction.outputs.tables.CsvTable.add", full)
    result = predict(fs1_run, "songs", "--out", "p.csv")
    assert result.exit_code == 2
    assert f"p.csv: No space left on device; what is finished is kept in {cache_root()}" in result.stderr
    assert kept()
    assert not Path("p.csv").exists()


def test_a_file_whose_name_is_too_long_costs_the_others_nothing(songs, fs1_run):
    Path("songs", "x" * 251 + ".wav").write_bytes(Path("songs/d.wav").read_bytes())
    result = predict(fs1_run, "songs", "--out", "out", "--format", "textgrid")
    assert result.exit_code == 1
    assert "can't be written, File name too long" in result.stderr
    assert {f.name for f in Path("out").rglob("*") if f.is_file()} == {
        "a.TextGrid",
        "c.TextGrid",
        "d.TextGrid",
    }
