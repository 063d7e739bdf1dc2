"""Two systems on the same songs: interval and test of their difference."""

import numpy as np
import pytest

from lstmcore.experiments.datasets import Song
from lstmcore.experiments.scoring.by_song import BySong, by_song, difference, interval, song_table
from lstmcore.experiments.scoring.metrics import score
from lstmcore.experiments.scoring.systems import Predictions


def predictions(*, once=False, count=14, seed=0, system="a"):
    rng = np.random.default_rng(9)
    songs = []
    for k in range(count):
        curve = rng.normal(size=(1 if once else 8, 2)).cumsum(0)
        annotation = np.repeat(curve, 8 // len(curve), 0)
        songs.append(Song(f"s{k}", np.arange(8) / 2, np.zeros((8, 1)), annotation, rated_once=once))
    noise = np.random.default_rng(seed)
    return Predictions(
        system, "cross_validation", songs, [s.annotation + noise.normal(0, 0.5, (8, 2)) for s in songs]
    )


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("metric", ["r", "rmse", "ccc"])
def test_scores_are_those_of_the_metrics(once, metric):
    of = predictions(once=once)
    wanted = "songs" if once else "per_song"
    for k, target in enumerate(("x", "y")):
        (row,) = [
            s
            for s in score("a", "g", ("x", "y"), of.songs, of.values)
            if (s.target, s.metric, s.scope) == (target, metric, wanted)
        ]
        assert by_song(of, k).score(metric) == pytest.approx(row.mean, abs=1e-12)


@pytest.mark.parametrize("once", [False, True])
def test_the_same_system_differs_by_nothing(once):
    one = by_song(predictions(once=once), 0)
    found = difference("rmse", one, one, np.random.default_rng(1), test=True)
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)
    assert not found.shown


def test_a_shift_of_all_songs_is_shown_and_its_interval_holds_it():
    one = by_song(predictions(), 0)
    values = one.values.copy()
    values[:, 1] += 0.1 + 0.01 * np.random.default_rng(0).normal(size=len(values))
    found = difference("rmse", BySong(one.songs, values, False), one, np.random.default_rng(1), test=True)
    assert found.low < found.value < found.high
    assert found.low == pytest.approx(0.1, abs=0.01)
    assert found.shown
    assert not found.better
    assert found.p < 0.001


def test_exchanges_agree_with_all_there_are():
    rng = np.random.default_rng(4)
    values = rng.normal(size=(2, 10, 5)) + np.array([0.0, 0.6])[:, None, None]
    names = tuple(range(10))
    a, b = (BySong(names, v, False) for v in values)
    d = values[0, :, 1] - values[1, :, 1]
    signs = 1 - 2 * ((np.arange(1024)[:, None] >> np.arange(10)) & 1)
    exact = np.mean(np.abs((signs * d).mean(1)) >= abs(d.mean()) - 1e-12)
    found = difference("rmse", a, b, np.random.default_rng(1), test=True)
    assert found.p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 10_000))


def test_songs_are_paired_by_name_and_few_have_no_interval():
    one = by_song(predictions(), 0)
    turned = one.of(one.songs[::-1])
    assert difference("r", one, turned, np.random.default_rng(1)).value == pytest.approx(0, abs=1e-12)
    few = difference("r", one.of(one.songs[:9]), one, np.random.default_rng(1), test=True)
    assert (few.songs, few.low, few.high, few.p) == (9, None, None, None)
    assert interval("r", one.of(one.songs[:9]), np.random.default_rng(1)) is None


def test_the_table_has_a_row_for_each_system_song_and_target():
    table = song_table([predictions(), predictions(system="b")], ("x", "y"))
    assert len(table) == 2 * 14 * 2
    assert not table.duplicated(["set", "system", "song_id", "target"]).any()
    assert list(table.columns[4:]) == ["r", "rmse", "ccc", "predicted", "annotated"]
