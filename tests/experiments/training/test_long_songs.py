"""Songs longer than those that networks learnt from: windows, excerpts, and songs put together."""

import json
import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lstmcore import BLSTM, LSTM, Linear, SequenceSet, Tanh, get_backend, initial_network, predict
from lstmcore.backends.cpu.backend import CpuBackend
from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.datasets import Song, load_dataset
from lstmcore.experiments.errors import InputError, Interrupted
from lstmcore.experiments.prediction.model import load_model
from lstmcore.experiments.terminal.progress import Quiet
from lstmcore.experiments.training.folds import split
from lstmcore.experiments.training.sets import put_together
from lstmcore.experiments.training.trial import TrialData
from lstmcore.experiments.training.windows import Windows, check_lengths
from tests.experiments.config.test_options import FAST, check_model, contents, curves, jobs, run

WINDOW = "predictions.window=2"  # four of the six to eight frames of a tiny song
CPU = get_backend("cpu")


def network_of(*layers):
    return initial_network(3, [*layers, Linear(2)], np.random.default_rng(1), low=-0.7, high=0.7)


def rows_of(frames):
    return np.random.default_rng(2).standard_normal((frames, 3)).astype(np.float32)


# --- windows ------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("frames", [11, 12, 15, 16, 100, 1000])
def test_windows_cover_a_song_and_lie_within_it(frames, before):
    windows = Windows(10, before)
    starts = windows.starts(frames)
    assert starts[0] == 0
    assert starts[-1] + 10 == frames
    steps = np.diff(starts)
    assert steps.min() >= 1
    assert steps.max() <= (10 - before) // 2 + (before > 0)  # of 7 that count 3 or, rounded, 4
    assert steps.max() - steps.min() <= 1


def test_a_song_that_fits_in_a_window_is_predicted_as_ever():
    network, rows = network_of(LSTM(4)), rows_of(10)
    assert np.array_equal(Windows(10).predict(network, rows, CPU), predict(network, rows))
    assert list(Windows(10).starts(10)) == [0]


def test_a_network_without_memory_says_in_windows_what_it_says_at_once():
    network, rows = network_of(Tanh(5)), rows_of(203)
    found = Windows(10, 3).predict(network, rows, CPU)
    np.testing.assert_allclose(found, predict(network, rows), atol=1e-6)


@pytest.mark.parametrize("layer", [LSTM(4), BLSTM(4)])
def test_a_frame_is_the_weighted_mean_of_the_windows_that_hold_it(layer):
    network, rows, windows = network_of(layer), rows_of(203), Windows(10)  # 40 windows: three groups
    sums, total = np.zeros((203, 2)), np.zeros((203, 1))
    starts = windows.starts(203)
    assert len(starts) > 32
    for start in starts:
        weight = np.sin(np.pi * (np.arange(10) + 0.5) / 10)[:, None] ** 2
        sums[start : start + 10] += weight * predict(network, rows[start : start + 10])
        total[start : start + 10] += weight
    found = windows.predict(network, rows, CPU)
    np.testing.assert_allclose(found, sums / total, atol=1e-6)
    assert np.abs(found - predict(network, rows)).max() > 0.01  # memory makes a difference


def test_what_a_window_says_in_its_lead_in_counts_only_where_no_other_has_the_frame():
    network, rows, windows = network_of(LSTM(4)), rows_of(14), Windows(10, 6)
    first, second, third = (predict(network, rows[start : start + 10]) for start in windows.starts(14))
    found = windows.predict(network, rows, CPU)
    np.testing.assert_allclose(found[:2], first[:2], atol=1e-6)  # lead-in, and nobody else has them
    np.testing.assert_allclose(found[7], first[7], atol=1e-6)  # lead-in of the second and of the third
    np.testing.assert_allclose(found[12:], third[8:], atol=1e-6)
    assert np.abs(second[5] - first[7]).max() > 1e-3


# --- songs and sequences ------------------------------------------------------------------


def song_of(frames, before=None):
    rows = np.arange(100.0)[:, None]
    lead_in = None if before is None else rows[10 - before : 10]
    return Song(7, np.arange(frames) / 2, rows[10 : 10 + frames], rows[10 : 10 + frames] / 100, lead_in)


def test_an_excerpt_is_the_middle_after_the_music_before_it():
    part = song_of(20, before=4).excerpt(6)
    assert part.features[:, 0].tolist() == [17, 18, 19, 20, 21, 22]
    assert part.annotation[:, 0].tolist() == [0.17, 0.18, 0.19, 0.2, 0.21, 0.22]
    assert part.times.tolist() == [3.5, 4, 4.5, 5, 5.5, 6]
    assert part.heard[:4, 0].tolist() == [13, 14, 15, 16]
    assert song_of(20).excerpt(6).lead_in is None
    assert song_of(6).excerpt(6).frames == 6


def test_songs_are_put_together_until_they_are_long_enough():
    lengths = np.array([3, 4, 9, 2, 2, 2, 2, 1])
    rows = np.arange(25.0)[:, None]
    found = put_together(SequenceSet(rows, rows, lengths), 6)
    assert found.lengths.tolist() == [7, 9, 6, 3]
    assert np.array_equal(found.inputs, rows)
    assert put_together(found, None) is found


# --- an experiment ------------------------------------------------------------------------


def data_of(tiny, *overrides):
    experiment = load_experiment(tiny / "tiny.toml", list(overrides))
    dataset = load_dataset(experiment.data, workers=1, progress=Quiet(), stop=threading.Event())
    return TrialData(experiment, dataset, split(dataset.development, experiment.folds), [])


def test_another_window_trains_no_network_again_and_the_model_has_it(tiny):
    whole, cut = run(tiny, "whole", *FAST), run(tiny, "cut", *FAST, WINDOW, "predictions.smoothing=1.5")
    assert jobs(whole, "network") == jobs(cut, "network")
    assert load_model(cut / "model").about.prediction_window_seconds == 2
    check_model(tiny, cut)
    smooth = run(tiny, "smooth", *FAST, "predictions.smoothing=1.5")
    a, b = (curves(folder, "lstm_all")[["arousal", "valence"]].to_numpy() for folder in (smooth, cut))
    assert a.shape == b.shape
    assert np.abs(a - b).max() > 1e-4
    baselines = [curves(folder, "ridge").to_csv() for folder in (smooth, cut)]
    assert baselines[0] == baselines[1]


def test_without_a_longer_song_windows_change_nothing(tiny):
    for name, key in (
        ("whole", ()),
        ("training", ("predictions.window=training",)),
        ("10", ("predictions.window=10",)),
    ):
        run(tiny, name, *key)
    whole, training, ten = (
        (tiny / name / "predictions.csv").read_bytes() for name in ("whole", "training", "10")
    )
    assert whole == training == ten
    assert "prediction_window_seconds" not in json.loads((tiny / "whole/model/model.json").read_text())
    # The longest of the songs that are learnt from has 8 frames.
    assert load_model(tiny / "training" / "model").about.prediction_window_seconds == 4


def test_a_window_as_long_as_what_was_learnt_follows_excerpts_and_sequences(tiny):
    out = run(tiny, "out", "predictions.window=training", "training.excerpt_seconds=1.5")
    assert load_model(out / "model").about.prediction_window_seconds == 1.5
    check_model(tiny, out)
    found = pd.read_csv(out / "predictions.csv").query("system == 'lstm_all' and song_id == 2")
    assert len(found) == 8  # scored whole
    longer = run(tiny, "longer", "predictions.window=training", "training.sequence_seconds=10")
    assert load_model(longer / "model").about.prediction_window_seconds == 10
    assert not jobs(out, "network") & jobs(longer, "network")


def test_networks_and_regressions_learn_from_excerpts(tiny):
    out, whole = run(tiny, "out", "training.excerpt_seconds=1.5"), run(tiny, "whole")
    a, b = (curves(folder, "global_mean") for folder in (out, whole))
    assert not np.array_equal(a["arousal"], b["arousal"])
    data = data_of(tiny)
    data = replace(data, split=replace(data.split, excerpt=3))
    sets = data.sets(0, 0, None)
    assert set(sets.training.lengths.tolist()) == set(sets.validation.lengths.tolist()) == {3}
    assert {song.frames for song in data.groups(0)["validation"]} == {6, 7, 8}


def test_networks_learn_from_songs_put_together_in_an_order_of_their_own(tiny):
    data, apart = data_of(tiny, "training.sequence_seconds=7"), data_of(tiny)
    sets, songs = data.sets(0, 0, None), apart.sets(0, 0, None)
    assert sets.training.frames == songs.training.frames
    assert len(sets.training) < len(songs.training)
    assert (sets.training.lengths[:-1] >= 14).all()
    assert len(sets.validation) < len(songs.validation)
    assert not np.array_equal(sets.training.inputs, songs.training.inputs)
    rows = [np.unique(np.round(s.training.inputs, 4), axis=0) for s in (sets, songs)]
    assert np.array_equal(*rows)
    assert np.array_equal(
        sets.training.inputs, data_of(tiny, "training.sequence_seconds=7").sets(0, 0, None).training.inputs
    )
    run(tiny, "out", "training.sequence_seconds=7", "data.lead_in=1")


def test_a_note_says_that_scored_songs_are_much_longer_than_what_is_learnt(tiny):
    def notes(name, *overrides):
        out = run(tiny, name, *overrides)
        return [
            note for note in json.loads((out / "ensemble.json").read_text())["notes"] if "at once" in note
        ]

    [note] = notes("short", "training.excerpt_seconds=1.5")
    assert "Songs of up to 4 s are predicted at once" in note
    assert "from at most 1.5 s of a song" in note
    assert notes("half", "training.excerpt_seconds=2") == []
    assert notes("windows", "training.excerpt_seconds=1.5", WINDOW) == []


def test_unused_lengths_are_in_no_name(tiny):
    plain = load_experiment(tiny / "tiny.toml", [])
    assert not {"excerpt_seconds", "sequence_seconds"} & {*plain.named_by("training")}
    used = load_experiment(tiny / "tiny.toml", ["training.sequence_seconds=7"])
    assert used.named_by("training")["sequence_seconds"] == 7


def test_a_stop_ends_windows_too(tiny):
    run(tiny, "out")
    stop = threading.Event()

    class StopAtWindows(Quiet):
        def stage(self, name, total, unit=""):
            if "windows" in name:
                stop.set()

    with pytest.raises(Interrupted):
        run(tiny, "other", WINDOW, progress=StopAtWindows(), stop=stop)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "predictions.window=0.5",
            "predictions.window is 0.5, and frames are 0.5 s apart; expected 0 or at least 1 s",
        ),
        ("training.excerpt_seconds=0.1", "training.excerpt_seconds is 0.1, and"),
        (
            "training.sequence_seconds=0.6",
            "training.sequence_seconds is 0.6, and frames are 0.5 s apart; expected 0 or at least 1 s",
        ),
    ],
)
def test_a_length_of_less_than_two_frames_is_refused(tiny, override, said):
    with pytest.raises(InputError, match=said.replace(".", r"\.")):
        run(tiny, "out", override)
    assert not jobs(tiny / "out", "network")


def test_a_window_of_nothing_but_lead_in_is_refused(tiny):
    experiment = load_experiment(tiny / "tiny.toml", ["data.lead_in=2", WINDOW])
    with pytest.raises(InputError, match=r"window, after 2 s of data\.lead_in, is 2, .*at least 3 s"):
        check_lengths(experiment, 0.5)
    check_lengths(load_experiment(tiny / "tiny.toml", ["data.lead_in=2", "predictions.window=3"]), 0.5)
    with pytest.raises(InputError, match="no song has two annotated frames"):
        check_lengths(load_experiment(tiny / "tiny.toml", [WINDOW]), None)


@pytest.mark.parametrize("value", ["whole", "-1", "4000", "true", "nan"])
def test_what_a_window_can_be_is_said_in_one_sentence(tiny, value):
    with pytest.raises(InputError) as error:
        load_experiment(tiny / "tiny.toml", [f"predictions.window={value}"])
    assert "predictions" in str(error.value)
    assert "window" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_one_device_takes_one_network_after_the_other(tiny, monkeypatch):
    threads = run(tiny, "threads", *FAST, WINDOW, workers=2)
    monkeypatch.setattr(CpuBackend, "trains_together", True)  # nothing is left to be trained
    device = run(tiny, "device", *FAST, WINDOW, f"reuse=['{threads / 'jobs'}']", workers=2)
    assert contents(device) == contents(threads)


@pytest.mark.parametrize("before", [0, 3])
def test_every_frame_of_a_window_has_a_weight_and_those_of_the_lead_in_next_to_none(before):
    weights = Windows(10, before).weights
    assert (weights > 0).all()
    assert np.allclose(weights[:before], 1e-9, rtol=1e-6)
    # A single frame beside the lead-in counts fully; the highest is in the middle, and both ends are alike.
    assert Windows(before + 1, before).weights[-1] == pytest.approx(1)
    assert np.allclose(weights[before:], weights[before:][::-1])
