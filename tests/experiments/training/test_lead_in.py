"""The music before the first annotation: which frames it is, that it is heard, that no error counts."""

import numpy as np
import pandas as pd
import pytest

from lstmcore import SSE, Standardiser
from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.datasets import Song
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.training.sets import heard_by, objective_of, with_targets
from lstmcore.features.sets import feature_names
from tests.experiments.config.test_options import FAST, check_model, contents, curves, jobs, run
from tests.experiments.datasets.test_deam import load, write_features

LEAD_IN = "data.lead_in=1"
SONGS = [*range(1, 10), 2001, 2002]


def test_it_is_the_frames_before_the_first_annotation(tiny):
    stamps = [13.5, 14.0, 14.5, 15.0, 15.5, 16.0, 16.5, 17.0, 17.5, 18.0, 18.5]
    write_features(tiny, SONGS, stamps, lambda song, t, k: song + t / 100 + k)
    for seconds, first in ((1.0, 2), (1.4, 2), (60, 0)):
        song = load(tiny, "data.features=FS1", f"data.lead_in={seconds}").development[3]
        assert song.times[0] == 15.0
        np.testing.assert_allclose(song.lead_in[:, 0], [4.135, 4.14, 4.145][first - 1 if first else 0 :])
        np.testing.assert_allclose(song.heard[:, 0], np.r_[song.lead_in[:, 0], song.features[:, 0]])


def test_it_is_the_frames_before_the_first_annotation_that_has_features(tiny):
    stamps = [15.5, 16.0, 16.5, 17.0, 17.5, 18.0, 18.5]  # none at 15 s, where annotations begin
    write_features(tiny, SONGS, stamps, lambda song, t, k: song + t / 100 + k)
    song = load(tiny, "data.features=FS1", "data.lead_in=1").development[3]
    assert (song.times[0], song.frames_before) == (15.5, 0)
    stamps = [14.5, *stamps]  # of the second before 15.5 s there is half
    write_features(tiny, SONGS, stamps, lambda song, t, k: song + t / 100 + k)
    song = load(tiny, "data.features=FS1", "data.lead_in=1").development[3]
    np.testing.assert_allclose(song.lead_in[:, 0], [4.145])


def test_the_rows_of_songs_are_repeated_before_their_annotations_but_not_before_the_song(tiny):
    assert load(tiny).development[0].lead_in is None
    for seconds, frames in ((0.4, 0), (1, 2), (15, 30), (100, 30)):
        data = load(tiny, f"data.lead_in={seconds}")
        song = data.development[0]
        assert song.frames_before == frames
        assert (song.heard == song.features[0]).all()
        assert song.frames == 7
        assert data.unlabelled[0].frames == load(tiny).unlabelled[0].frames  # it has no annotations


def test_ranks_are_those_of_the_other_frames(tiny):
    song = load(tiny, LEAD_IN, "data.normal_scores=true").development[0]
    assert (song.lead_in == song.features[0]).all()


def test_no_error_counts_there(tiny):
    rng = np.random.default_rng(0)
    song = Song(
        1, np.arange(4.0), *(rng.standard_normal((4, n)) for n in (5, 2)), rng.standard_normal((3, 5))
    )
    heard = heard_by([song], Standardiser(np.zeros(5), np.ones(5)), "float64")
    data = with_targets(heard, [song], Standardiser(np.zeros(2), np.ones(2)), weights=[1.0])
    assert data.inputs.shape == (7, 5)
    objective = objective_of(load_experiment(tiny / "tiny.toml", [LEAD_IN]))
    outputs, numbers = rng.standard_normal((7, 2)), np.zeros(7, np.int64)
    expected = SSE.error(outputs[3:], song.annotation, numbers[3:])
    assert objective.error(outputs, data.targets, numbers) == pytest.approx(expected, rel=1e-14)
    signal = objective.signal(outputs, data.targets, numbers)
    assert (signal[:3] == 0).all()
    np.testing.assert_array_equal(signal[3:], outputs[3:] - song.annotation)


def test_networks_hear_it(tiny):
    names = list(feature_names("FS1"))
    stamps = [14.0, 14.5, *(15 + k / 2 for k in range(8))]
    options = (LEAD_IN, "data.features=FS1", *FAST, "data.unlabelled=none")
    rng = np.random.default_rng(0)
    values = rng.standard_normal((len(SONGS), len(stamps), len(names)))

    def predicted(out: str, *options: str) -> pd.DataFrame:
        def value(song, t, k):
            return values[SONGS.index(song), stamps.index(t), k]

        write_features(tiny, SONGS, stamps, value)
        return curves(run(tiny, out, *options), "lstm_all")

    first, first_without = predicted("first", *options), predicted("first_without", *options[1:])
    values[:, 1] += 1  # at 14.5 s
    second, second_without = predicted("second", *options), predicted("second_without", *options[1:])
    pd.testing.assert_frame_equal(first_without, second_without)
    pd.testing.assert_frame_equal(first[["song_id", "time"]], second[["song_id", "time"]])
    assert not np.allclose(first["arousal"], second["arousal"], atol=1e-4)


@pytest.mark.parametrize("option", ["network.targets=single", "network.cell=feedforward"])
def test_a_whole_run_with_it(tiny, option):
    out = run(tiny, "one", LEAD_IN, option)
    assert contents(out) == contents(run(tiny, "two", LEAD_IN, option, workers=2))
    without = run(tiny, "without", option)
    assert not jobs(out, "network") & jobs(without, "network")
    times = ["song_id", "time", "system"]
    pd.testing.assert_frame_equal(
        pd.read_csv(out / "predictions.csv")[times], pd.read_csv(without / "predictions.csv")[times]
    )
    check_model(tiny, out)


def test_only_squared_errors_can_leave_frames_out(tiny):
    with pytest.raises(
        InputError, match=r"data.lead_in is 1.0 and training.objective 'ccc'; expected .*'sse'"
    ):
        load_experiment(tiny / "tiny.toml", [LEAD_IN, "training.objective=ccc"])
