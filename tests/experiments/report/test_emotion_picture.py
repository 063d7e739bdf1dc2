"""``lstmcore plot --view emotion``: curves over the waveform, and a path through the plane of two targets."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from matplotlib.collections import LineCollection
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.report.song import command
from lstmcore.experiments.report.song.curves import Curve
from lstmcore.experiments.report.song.emotion import draw_emotion, plane_of
from lstmcore.experiments.report.song.figure import SongPicture
from lstmcore.experiments.report.song.sound import waveform

RATE = 8000
TIMES = np.arange(12) / 2
RISING, FALLING = np.linspace(-0.5, 0.5, 12), np.linspace(0.75, 0.25, 12)


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    path = tmp_path_factory.mktemp("audio") / "a song.wav"
    soundfile.write(path, 0.5 * np.sin(np.arange(7 * RATE) / 3), RATE)
    return path


def picture(audio, predictions, annotations=None, scale=(-1.0, 1.0)):
    return SongPicture("a song", waveform(audio), None, annotations or {}, predictions, "lstm", scale)


def line_of(axis, label):
    [found] = [line for line in axis.get_lines() if line.get_label() == label]
    return found


def test_two_curves_lie_over_the_waveform_and_their_path_in_a_plane(audio):
    spread = np.full(12, 0.125)
    curves = {"arousal": Curve(TIMES, RISING, spread), "valence": Curve(TIMES, FALLING, spread)}
    curve_axis, plane, behind, bar = draw_emotion(picture(audio, curves)).axes
    assert line_of(curve_axis, "arousal").get_ydata().tolist() == RISING.tolist()
    band = curve_axis.collections[0].get_paths()[0].vertices
    assert {round(y, 6) for x, y in band if x == 0.5} == {round(RISING[1] + s, 6) for s in (-0.125, 0.125)}
    assert curve_axis.get_ylim() == (-1, 1)
    assert curve_axis.get_xlim() == pytest.approx((0, 7))
    assert len(behind.patches) == 1  # the waveform, below the curves
    assert behind.get_zorder() < curve_axis.get_zorder()
    assert (plane.get_xlabel(), plane.get_ylabel()) == ("valence", "arousal")
    assert (plane.get_xlim(), plane.get_ylim(), plane.get_aspect()) == ((-1, 1), (-1, 1), 1)
    [path] = [one for one in plane.collections if isinstance(one, LineCollection)]
    np.testing.assert_allclose(path.get_segments()[0], [[0.75, -0.5], [FALLING[1], RISING[1]]])
    np.testing.assert_allclose(path.get_array(), TIMES[:-1] + 0.25)
    assert bar.get_ylim() == pytest.approx((0, 7))


def test_another_number_of_targets_has_no_plane(audio):
    for names in (["joy"], ["joy", "awe", "tension"]):
        figure = draw_emotion(picture(audio, {name: Curve(TIMES, RISING) for name in names}, scale=(1, 9)))
        axis, _ = figure.axes
        assert [text.get_text() for text in axis.get_legend().get_texts()] == names
        assert axis.get_ylim()[1] == 9


def test_annotations_are_dashed_where_there_are_predictions_and_else_take_their_place(audio):
    one, other = Curve(TIMES, RISING), Curve(TIMES[3:], FALLING[3:])
    both = draw_emotion(picture(audio, {"a": one, "b": one}, {"a": other, "b": other})).axes[0]
    assert line_of(both, "a, annotation").is_dashed()
    assert not line_of(both, "a").is_dashed()
    alone = draw_emotion(picture(audio, {}, {"a": one, "b": other}))
    assert not line_of(alone.axes[0], "a").is_dashed()
    [path] = [c for c in alone.axes[1].collections if isinstance(c, LineCollection)]
    assert path.get_segments()[0][0].tolist() == [RISING[3], FALLING[3]]  # of the times that both have


def test_a_song_of_one_window_and_an_unknown_scale(audio):
    curve = Curve(TIMES[:1], RISING[:1], np.array([np.nan]))
    axes = draw_emotion(picture(audio, {"a": curve, "b": curve}, scale=None)).axes
    assert "scale unknown" in axes[0].get_title(loc="right")
    assert "bands" not in axes[0].get_title(loc="right")


def test_the_path_of_an_hour_has_as_many_points_as_can_be_seen(audio):
    times = np.arange(7200) / 2
    curve = Curve(times, np.sin(times / 100), np.full(7200, 0.1))
    axes = draw_emotion(picture(audio, {"a": curve, "b": curve})).axes
    [path] = [c for c in axes[1].collections if isinstance(c, LineCollection)]
    assert len(path.get_segments()) == 599
    assert len(line_of(axes[0], "a").get_xdata()) == 600


def test_valence_lies_across_and_else_the_first_target():
    curve = Curve(TIMES, RISING)
    assert plane_of({"arousal": curve, "valence": curve}) == ("valence", "arousal")
    assert plane_of({"valence": curve, "arousal": curve}) == ("valence", "arousal")
    assert plane_of({"joy": curve, "awe": curve}) == ("joy", "awe")
    assert plane_of({"joy": curve}) is None


def test_the_command_draws_it_without_features(audio, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame({"file": "a song.wav", "time": TIMES, "joy": RISING, "awe": FALLING})
    table.assign(joy_spread=0.1, awe_spread=0.1).to_csv("p.csv", index=False)

    def extracted(*_, **__):
        raise AssertionError("features are of no use here")

    monkeypatch.setattr(command, "extract_music", extracted)
    monkeypatch.setattr(command, "extract_features", extracted)
    words = ["plot", str(audio), "--view", "emotion", "--predictions", "p.csv", "--out", "e.svg", "--quiet"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    text = (tmp_path / "e.svg").read_text()
    assert all(f">{word}<" in text for word in ("joy", "awe", "beginning", "0:05"))


def test_the_command_predicts_where_nothing_is_given(audio, fs1_run, tmp_path, monkeypatch):
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    opened = []

    def open_predictor(model, system):
        opened.append(model)
        return real(fs1_run, system)

    real = command.open_predictor
    monkeypatch.setattr(command, "open_predictor", open_predictor)
    result = CliRunner().invoke(app, ["plot", str(audio), "--view", "emotion", "--quiet"])
    assert result.exit_code == 0, result.output
    assert opened == [None]
    assert (tmp_path / "a song.png").stat().st_size > 10_000
