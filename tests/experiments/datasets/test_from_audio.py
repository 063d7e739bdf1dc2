"""The road from audio: procedural songs through FS1 to a table, and audio that can't be used."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from lstmcore.experiments.cli import app, run_app
from lstmcore.experiments.datasets.feature_tables import (
    FrameTables,
    audio_files,
    undecodable_files,
    why_undecodable,
)
from lstmcore.features import feature_names

PROCEDURAL = """
name = "small"
[data]
source = "procedural"
[data.procedural]
development = 4
unlabelled = 2
test = 1
seconds = 20.0
test_seconds = 20.0
raters = 3
[folds]
count = 4
team_test = 0
[network]
hidden = [3]
[training]
learning_rate = 1e-4
max_epochs = 2
[pretraining]
max_epochs = 2
[ensemble]
trials = 1
"""


def invoke(command, *arguments):
    return CliRunner().invoke(command, [str(a) for a in arguments])


def test_from_procedural_audio_to_a_table_and_to_the_prediction_of_a_song(tmp_path, monkeypatch):
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "small.toml").write_text(PROCEDURAL)
    result = invoke(run_app, tmp_path / "small.toml", "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "Synthetic" in result.stdout
    assert "Synthetic" in (tmp_path / "run" / "report.html").read_text()
    table = pd.read_csv(tmp_path / "run" / "predictions.csv")
    song = table[(table.song_id == 2001) & (table.system == "lstm_rmse")]
    assert song["time"].tolist() == [15 + k / 2 for k in range(10)]
    assert len(json.loads((tmp_path / "run" / "model" / "model.json").read_text())["feature_names"]) == 260

    (audio,) = (tmp_path / "cache" / "procedural").rglob("2001.flac")
    again = invoke(app, "predict", audio, audio, "--model", tmp_path / "run", "--out", tmp_path / "p.csv")
    assert again.exit_code == 0, again.output
    assert again.stderr.count("learnt from synthetic music") == 1
    again = invoke(app, "predict", audio, "--model", tmp_path / "run", "--out", tmp_path / "p.csv")
    predicted = pd.read_csv(tmp_path / "p.csv")
    assert list(predicted.columns[:4]) == ["file", "time", "arousal", "valence"]
    # The model begins at the audio's start here and at the first annotation there: not equal, but close.
    assert predicted["time"].tolist() == [k / 2 for k in range(len(predicted))]
    assert np.isfinite(predicted[["arousal", "valence"]]).all().all()


def test_the_four_features_of_fs2_by_one_key(tmp_path, monkeypatch):
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "small.toml").write_text(PROCEDURAL.replace("unlabelled = 2", "unlabelled = 0"))
    line = [tmp_path / "small.toml", "--set", "data.features=FS2", "--out", tmp_path / "run"]
    result = invoke(run_app, *line)
    assert result.exit_code == 0, result.output
    names = json.loads((tmp_path / "run" / "model" / "model.json").read_text())["feature_names"]
    assert len(names) == 264
    assert names[260:] == ["sensory_dissonance", "roughness_vassilakis", "tempo", "event_density"]


def test_tonality_by_one_key(tmp_path, monkeypatch):
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "small.toml").write_text(PROCEDURAL.replace("unlabelled = 2", "unlabelled = 0"))
    line = [tmp_path / "small.toml", "--set", "data.features=FS3", "--out", tmp_path / "run"]
    result = invoke(run_app, *line)
    assert result.exit_code == 0, result.output
    names = json.loads((tmp_path / "run" / "model" / "model.json").read_text())["feature_names"]
    assert names == list(feature_names("FS3"))
    assert names[264].startswith("tonality_")
    audio = next((tmp_path / "cache").rglob("*.flac"))
    again = invoke(app, "predict", audio, "--model", tmp_path / "run", "--out", tmp_path / "p.csv")
    assert again.exit_code == 0, again.output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no audio at all", "cannot be decoded"),
        (b"", "empty"),
        (0.1 * np.sin(np.arange(22050)), "too short, 1.00 s"),
    ],
)
def test_audio_that_cannot_be_used_is_named(tiny, monkeypatch, content, message):
    monkeypatch.setenv("LSTMCORE_CACHE", str(tiny / "cache"))
    names = feature_names("FS1")
    (tiny / "data" / "features").mkdir()
    (tiny / "data" / "MEMD_audio").mkdir()
    header = ";".join(["frameTime", *names])
    for song in [*range(2, 10), 2001, 2002]:
        rows = [";".join([str(15 + k / 2), *["0.5"] * 260]) for k in range(4)]
        (tiny / "data" / "features" / f"{song}.csv").write_text("\n".join([header, *rows]) + "\n")
    path = tiny / "data" / "MEMD_audio" / "1.wav"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        soundfile.write(path, content, 22050)
    result = invoke(run_app, tiny / "tiny.toml", "--set", "data.features=FS1", "--out", tiny / "out")
    assert result.exit_code == 2
    assert f"error: {path}" in result.output
    assert message in result.output
    assert "Traceback" not in result.output


def test_files_that_cannot_be_decoded_are_named_and_others_than_mp3_are_found(tiny, monkeypatch):
    monkeypatch.setenv("LSTMCORE_CACHE", str(tiny / "cache"))
    (tiny / "data" / "features").mkdir()
    (tiny / "data" / "MEMD_audio").mkdir()
    header = ";".join(["frameTime", *feature_names("FS1")])
    rows = [";".join([str(15 + k / 2), *["0.5"] * 260]) for k in range(4)]
    for song in [*range(2, 10), 2001, 2002]:
        (tiny / "data" / "features" / f"{song}.csv").write_text("\n".join([header, *rows]) + "\n")
    monkeypatch.setattr("lstmcore.features.media.media_reader", lambda: None)
    apple = tiny / "data" / "MEMD_audio" / "1.m4a"
    apple.write_bytes(b"\0\0\0\x20ftypM4A ")
    options = ["--set", "data.features=FS1", "--out"]
    result = invoke(run_app, tiny / "tiny.toml", *options, tiny / "out")
    assert result.exit_code == 2
    assert "song 1 is annotated but there are no FS1 features of it" in result.output
    assert f"{apple} can't be decoded without FFmpeg (pip install 'av>=14', or" in result.output
    apple.rename(apple.with_name("1000.m4a"))
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 20 * 22050)
    soundfile.write(tiny / "data" / "MEMD_audio" / "1.aiff", samples, 22050)
    result = invoke(run_app, tiny / "tiny.toml", *options, tiny / "out")
    assert result.exit_code == 0, result.output
    helps = " without FFmpeg (pip install 'av>=14', or the program ffmpeg)"
    assert f"Left out, for their files can't be decoded{helps}: 1000." in result.output


def test_m4a_files_are_songs_and_come_after_formats_that_need_no_ffmpeg(tiny):
    folder = tiny / "data" / "MEMD_audio"
    folder.mkdir()
    for name in ("1.m4a", "2.mp3", "2.mp4", "3.spx"):
        (folder / name).touch()
    found = {song: path.name for song, path in audio_files(tiny / "data").items()}
    assert found == {1: "1.m4a", 2: "2.mp3"}
    assert why_undecodable(undecodable_files(tiny / "data").values()) == "can't be decoded"


@pytest.mark.parametrize("feature_set", ["log-mel-40x20ms", "log-mel-4x100ms", "FS2", "FS1+tonality"])
def test_features_of_audio_alone_have_their_columns_in_order(feature_set):
    tables = FrameTables(feature_set, {})
    width = len(feature_names(feature_set))
    values = np.arange(3 * width, dtype=np.float32).reshape(3, width)
    assert tables.lacking([7]) == {7: feature_set}
    tables.complete(feature_set, {7: ([0, 500, 1000], values)})
    stamps, found = tables.table(7, None)
    assert stamps == [0, 500, 1000]
    np.testing.assert_array_equal(found, values)
