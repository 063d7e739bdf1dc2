"""The lag of raters: which features stand beside an annotation, in training and in prediction."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from lstmcore.experiments.cli import app, run_app
from lstmcore.experiments.datasets.delay import delay_frames, delayed
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.prediction import load_model
from lstmcore.experiments.prediction.model import write_model
from tests.experiments.conftest import DYNAMIC, write_dynamic
from tests.experiments.datasets.test_deam import load, write_features
from tests.experiments.prediction.test_model_files import DESCRIPTION, ROWS, arrays

SONGS = [*range(1, 10), 2001, 2002]
STAMPS = [14.0, 14.5, 15.0, 16.0, 16.5, 17.0, 17.5]  # 15.5 is missing, and they end early


def loaded(tiny, delay, *more):
    write_features(tiny, SONGS, STAMPS, lambda song, t, k: song + t / 100 + k)
    return load(tiny, "data.features=FS1", f"data.annotation_delay={delay}", *more).development[3]


@pytest.mark.parametrize(
    ("delay", "heard"),
    [
        (0, [4.15, 4.16, 4.165, 4.17, 4.175]),
        (0.5, [4.145, 4.15, 4.16, 4.165, 4.17]),  # of 15.5, which is missing, the last before it
        (1.5, [4.14, 4.145, 4.15, 4.15, 4.16]),
        (30, [4.14] * 5),
    ],
)
def test_features_are_those_of_the_music_before_and_frames_stay(tiny, delay, heard):
    song, plain = loaded(tiny, delay), loaded(tiny, 0)
    np.testing.assert_allclose(song.features[:, 0], heard)
    np.testing.assert_array_equal(song.times, plain.times)
    np.testing.assert_array_equal(song.annotation, plain.annotation)


def test_the_lead_in_is_as_late(tiny):
    song = loaded(tiny, 0.5, "data.lead_in=1")
    np.testing.assert_allclose(song.heard[:4, 0], [4.14, 4.14, 4.145, 4.15])


def test_of_one_row_a_song_all_delays_are_the_same(tiny):
    songs = [
        load(tiny, f"data.annotation_delay={delay}", "data.lead_in=1").development[0] for delay in (0, 2)
    ]
    assert songs[0].digest == songs[1].digest


def test_frames_of_a_third_of_a_second():
    stamps, rows = [0, 333, 667, 1000, 1333], np.arange(5.0)[:, None]
    assert delay_frames(1, 1 / 3) == 3
    assert delayed(stamps, rows, 2, 1000 / 3)[:, 0].tolist() == [0, 0, 0, 1, 2]


@pytest.mark.parametrize(
    ("delay", "message"),
    [
        (0.7, "data.annotation_delay is 0.7, and frames are 0.5 s apart; expected a multiple of that"),
        (0.1, "such as 0.5"),
        (1e9, "data.annotation_delay is 1000000000.0; expected less than or equal to 3600"),
        (-1, "data.annotation_delay is -1; expected greater than or equal to 0"),
    ],
)  # fmt: skip
def test_what_is_no_number_of_frames_is_refused(tiny, delay, message):
    with pytest.raises(InputError, match=message):
        load(tiny, f"data.annotation_delay={delay}")


def test_one_frame_a_song_has_no_distance(tiny):
    for target in ("arousal", "valence"):
        write_dynamic(tiny / "data" / DYNAMIC / f"{target}.csv", {song: [0.1 * (song % 7)] for song in SONGS})
    with pytest.raises(InputError, match="no song has two annotated frames"):
        load(tiny, "data.annotation_delay=0.5")


def test_a_model_predicts_on_the_clock_of_the_raters(tmp_path):
    def predicted(rows, **changes):
        write_model(tmp_path, DESCRIPTION | {"smoothing_seconds": 0.0} | changes, arrays())
        return load_model(tmp_path).predict(rows)[0]

    late = np.concatenate([ROWS[:1], ROWS[:1], ROWS])[: len(ROWS)]
    np.testing.assert_array_equal(predicted(ROWS, annotation_delay_seconds=1.0), predicted(late))
    still = predicted(np.repeat(ROWS[:1], len(ROWS), 0))
    np.testing.assert_array_equal(predicted(ROWS, annotation_delay_seconds=60.0), still)


def test_a_run_keeps_its_delay_and_predicts_likewise(tiny):
    rng = np.random.default_rng(1)
    table = rng.standard_normal((2003, 8, 260))
    stamps = [15 + k / 2 for k in range(8)]
    write_features(tiny, SONGS, stamps, lambda song, t, k: table[song, stamps.index(t), k])
    options = ["data.features=FS1", "data.annotation_delay=1.0", "data.unlabelled=none"]
    words = [str(tiny / "tiny.toml"), "--out", str(tiny / "out"), "--quiet"]
    result = CliRunner().invoke(run_app, [*words, *(w for one in options for w in ("--set", one))])
    assert result.exit_code == 0, result.output
    model = load_model(tiny / "out" / "model")
    assert model.about.annotation_delay_seconds == 1.0
    with (tiny / "out" / "predictions.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["song_id"] == "2001" and r["system"] == "lstm_ccc"]
    curve = model.predict(table[2001], "lstm_ccc")[0]
    np.testing.assert_allclose([float(r["arousal"]) for r in rows], curve[: len(rows), 0], atol=2e-6)


SEARCH = """
[search]
folds = 2
trials = 1
[[search.steps]]
key = "data.annotation_delay"
values = [0.0, 0.5, 1.0]
[[search.steps]]
key = "data.normal_scores"
values = [false, true]
[[ablation]]
name = "no delay"
set = { "data.annotation_delay" = 0.0 }
"""


@pytest.fixture
def searching(tiny, monkeypatch):
    """Arousal follows the first feature half a second late."""
    rng = np.random.default_rng(2)
    table = {song: rng.standard_normal((9, 260)) for song in SONGS}
    stamps = [14.5 + k / 2 for k in range(9)]
    write_features(tiny, SONGS, stamps, lambda song, t, k: table[song][stamps.index(t), k])
    for target in ("arousal", "valence"):
        curves = {song: (0.4 * np.tanh(rows[:8, 0])).round(4).tolist() for song, rows in table.items()}
        write_dynamic(tiny / "data" / DYNAMIC / f"{target}.csv", curves)
    text = (tiny / "tiny.toml").read_text().replace('"song_means"', '"FS1"\nunlabelled = "none"')
    (tiny / "tiny.toml").write_text(text + SEARCH)
    monkeypatch.chdir(tiny)
    return tiny


def test_a_search_tries_delays_on_the_same_frames(searching):
    result = CliRunner().invoke(app, ["search", "tiny.toml", "--out", "found", "--workers", "1"])
    assert result.exit_code == 0, result.output
    with (searching / "found" / "search.csv").open() as file:
        rows = list(csv.DictReader(file))
    tried = [(json.loads(r["data.annotation_delay"]), json.loads(r["data.normal_scores"])) for r in rows]
    assert tried[:3] == [(0.0, False), (0.5, False), (1.0, False)]
    assert len({r["score"] for r in rows[:3]}) == 3
    assert [r["reused"] == r["jobs"] for r in rows] == [False, False, False, True, False]


def test_an_ablation_takes_a_delay_away(searching):
    line = ["ablate", "tiny.toml", "--out", "found", "--set", "data.annotation_delay=0.5", "--quiet"]
    assert CliRunner().invoke(app, line).exit_code == 0
    with (searching / "found" / "ablation.csv").open() as file:
        (row, *_) = [r for r in csv.DictReader(file) if r["ablation"] == "no delay"]
    assert row["songs"] == "7"
    assert float(row["difference"]) != 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["search={steps=[{key='data.annotation_delay', values=[0.5, 0.3]}]}"],
            "data.annotation_delay is 0.3",
        ),
        (
            ["search={method='optuna', steps=[{key='data.annotation_delay', range={low=0.0, high=2.0}}]}"],
            "search.steps.0 has a range for data.annotation_delay",
        ),
    ],
)
def test_a_search_refuses_what_is_no_delay_before_it_trains(searching, options, message):
    words = [w for one in options for w in ("--set", one)]
    result = CliRunner().invoke(app, ["search", "tiny.toml", "--out", "found", *words])
    assert result.exit_code == 2
    assert message in result.output
    assert not list(searching.glob("found/jobs/*"))
