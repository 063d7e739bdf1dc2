"""Another scale, values at given times, one row per song."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.prediction.outputs.facts import parse_scale, rescaled
from lstmcore.experiments.prediction.outputs.summary import OF_A_TARGET, summary_row
from lstmcore.experiments.prediction.outputs.times import read_times
from tests.experiments.prediction.outputs.examples import FACTS, SONG, table

TENSION, AWE = FACTS.targets


@pytest.mark.parametrize(("text", "scale"), [("0..1", (0, 1)), ("-1..1", (-1, 1)), ("1.5..1e2", (1.5, 100))])
def test_a_scale_is_two_numbers(text, scale):
    assert parse_scale(text) == scale


@pytest.mark.parametrize("text", ["", "1", "0,1", "1..0", "1..1", "a..b", "..", "0..inf", "nan..1"])
def test_anything_else_is_none(text):
    with pytest.raises(InputError, match=r"--scale .*: expected two numbers that rise, such as 0\.\.1"):
        parse_scale(text)


def test_values_and_spreads_are_mapped_and_nothing_else():
    mapped = rescaled(table(), FACTS, (0.0, 1.0))
    np.testing.assert_allclose(mapped[TENSION], table()["time"] / 4)  # 1 + 2 t from 1 to 9
    np.testing.assert_allclose(mapped[f"{AWE}_spread"], 0.25 / 8)
    pd.testing.assert_frame_equal(mapped[["file", "time"]], table()[["file", "time"]])
    assert FACTS.of_scale((0.0, 1.0)).as_json()["scale"] == [0.0, 1.0]


def test_a_model_of_unknown_scale_has_no_other():
    unknown = replace(FACTS, scale=None)
    with pytest.raises(InputError, match="the model mine doesn't say which scale"):
        rescaled(table(), unknown, (0.0, 1.0))
    pd.testing.assert_frame_equal(rescaled(table(), unknown, None), table())


def test_a_song_in_one_row():
    row = summary_row(table().assign(novelty=np.arange(6)), FACTS).iloc[0]
    assert row["file"] == str(SONG)
    assert row["seconds"] == 3.5
    assert row[f"{TENSION}_mean"] == 3.5
    assert row[f"{TENSION}_slope_per_minute"] == pytest.approx(120)
    assert (row[f"{AWE}_highest"], row[f"{AWE}_highest_time"]) == (8.25, 1.5)
    assert (row[f"{AWE}_lowest"], row[f"{AWE}_lowest_time"]) == (2.125, 2.0)
    assert row[f"{AWE}_deviation"] == pytest.approx(np.std(table()[AWE]))
    assert row[f"{AWE}_spread"] == 0.25
    assert row["novelty"] == 2.5
    named = {f"{target}_{name}" for target in FACTS.targets for name in OF_A_TARGET}
    assert {*row.index} == {"file", "seconds", "novelty"} | named


def test_a_song_of_one_window_has_no_slope():
    row = summary_row(table().iloc[:1], FACTS).iloc[0]
    assert np.isnan(row[f"{TENSION}_slope_per_minute"])
    assert row[f"{TENSION}_mean"] == 1


def times_of(tmp_path, text):
    (tmp_path / "times.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_times(tmp_path / "times.csv")


@pytest.mark.parametrize(
    "text",
    [
        "0.25\n2.25\n",
        "# bars\n\n0:00.25\n0:0:2.25",
        "time\n.25\n2.25\n",
        "\ufeffonset;file\r\n.25;söng & more\r\n2.25;below/söng & more.wav\r\n1;other\r\n",
    ],
)
def test_values_at_times_lie_between_those_of_the_windows(tmp_path, text):
    found = times_of(tmp_path, text).values(table(), FACTS, SONG)
    assert list(found.columns) == list(table().columns)
    assert found["time"].tolist() == [0.25, 2.25]
    np.testing.assert_allclose(found[TENSION], [1.5, 5.5])
    np.testing.assert_allclose(found[AWE], [4.5, 2.5625])


@pytest.mark.parametrize(
    "text",
    [
        "0\t1\tverse\n0.6\t0.7\ta, b\n2.5\t3.5\tend\n2\t2\tcut\n",  # as Audacity exports labels
        'label,begin,duration\nverse,0,1\n"a, b",.6,.1\nend,2.5,1\ncut,2,0\n',
        "start end text\n0 1 verse\n.6 .7 a, b\n2.5 3.5 end\n2 2 cut\n".replace(" ", ";").replace(
            "a,;b", "a, b"
        ),
    ],
)
def test_an_interval_has_the_mean_over_the_curve(tmp_path, text):
    found = times_of(tmp_path, text).values(table(), FACTS, SONG)
    assert list(found.columns)[:4] == ["file", "time", "end", "label"]
    assert found["label"].tolist() == ["verse", "a, b", "end", "cut"]
    assert found["end"].tolist() == pytest.approx([1, 0.7, 3.5, 2])
    # The line's mean over an interval is its middle; after the last window it stays at 6.
    np.testing.assert_allclose(found[TENSION], [2, 2.3, 6, 5])
    np.testing.assert_allclose(found[AWE].iloc[0], (4.5 + 5.25) / 2)


def test_a_song_without_times_says_so(tmp_path):
    with pytest.raises(InputError, match="has no times of this song"):
        times_of(tmp_path, "file,time\nother,1\n").values(table(), FACTS, SONG)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no times; expected one on each line"),
        ("# nothing\n", "no times; expected one on each line"),
        ("time\n", "no times below the header"),
        (b"\xff\xfe1\x00", "can't be read: not text in UTF-8; expected times"),
        ("1\nabc\n", "line 2: 'abc'; expected a time in seconds"),
        ("1\n-1\n", "line 2: -1 is before the beginning of the song"),
        ("1\n\nnan\n", "line 3: 'nan'; expected a time in seconds"),
        ("2,1\n", "line 1: ends at 1 s and begins at 2 s"),
        ("bar,end\n1,2\n", "line 1: no column time"),
        ("time,end,duration\n1,2,1\n", "line 1: columns end and duration; expected one"),
        ("time,start\n1,2\n", "line 1: columns 'time' and 'start' are both a time"),
        ("time,file\n1,\n", "line 2: no song in its column"),
        ("label,time\nx\n", "line 2: ''; expected a time"),
        ("1\n4.25\n", "line 2: 4.25 s is after the end of the song; expected 0 to 4 s"),
        ("1,4.25\n", "line 1: 4.25 s is after the end of the song"),
    ],
)
def test_what_is_wrong_with_times_names_the_line(tmp_path, text, message):
    with pytest.raises(InputError) as told:
        times_of(tmp_path, text).values(table(), FACTS, SONG)
    assert str(told.value).startswith(str(tmp_path / "times.csv"))
    assert message in str(told.value)


def test_a_file_of_times_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.csv: can't be read: No such file"):
        read_times(tmp_path / "nowhere.csv")


def test_times_of_a_song_that_is_not_among_those_given(tmp_path):
    times = times_of(tmp_path, "file,time\nsöng & more,1\nother.mp3,2\n")
    with pytest.raises(InputError, match=r"line 3: song 'other\.mp3' is none of the songs given"):
        times.check_songs([SONG])
    times.check_songs([SONG, SONG.with_name("other.mp3")])


def test_times_that_do_not_rise_are_no_intervals(tmp_path):
    for text, lines in (("1\n1\n", (2, 1)), ("0,2\n3,4\n1.5,2\n", (3, 2)), ("1,2\n1,3\n", (2, 1))):
        with pytest.raises(InputError, match=f"line {lines[0]}: begins at .* before line {lines[1]} ends"):
            times_of(tmp_path, text).check_rising("eaf")
    times_of(tmp_path, "file,time,end\na,1,2\na,2,3\nb,1,2\n").check_rising("eaf")
