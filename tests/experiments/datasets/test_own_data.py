"""Data unlike DEAM's: other scales and distances of frames, one rating a song, broken files."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings, strategies as st
from typer.testing import CliRunner

from lstmcore.experiments.cli import app, run_app
from lstmcore.experiments.datasets.deam_layout import rater_file
from lstmcore.experiments.datasets.feature_tables import checked_table
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.prediction.model import load_model
from lstmcore.experiments.report.plots import limits
from lstmcore.features.sets import feature_names
from tests.experiments.config.test_options import curves
from tests.experiments.conftest import EXPERIMENT, write_dynamic, write_tiny_deam
from tests.experiments.datasets.test_deam import arousal, edit, load, set_cell, valence, write_features
from tests.experiments.run.test_run import run

SONGS = [*range(1, 10), 2001, 2002]


def rewrite(folder: Path, hop: int = 500, scale: float = 1, offset: float = 0, frames: int = 99) -> None:
    """Write the annotations again, in another scale or at other times."""
    for path in (arousal(folder), valence(folder)):
        rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
        values = {int(s): [offset + scale * float(v) for v in cells if v] for s, *cells in rows}
        write_dynamic(path, {song: curve[:frames] for song, curve in values.items()}, hop)


# --- the scale ----------------------------------------------------------------------------


def test_ratings_of_one_to_nine(tiny):
    before = curves(run(tiny, "before").folder, "lstm_all")
    rewrite(tiny, scale=4, offset=5)
    result = run(tiny, "out", "data.scale=[1, 9]")
    after = curves(result.folder, "lstm_all")
    np.testing.assert_allclose(after["arousal"], 5 + 4 * before["arousal"], atol=1e-4)
    assert load_model(result.folder / "model").about.target_range == [1, 9]
    assert "Annotations go from 1 to 9; so do errors." in result.notes
    report = (result.folder / "report.html").read_text()
    assert re.search(r'"scale": ?\[1(\.0)?, ?9(\.0)?\]', report)  # of axes


def test_a_value_outside_the_scale_is_named(tiny):
    set_cell(arousal(tiny), 3, 1, "1.001")
    with pytest.raises(
        InputError, match=r"arousal\.csv, line 4: song 3, column sample_15000ms is 1\.001; expected -1 to 1"
    ):
        load(tiny)
    assert load(tiny, "data.scale=[-2, 2]").scale == (-2, 2)


def test_an_axis_holds_the_scale_and_all_that_is_drawn():
    within, beyond = np.array([-0.5, 0.5, np.nan]), np.array([3.0, 8.0])
    assert limits([1, 9], beyond) == (1, 9)
    assert limits(None, within) == pytest.approx((-0.52, 0.52))
    low, high = limits(None, within, beyond)
    assert -0.7 < low < -0.5
    assert 8 < high < 8.2
    low, high = limits([-1, 1], within, beyond)
    assert (low, high > 8) == (-1, True)


# --- from frame to frame ------------------------------------------------------------------


def test_a_rating_a_second(tiny):
    rewrite(tiny, hop=1000)
    result = run(tiny, "out", "predictions.smoothing=3", "data.lead_in=2")
    plain = run(tiny, "plain", "data.lead_in=2")
    model = load_model(result.folder / "model")
    assert (model.about.hop_seconds, model.about.smoothing_seconds) == (1.0, 3.0)
    before, after = (curves(one.folder, "lstm_all") for one in (plain, result))
    for song, rows in before.groupby("song_id"):
        window = rows[["arousal", "valence"]].rolling(3, center=True, min_periods=1).mean()
        ours = after.loc[after["song_id"] == song, ["arousal", "valence"]]
        np.testing.assert_allclose(ours, window, atol=2e-6)
    table = pd.read_csv(result.folder / "predictions.csv")
    ours = table[(table.song_id == 2001) & (table.system == "lstm_rmse")]
    means = pd.read_csv(tiny / "data" / "song_mean_features.csv").set_index("song_id")
    features = np.repeat(means.loc[[2001]].to_numpy(), len(ours), 0)
    times = ours["time"].to_numpy()
    assert np.diff(times).tolist() == [1] * (len(times) - 1)
    found = model.predict(features, "lstm_rmse", times=times)[0]
    np.testing.assert_allclose(found, ours[["arousal", "valence"]], atol=1e-6)
    with pytest.raises(InputError, match=r"features are 0\.5 s apart; expected 1 s"):
        model.predict(features, times=times / 2)
    with pytest.raises(InputError, match=r"times have shape \(2,\)"):
        model.predict(features, times=times[:2])


def test_lead_in_and_songs_without_annotations_have_the_hop_of_the_annotations(tiny):
    assert len(load(tiny).unlabelled[0].times) == 60
    rewrite(tiny, hop=1000)
    data = load(tiny, "data.lead_in=2.9")
    assert data.hop_seconds == 1.0
    assert data.development[0].frames_before == 2
    assert np.diff(data.unlabelled[0].times).tolist() == [1] * 29


def test_finer_features_are_thinned_out_to_the_annotations(tiny):
    rewrite(tiny, hop=1000)
    stamps = [13.5 + k / 2 for k in range(30)]
    write_features(tiny, [*SONGS, 11], stamps, lambda song, t, k: t)
    data = load(tiny, "data.features=FS1", "data.lead_in=1")
    song = data.development[0]
    assert song.heard[:3, 0].tolist() == [14, 15, 16]
    assert data.unlabelled[0].features[:3, 0].tolist() == [13.5, 14.5, 15.5]


def test_coarser_features_of_all_songs_set_the_hop(tiny):
    write_features(tiny, SONGS, [15.0, 16.0, 17.0], lambda song, t, k: t)
    assert load(tiny, "data.features=FS1").hop_seconds == 1.0
    write_features(tiny, [4], [15.0, 15.5, 16.0], lambda song, t, k: t)
    with pytest.raises(
        InputError, match=r"song 1: its annotated frames with features are 1 s apart, and .* 4 "
    ):
        load(tiny, "data.features=FS1")


def test_an_unlabelled_song_of_another_hop_is_left_out(tiny):
    write_features(tiny, [*SONGS, 11], [15.0, 15.5, 16.0], lambda song, t, k: t)
    write_features(tiny, [12], [15.0, 16.0, 17.0], lambda song, t, k: t)
    data = load(tiny, "data.features=FS1")
    assert [song.song_id for song in data.unlabelled] == [11]
    assert any("song 12: its features are 1 s apart; expected 0.5 s" in note for note in data.notes)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda d: edit(arousal(d), "sample_18500ms", "sample_19000ms"),
            r"arousal\.csv: song 2: sample_19000ms comes 1000 ms after the frame before it, and most 500 ms",
        ),
        (
            lambda d: write_dynamic(valence(d), {s: [0.1, 0.2, 0.3] for s in SONGS}, 1000),
            r"valence\.csv: frames are 1 s apart, and those of .*arousal\.csv 0\.5 s; expected the same",
        ),
        (
            lambda d: [write_dynamic(d / "data" / f"own_{t}.csv", {1: [0.1, 0.2]}, 250) for t in "av"],
            r"arousal\.csv: frames are 0\.5 s apart, and those of .*own_a\.csv 0\.25 s",
        ),
    ],
)
def test_mixed_hops_are_named(tiny, spoil, message):
    spoil(tiny)
    own = (tiny / "data" / "own_a.csv").is_file()
    options = ["data.targets.arousal=own_a.csv", "data.targets.valence=own_v.csv"] if own else []
    with pytest.raises(InputError, match=message):
        load(tiny, *options)


@pytest.mark.parametrize(("hop", "least"), [(500, "1"), (1000, "2")])
def test_smoothing_that_reaches_no_other_prediction(tiny, hop, least):
    rewrite(tiny, hop=hop)
    message = rf"predictions.smoothing is 0.9, .*; expected 0 \(none\) or at least {least} s"
    with pytest.raises(InputError, match=message):
        run(tiny, "out", "predictions.smoothing=0.9")
    assert not (tiny / "out" / "jobs").exists()


def test_features_from_audio_have_the_hop_of_the_annotations(tmp_path, tiny, monkeypatch):
    monkeypatch.setenv("LSTMCORE_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    (tiny / "data" / "MEMD_audio").mkdir()
    for song in range(1, 5):
        soundfile.write(
            tiny / "data" / "MEMD_audio" / f"{song}.wav", 0.1 * rng.standard_normal(5 * 8000), 8000
        )
        for path in (arousal(tiny), valence(tiny)):
            write_dynamic(path, {s: [0.1 * s, 0.2, 0.3] for s in range(1, 5)}, 750, 750)
    options = ["--set", "data.features=FS1", "--set", "data.lead_in=0", "--out", str(tiny / "out")]
    result = CliRunner().invoke(run_app, [str(tiny / "tiny.toml"), *options])
    assert result.exit_code == 0, result.output
    assert load_model(tiny / "out" / "model").about.hop_seconds == 0.75
    song = tiny / "data" / "MEMD_audio" / "1.wav"
    line = ["predict", str(song), "--model", str(tiny / "out"), "--out", str(tiny / "p.csv")]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0, result.output
    assert "synthetic" not in result.output
    assert np.diff(pd.read_csv(tiny / "p.csv")["time"]).tolist() == [0.75] * 5


# --- one rating a song --------------------------------------------------------------------


def test_one_annotated_frame_a_song(tiny):
    rewrite(tiny, frames=1)
    result = run(tiny, "out")
    assert load_model(result.folder / "model").about.hop_seconds is None
    table = pd.read_csv(result.folder / "predictions.csv")
    assert (table.groupby(["song_id", "system"]).size() == 1).all()
    (pooled,) = [
        s
        for s in result.scores
        if (s.system, s.set, s.target, s.metric, s.scope)
        == ("linear_regression", "cross_validation", "arousal", "r", "pooled")
    ]
    assert pooled.mean > 0.5
    for option in ("data.lead_in=15", "predictions.smoothing=3"):
        with pytest.raises(InputError, match=r"two (annotated )?frames"):
            run(tiny, option, option)


# --- the official test set ----------------------------------------------------------------


def test_songs_above_2000_are_not_put_aside_without_a_word(tiny):
    data = load(tiny)
    assert data.notes[0].startswith("2 of 11 annotated songs are numbered above 2000 and are the official")
    data = load(tiny, "data.official_test_above=none")
    assert [song.song_id for song in data.development] == SONGS
    assert data.official_test == data.notes == []
    with pytest.raises(InputError, match=r"no annotated development songs: all are numbered above 0"):
        load(tiny, "data.official_test_above=0")


# --- what a model learnt from -------------------------------------------------------------


def test_a_model_says_what_it_learnt_from(tiny):
    model = load_model(run(tiny, "real").folder / "model")
    expected = {"source": "deam", "synthetic": False, "songs": 9, "unlabelled_songs": 3}
    assert model.description["trained_on"] == expected
    assert model.about.warnings() == []
    (tiny / "data" / "plan.json").write_text(json.dumps({"synthetic": True}))
    result = run(tiny, "synthetic")
    (warning,) = load_model(result.folder / "model").about.warnings()
    assert "synthetic music" in warning
    assert any(note.startswith("Synthetic") for note in result.notes)


def test_the_auto_encoder_is_not_left_out_without_a_word(tiny):
    def told(*options: str) -> bool:
        return any(
            "no songs for the auto-encoder" in note for note in run(tiny, str(len(options)), *options).notes
        )

    assert not told()
    assert told("data.unlabelled=none")
    assert not told("data.unlabelled=none", "pretraining.enabled=false")


# --- broken files -------------------------------------------------------------------------


def test_all_broken_feature_files_are_named_at_once(tiny):
    write_features(tiny, [*SONGS, 11, 12], [15.0, 15.5], lambda song, t, k: 1)
    folder = tiny / "data" / "features"
    for song in (12, 3):
        edit(folder / f"{song}.csv", "\n15.0;1;", "\n15.0;inf;")
    (folder / "2001.csv").write_text("")
    with pytest.raises(InputError) as error:
        load(tiny, "data.features=FS1")
    first, *others = str(error.value).splitlines()
    assert first == "2 annotated songs can't be used:"
    assert [line.split(".csv")[0].split("/")[-1] for line in others] == ["3", "2001"]
    assert "column F0final_sma_stddev is 'inf'" in others[0]
    write_features(tiny, [3, 2001], [15.0, 15.5], lambda song, t, k: 1)
    data = load(tiny, "data.features=FS1")
    assert [song.song_id for song in data.unlabelled] == [11]
    assert any("12.csv, line 2: song 12, frame 15.0 s" in note for note in data.notes)


def test_all_songs_without_features_are_named_at_once(tiny):
    write_features(tiny, [1, 2, 11], [15.0, 15.5], lambda song, t, k: 1)
    with pytest.raises(
        InputError, match=r"9 annotated songs have no features:(\n  song \d+ is annotated.*){9}"
    ):
        load(tiny, "data.features=FS1")


def test_all_broken_sounds_are_named_at_once(tiny, monkeypatch):
    monkeypatch.setenv("LSTMCORE_CACHE", str(tiny / "cache"))
    write_features(tiny, [s for s in SONGS if s not in (4, 6)], [15.0, 15.5], lambda song, t, k: 1)
    (tiny / "data" / "MEMD_audio").mkdir()
    for song in (4, 6, 13):
        (tiny / "data" / "MEMD_audio" / f"{song}.mp3").write_bytes(b"no sound")
    with pytest.raises(InputError) as error:
        load(tiny, "data.features=FS1")
    first, *others = str(error.value).splitlines()
    assert first == "2 annotated songs can't be used:"
    assert ["4.mp3" in others[0], "6.mp3" in others[1]] == [True, True]
    write_features(tiny, [4, 6], [15.0, 15.5], lambda song, t, k: 1)
    data = load(tiny, "data.features=FS1")
    assert data.unlabelled == []
    assert any("13.mp3" in note for note in data.notes)


def test_an_unlabelled_song_with_half_of_fs2_is_left_out(tiny):
    write_features(tiny, [*SONGS, 11], [15.0, 15.5], lambda song, t, k: 1)
    with pytest.raises(InputError, match=r"11 annotated songs have no features:\n  .*1\.csv: has FS1's"):
        load(tiny, "data.features=FS2")
    names = ";".join(feature_names("FS2"))
    row = ";".join(["1"] * 264)
    for song in SONGS:
        text = f"frameTime;{names}\n15.0;{row}\n15.5;{row}\n"
        (tiny / "data" / "features" / f"{song}.csv").write_text(text)
    data = load(tiny, "data.features=FS2")
    assert data.unlabelled == []
    assert any("11.csv: has FS1's features" in note for note in data.notes)


def test_broken_answers_of_raters_stop_only_what_needs_them(tiny):
    for song in SONGS[:9]:
        for target in ("arousal", "valence"):
            file = tiny / "data" / rater_file(target, song)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(
                "sample_15000ms,sample_15500ms\n" + ("x,1\n" if song in (3, 5) else "0,1\n0.1,1\n")
            )
    data = load(tiny)
    assert {*data.agreements} == {1, 2, 4, 6, 7, 8, 9}
    assert sum("agreement of the raters" in note for note in data.notes) == 2
    with pytest.raises(
        InputError, match=r"2 songs have no usable .*\n  .*3\.csv, line 2.*\n  .*5\.csv, line 2"
    ):
        load(tiny, "data.quality.min_raters=2")


NASTY = [
    b"",
    b",",
    b";",
    b"\n",
    b'"',
    b"\0",
    b"\xff",
    b"-",
    b"1e308",
    b"nan",
    b"9" * 5000,
    "\u0663".encode(),
    b"1_0",
]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_change_of_a_table_ends_in_a_traceback(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("tables")
    write_tiny_deam(folder / "data", range(1, 4))
    (folder / "tiny.toml").write_text(EXPERIMENT)
    (folder / "data" / "list.csv").write_text("title,song_id\na,1\nb,2\n")
    feature_set = data.draw(st.sampled_from(["song_means", "FS1"]))
    if feature_set == "FS1":
        write_features(folder, [1, 2, 3, 2001, 2002], [15.0, 15.5], lambda song, t, k: k)
    files = sorted((folder / "data").rglob("*.csv"))
    file = data.draw(st.sampled_from(files))
    content = file.read_bytes()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content)))
        until = at + data.draw(st.integers(0, 5))
        content = content[:at] + data.draw(st.sampled_from(NASTY)) + content[until:]
    file.write_bytes(content)
    try:
        found = load(folder, f"data.features={feature_set}", "data.development_songs=list.csv")
    except InputError as error:
        assert "song" in str(error) or str(folder) in str(error)  # noqa: PT017 - most changes are errors
    else:
        assert all(np.isfinite(song.annotation).all() for song in found.development)


def test_a_computed_feature_that_is_no_number_is_named_with_its_file():
    with pytest.raises(InputError, match=r"song\.wav: feature b at 0\.5 s is inf; expected a finite number"):
        checked_table(Path("song.wav"), ["a", "b"], np.array([[0.0, 1, 2], [0.5, 1, np.inf]]))
