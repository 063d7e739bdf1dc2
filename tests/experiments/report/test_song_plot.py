"""``lstmcore plot``: what the figure shows, each format, and what is said about input that doesn't fit."""

import dataclasses
import errno
import json
import os
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.prediction.batch import Predicted
from lstmcore.experiments.prediction.model import write_model
from lstmcore.experiments.prediction.songs import Predictor
from lstmcore.experiments.report.song import command
from lstmcore.experiments.report.song.curves import Curve, read_annotations, read_predictions
from lstmcore.experiments.report.song.figure import FEATURES, SongPicture, draw_song
from lstmcore.experiments.report.song.sound import (
    COLUMNS,
    FLOOR_DB,
    Spectrogram,
    Waveform,
    spectrogram,
    waveform,
)
from lstmcore.features import AudioError, FeatureStore, extract_features
from lstmcore.features.errors import printable
from tests.experiments.conftest import DYNAMIC, write_dynamic
from tests.experiments.prediction.test_model_files import DESCRIPTION, arrays
from tests.features.media_files import encode

RATE = 22050
PER_RATER = "annotations/annotations per each rater/dynamic (per second annotations)"
AROUSAL, VALENCE = [0.1, 0.2, -0.3, 0.4], [0.5, 0.25, 0.0, -0.25]


def invoke(*arguments):
    return CliRunner().invoke(app, ["plot", "--quiet", *map(str, arguments)])


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    """A song of 18 s, clicks on a tone: its annotations begin at 15 s, as in DEAM."""
    n = np.arange(18 * RATE)
    clicks = (n % (RATE // 2) < 400) * np.random.default_rng(1).uniform(-0.5, 0.5, len(n))
    path = tmp_path_factory.mktemp("audio") / "7.wav"
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 440 * n / RATE) + clicks, RATE)
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def place(tmp_path, monkeypatch, cache):
    """A folder with annotations, raters and predictions of song 7, which is also the current one."""
    monkeypatch.setenv("LSTMCORE_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)
    for target, curve in (("arousal", AROUSAL), ("valence", VALENCE)):
        write_dynamic(tmp_path / "data" / DYNAMIC / f"{target}.csv", {7: curve, 8: [0.0, 0.0]})
    raters = tmp_path / "data" / PER_RATER / "arousal" / "7.csv"
    raters.parent.mkdir(parents=True)
    raters.write_text(
        "sample_15000ms,sample_15500ms,sample_16000ms,sample_16500ms\n0,0.1,-0.3,\n0.2,0.3,-0.3,\n"
    )
    rows = [
        f"{song},{15 + k / 2},{system},{a},{v},{spread},{spread}"
        for song in (7, 8)
        for system, spread in (("lstm_all", 0.05), ("global_mean", ""))
        for k, (a, v) in enumerate(zip(AROUSAL[:3], VALENCE[:3], strict=True))
    ]
    header = "song_id,time,system,arousal,valence,arousal_spread,valence_spread"
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "predictions.csv").write_text("\n".join([header, *rows]) + "\n")
    return tmp_path


@pytest.fixture
def drawn(monkeypatch):
    """The pictures that the command draws, without the panels of features, which take most of the time."""
    pictures = []

    def draw(picture):
        pictures.append(picture)
        return draw_song(dataclasses.replace(picture, features=None))

    monkeypatch.setattr(command, "draw_song", draw)
    return pictures


def picture_of(place, audio, view=waveform):
    system, predictions = read_predictions(place / "run", audio, None, None)
    features = extract_features(audio, "FS2", FeatureStore())
    annotations = read_annotations(place / "data", "7")
    return SongPicture("7.wav", view(audio), features, annotations, predictions, system)


def line(axis, label):
    (found,) = [one for one in axis.get_lines() if one.get_label() == label]
    return found


def band(axis, colour):
    """Corners of the band of a colour, as a set."""
    wanted = matplotlib.colors.to_rgb(colour)
    (found,) = [c for c in axis.collections if tuple(c.get_facecolor()[0][:3]) == wanted]
    return {(x, round(y, 9)) for x, y in found.get_paths()[0].vertices.tolist()}


def test_the_figure_shows_features_annotations_and_predictions_on_one_axis_of_time(place, audio):
    picture = picture_of(place, audio)
    axes = draw_song(picture).axes
    titles = [axis.get_title(loc="left") for axis in axes]
    features = ["sensory dissonance", "roughness", "tempo", "event density"]
    assert titles == ["waveform", *features, "arousal", "valence"]
    units = ["full scale = 1", "no unit", "no unit", "BPM", "events/s", "no unit", "no unit"]
    assert [axis.get_ylabel() for axis in axes] == units
    for axis, column in zip(axes[1:5], FEATURES, strict=True):
        (curve,) = axis.get_lines()
        assert curve.get_xdata().tolist() == picture.features["frameTime"].tolist()
        assert curve.get_ydata().tolist() == picture.features[column].tolist()
    for axis, values in zip(axes[5:], (AROUSAL, VALENCE), strict=True):
        assert line(axis, "annotation").get_xdata().tolist() == [15, 15.5, 16, 16.5]
        assert line(axis, "annotation").get_ydata().tolist() == values
        assert line(axis, "lstm_all").get_xdata().tolist() == [15, 15.5, 16]
        assert line(axis, "lstm_all").get_ydata().tolist() == values[:3]
    assert all(axes[0].get_shared_x_axes().joined(axes[0], axis) for axis in axes)
    assert axes[-1].get_xlim() == (0, 18)
    assert "time in s" in axes[-1].get_xlabel()


def test_bands_are_the_standard_deviations_of_raters_and_networks(place, audio):
    arousal, valence = draw_song(picture_of(place, audio)).axes[5:]
    legend = [text.get_text() for text in arousal.get_legend().get_texts()]
    raters, networks = (f"± standard deviation of {who}" for who in ("raters", "networks"))
    assert legend == ["annotation", raters, "lstm_all", networks]
    # Two answers .2 apart have a standard deviation of .1 √2; at 16.5 s nobody answered.
    half = round(0.1 * 2**0.5, 9)
    corners = {(15.0, round(0.1 + half, 9)), (15.5, round(0.2 - half, 9)), (16.0, -0.3)}
    assert corners <= band(arousal, "#6b7280")
    assert max(x for x, _ in band(arousal, "#6b7280")) == 16.0
    assert {(15.0, 0.15), (15.5, 0.15), (16.0, -0.25)} <= band(arousal, "#c2410c")
    assert [text.get_text() for text in valence.get_legend().get_texts()] == [
        "annotation",
        "lstm_all",
        networks,
    ]


def test_without_annotations_and_predictions_there_are_five_panels(place, audio):
    figure = draw_song(SongPicture("7", spectrogram(audio), extract_features(audio, "FS2", FeatureStore())))
    assert len(figure.axes) == 5
    assert figure.axes[0].get_yscale() == "log"


def test_values_beyond_the_scale_are_not_cut_off(place, audio):
    curve = Curve(np.array([15.0, 15.5]), np.array([-2.0, 9.0]))
    features = extract_features(audio, "FS2", FeatureStore())
    axis = draw_song(SongPicture("7", waveform(audio), features, {"valence": curve})).axes[5]
    assert axis.get_title(loc="left") == "valence"
    low, high = axis.get_ylim()
    assert -2.5 < low < -2
    assert 9 < high < 9.5


@pytest.mark.parametrize("how", ["--model", "--predictions"])
def test_the_axis_is_the_scale_that_the_model_tells(place, audio, monkeypatch, drawn, how):
    description = DESCRIPTION | {"target_range": [-3, 9]}
    write_model(place / "run" / "model", description, arrays())
    times = np.arange(4) / 2
    columns = {"file": "7", "time": times, "arousal": 5.0, "valence": 6.0, "arousal_spread": 0.1}
    table = pd.DataFrame(columns | {"valence_spread": 0.1})
    opened = SimpleNamespace(system="lstm_all")
    monkeypatch.setattr(command, "open_predictor", lambda *_: opened)
    monkeypatch.setattr(command, "predict_files", lambda *_, **__: Predicted(table, []))
    result = invoke(audio, how, place / "run")
    assert result.exit_code == 0, result.output
    axis = draw_song(drawn[0]).axes[5]
    assert axis.get_ylim() == (-3, 9)
    assert axis.get_ylabel() == "-3 to 9"


def test_a_band_beyond_the_scale_is_not_cut_off(place, audio):
    unknown = np.array([0.75, np.nan])
    curve = Curve(np.array([15.0, 15.5]), np.array([-0.75, 0.5]), unknown)
    other = Curve(np.array([15.0, 15.5]), np.array([0.5, 0.25]), np.array([0.125, 1.5]))
    features = extract_features(audio, "FS2", FeatureStore())
    picture = SongPicture("7", waveform(audio), features, {"valence": curve}, {"valence": other})
    low, high = draw_song(picture).axes[5].get_ylim()
    assert -1.6 < low < -1.5
    assert 1.75 < high < 1.85


def test_the_curves_of_an_hour_are_medians_over_all_values(audio):
    times = np.arange(7198) / 2
    table = pd.DataFrame({"frameTime": times} | dict.fromkeys(FEATURES, times % 10))
    curve = Curve(times, np.tile([-0.5, 0.5], 3599), np.full(7198, 0.25))
    axes = draw_song(SongPicture("hour", waveform(audio), table, {}, {"arousal": curve})).axes
    (line_drawn,) = axes[3].get_lines()
    assert len(line_drawn.get_xdata()) == 600  # of 12 rows, 6 s each; the last of 10
    assert line_drawn.get_xdata()[:2].tolist() == [2.75, 8.75]
    assert line_drawn.get_ydata()[0] == 2.75
    heights = axes[3].collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (0, 9.5)
    assert set(line(axes[5], "prediction").get_ydata()) == {0.0}
    assert {y for _, y in band(axes[5], "#c2410c")} == {-0.25, 0.25}
    assert "medians of 12 windows" in axes[-1].get_xlabel()


@pytest.mark.parametrize("seconds", [0.01, 2.0, 40.0])
def test_the_waveform_keeps_every_extreme(tmp_path, seconds):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (int(seconds * RATE), 2)).astype(np.float32)
    samples[len(samples) // 3] = 0.75
    samples[-1] = -0.75
    soundfile.write(tmp_path / "x.wav", samples, RATE, subtype="FLOAT")
    view = waveform(tmp_path / "x.wav")
    columns = len(view.low)
    assert isinstance(view, Waveform)
    assert columns == min(COLUMNS, len(samples))
    mono, places = samples.mean(1), np.arange(len(samples)) * columns // len(samples)
    assert view.low.tolist() == [mono[places == k].min() for k in range(columns)]
    assert view.high.tolist() == [mono[places == k].max() for k in range(columns)]
    effective = [np.sqrt((mono[places == k].astype(float) ** 2).mean()) for k in range(columns)]
    assert view.effective == pytest.approx(effective)
    assert view.edges[[0, -1]] == pytest.approx([0, len(samples) / RATE])


@pytest.mark.parametrize("seconds", [0.05, 2.0, 300.0])
def test_the_spectrogram_shows_a_tone_where_and_when_it_sounds(tmp_path, seconds):
    n = np.arange(int(seconds * RATE))
    soundfile.write(tmp_path / "x.wav", 0.5 * np.sin(2 * np.pi * 1000 * n / RATE) * (n >= len(n) / 2), RATE)
    view = spectrogram(tmp_path / "x.wav")
    assert isinstance(view, Spectrogram)
    bands, columns = view.decibels.shape
    assert (len(view.frequencies), len(view.edges)) == (bands + 1, columns + 1)
    assert columns <= COLUMNS
    assert view.frequencies[[0, -1]] == pytest.approx([40, RATE / 2])
    assert view.edges[-1] == pytest.approx(len(n) / RATE)
    loudest = int(view.decibels[:, -1 - columns // 4].argmax())
    assert view.frequencies[loudest - 1] < 1000 < view.frequencies[loudest + 2]
    assert view.decibels.max() == 0
    if seconds > 1:  # longer than a window
        assert (view.decibels[:, : columns // 2 - columns // 16] == FLOOR_DB).all()


@pytest.mark.parametrize("view", [waveform, spectrogram])
def test_a_picture_shows_the_song_that_features_are_taken_from(tmp_path, view):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 10 * RATE)
    samples[: 3 * RATE] *= 0.01
    soundfile.write(tmp_path / "x.mp3", samples, RATE, bitrate_mode="VARIABLE")
    content = (tmp_path / "x.mp3").read_bytes()
    (tmp_path / "x.mp3").write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(AudioError, match="it may be cut off"):
        view(tmp_path / "x.mp3")
    bare = content[content.index(content[:2], content.index(b"Xing")) :]  # no header that tells its length
    (tmp_path / "x.mp3").write_bytes(bare)
    assert soundfile.info(tmp_path / "x.mp3").duration < 8  # as libsndfile guesses
    assert view(tmp_path / "x.mp3").edges[-1] == pytest.approx(10, abs=0.1)


def test_columns_of_the_spectrogram_do_not_depend_on_the_blocks(tmp_path, monkeypatch):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 5 * RATE)
    soundfile.write(tmp_path / "x.wav", samples, RATE)
    whole = spectrogram(tmp_path / "x.wav").decibels
    monkeypatch.setattr("lstmcore.features.audio._BLOCK_FRAMES", 1000)
    assert spectrogram(tmp_path / "x.wav").decibels == pytest.approx(whole, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "magic"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n"),
        ("a.pdf", b"%PDF-"),
        ("a.svg", b"<?xml"),
        ("a.html", b"<!DOCTYPE html>"),
        ("A.PNG", b"\x89PNG\r\n\x1a\n"),
    ],
)
def test_the_suffix_is_the_format(place, audio, name, magic):
    result = invoke(audio, "--out", name, "--annotations", "data", "--predictions", "run")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"picture: {name}\n"
    content = (place / name).read_bytes()
    assert content.startswith(magic)
    if name.endswith(("svg", "html")):
        assert content.count(b"<svg") == 1
        assert b"standard deviation of raters" in content


def test_the_default_is_a_png_in_the_current_folder(place, audio, drawn):
    assert invoke(audio, "--view", "spectrogram").exit_code == 0
    assert [path.name for path in place.glob("7.*")] == ["7.png"]


@pytest.mark.skipif(os.name != "posix", reason="names of files are text there")
@pytest.mark.parametrize("name", [b"caf\xe9", b"two\nlines", b"x" * 251, b'"<b>&'])
def test_a_song_of_any_name_has_its_picture(place, audio, drawn, name):
    try:
        song = shutil.copy(audio, os.fsdecode(name + b".wav"))
    except OSError as error:
        pytest.skip(f"this system has no such names: {error.strerror}")
    for given, written in ([], name + b".png"), (["--out", "of it.html"], b"of it.html"):
        result = invoke(f"./{song}", *given)
        assert result.exit_code == 0, result.output
        assert result.stdout == f"picture: {printable(os.fsdecode(written))}\n"
        assert Path(os.fsdecode(written)).exists()


def test_the_picture_of_an_m4a_file_is_that_of_the_same_sound(place, audio):
    samples, rate = soundfile.read(audio, dtype="int16", always_2d=True)
    media = encode(place / "7.m4a", samples, codec="alac", rate=rate)
    for view in (waveform, spectrogram):
        for found, expected in zip(vars(view(media)).values(), vars(view(audio)).values(), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_a_single_file_of_annotations_says_its_target(place, audio):
    path = place / "own_Valence_2015.csv"
    write_dynamic(path, {7: VALENCE})
    assert list(read_annotations(path, "7")) == ["valence"]
    folder = place / "flat"
    write_dynamic(folder / "arousal.csv", {7: AROUSAL})
    write_dynamic(folder / "valence.csv", {7: VALENCE})
    found = read_annotations(folder, "7")
    assert found["arousal"].values.tolist() == AROUSAL
    assert found["arousal"].spread is None


def test_predictions_of_a_run_by_song_and_system(place, audio):
    system, curves = read_predictions(place / "run" / "predictions.csv", audio, "8", "global_mean")
    assert system == "global_mean"
    assert curves["valence"].values.tolist() == VALENCE[:3]
    assert curves["valence"].spread is None
    assert read_predictions(place / "run", audio, "8", None)[1]["arousal"].spread.tolist() == [0.05] * 3


def test_the_output_of_predict_by_path_or_stem(place, audio):
    rows = [f"{file},{k / 2},{value},0" for file, value in (("x/7.wav", 0.1), (audio, 0.2)) for k in (0, 1)]
    table = place / "p.csv"
    table.write_text("\n".join(["file,time,arousal,valence", *rows]) + "\n")
    assert read_predictions(table, audio, None, None)[1]["arousal"].values.tolist() == [0.2, 0.2]
    table.write_text("\n".join(["file,time,arousal,valence", *rows[:2]]) + "\n")
    assert read_predictions(table, audio, None, None)[1]["arousal"].values.tolist() == [0.1, 0.1]
    table.write_text("\n".join(["file,time,arousal,valence", *rows]) + "\n")
    result = invoke(audio, "--predictions", table, "--song-id", "7")
    assert result.exit_code == 2
    assert f"several songs are called '7': x/7.wav, {audio}" in result.output


@pytest.mark.parametrize("called", ["7.wav", "disc/7", "disc/7.wav"])
def test_a_run_of_ones_own_audio_knows_songs_by_their_paths(place, called):
    rows = [f"{song},{k / 2},{value}" for song, value in (("8.wav", 0.1), (called, 0.2)) for k in (0, 1)]
    (place / "own.csv").write_text("\n".join(["song_id,time,joy", *rows]) + "\n")
    curves = read_predictions(place / "own.csv", place / "recordings/disc/7.wav", None, None)[1]
    assert curves["joy"].values.tolist() == [0.2, 0.2]


def test_what_lies_beside_predictions_says_their_scale(place, audio, drawn):
    for name in ("p.csv", "other.csv"):
        (place / name).write_text(f"file,time,joy\n{audio},0,3\n{audio},1,4\n")
    facts = {"scale": [1.0, 9.0]}
    (place / "p.csv-metadata.json").write_text(json.dumps({"url": "p.csv", "notes": [facts]}))
    tables = {"tables": [{"url": "7.csv"}], "notes": [facts]}
    (place / "csv-metadata.json").write_text(json.dumps(tables))
    shutil.copy("p.csv", "7.csv")
    for name in ("p.csv", "7.csv", "other.csv"):
        assert invoke(audio, "--predictions", name, "--out", "a.png").exit_code == 0
    assert [picture.scale for picture in drawn] == [(1, 9), (1, 9), None]


def test_a_model_predicts_the_song_itself(place, audio, monkeypatch, drawn):
    predictor = Predictor(None, "lstm_ccc", None)

    def opened(run, system):
        assert (run, system) == (place / "run", "lstm_ccc")
        return predictor

    def predicted(model, files, *, workers, on_done):
        assert (model, files) == (predictor, [audio])
        on_done(None)
        times = np.arange(30) / 2
        columns = {"file": "7", "time": times, "arousal": times / 100, "valence": -times / 100}
        return Predicted(pd.DataFrame(columns | {"arousal_spread": 0.1, "valence_spread": 0.2}), [])

    monkeypatch.setattr(command, "open_predictor", opened)
    monkeypatch.setattr(command, "predict_files", predicted)
    result = invoke(audio, "--model", place / "run", "--system", "lstm_ccc")
    assert result.exit_code == 0, result.output
    assert drawn[0].system == "lstm_ccc"
    assert drawn[0].predictions["valence"].values[-1] == pytest.approx(-0.145)
    assert drawn[0].predictions["valence"].spread[0] == 0.2


TABLE = "song_id,time,system,arousal,valence\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "a.jpg"], "a.jpg: unknown suffix '.jpg'; expected one of .html, .png, .svg, .pdf"),
        (["--out", "a"], "a: no suffix; expected one of .html"),
        (["--out", "no/a.png"], "no: no such folder; expected the folder to write a.png to"),
        (["--out", "run/predictions.csv/a.png"], "run/predictions.csv: is not a folder"),
        (["--out", "folder.png"], "folder.png: is a folder; expected a file"),
        (["--view", "score"], "'waveform', 'spectrogram'"),
        (["--predictions", "run", "--model", "run"], "--predictions and --model: expected one of them"),
        (["--system", "lstm_all"], "--system lstm_all: expected --predictions or --model"),
        (["--predictions", "none.csv"], "none.csv: no such file"),
        (["--predictions", "data"], "data: no predictions.csv in it; expected the folder of a finished run"),
        (["--predictions", "run", "--song-id", "77"], "no song '77'; it has 2 songs: 7"),
        (
            ["--predictions", "run", "--system", "lstm_al"],
            "no system 'lstm_al'; this song has lstm_all, global_mean; did you mean 'lstm_all'?",
        ),
        (
            ["--predictions", "wrong.csv"],
            "wrong.csv, line 1: no column song_id (or file); found time",
        ),
        (["--predictions", "short.csv"], "short.csv, line 3: 2 columns; the header has 5"),
        (
            ["--predictions", "number.csv"],
            "number.csv, line 3: column arousal is 'x'; expected a finite number",
        ),
        (["--predictions", "twice.csv"], "twice.csv: the times of this song don't rise"),
        (["--predictions", "file.csv", "--system", "a"], "file.csv: no column 'system'"),
        (["--predictions", "late.csv"], "lasts 18.0 s, but its predictions go on to 18.5 s"),
        (["--model", "data"], "data: has no model.json; expected the folder of a finished run or of a model"),
        (["--annotations", "nowhere"], "nowhere: no such file or folder"),
        (
            ["--annotations", "run"],
            "run: no annotations; expected annotations/annotations averaged per song/",
        ),
        (["--annotations", "file.csv"], "expected 'arousal' or 'valence' in it"),
        (["--annotations", "data", "--song-id", "9"], "arousal.csv: no song '9'; it has 2 songs: 7, 8"),
        (["--annotations", "data", "--song-id", "hit"], "song 'hit': annotations know songs by number"),
        (["--annotations", "data", "--annotations", "data"], "data: arousal is annotated twice"),
        (["--annotations", "arousal.csv"], "arousal.csv, line 1: first column is 'time'; expected 'song_id'"),
    ],
)
def test_mistakes_exit_with_2_and_write_nothing(place, audio, arguments, message):
    (place / "folder.png").mkdir()
    (place / "wrong.csv").write_text("time,arousal\n0,1\n")
    (place / "short.csv").write_text(TABLE + "7,0,a,0,0\n7,1\n")
    (place / "number.csv").write_text(TABLE + "7,0,a,0,0\n7,1,a,x,0\n")
    (place / "twice.csv").write_text(TABLE + "7,0,a,0,0\n7,0,a,0,0\n")
    (place / "late.csv").write_text(TABLE + "7,0,a,0,0\n7,18.5,a,0,0\n")
    (place / "file.csv").write_text("file,time,arousal,valence\n7.wav,0,0,0\n")
    (place / "arousal.csv").write_text("time,sample_15000ms,sample_15500ms\n7,0,0\n")
    before = sorted(place.rglob("*"))
    result = invoke(audio, *arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit)
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"text", "cannot be decoded"), (b"", "the file is empty")],
)
def test_what_is_not_audio_is_named(place, content, message):
    if content is not None:
        (place / "7.mp3").write_bytes(content)
    result = invoke("7.mp3", "--annotations", "data")
    assert result.exit_code == 2
    assert f"error: 7.mp3: {message}" in result.output


def test_a_folder_that_cannot_be_written_to_is_named_before_anything_is_computed(place, audio, monkeypatch):
    def denied(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    def computed(*_):
        raise AssertionError("features were computed")

    monkeypatch.setattr(tempfile, "TemporaryFile", denied)
    monkeypatch.setattr(command, "extract_features", computed)
    result = invoke(audio, "--out", "run/a.png")
    assert result.exit_code == 2
    assert "error: run: can't be written to: Permission denied" in result.output


def test_a_long_song_has_minutes_on_its_axis():
    times = np.arange(0, 300, 0.5)
    curve = Curve(times, np.zeros(len(times)), None)
    edges = np.linspace(0, 300, 11)
    sound = Waveform(edges, *(np.full(10, value) for value in (-0.5, 0.5, 0.1)))
    figure = draw_song(SongPicture("a song", sound, predictions={"arousal": curve}))
    figure.canvas.draw()
    labels = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert "2:00" in labels
    assert figure.axes[-1].get_xlabel().startswith("time (")
