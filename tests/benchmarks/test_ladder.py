"""Every rung of the ladders computes what the reference does, on shapes with an edge everywhere."""

import dataclasses

import numpy as np
import pytest

from benchmarks.ladder.frames import frames_ladder
from benchmarks.ladder.gates import backward_ladder, forward_ladder
from benchmarks.ladder.products import products_ladder
from benchmarks.ladder.rungs import Ladder, Rung, table
from benchmarks.ladder.update import update_ladder

LADDERS = {
    "product": lambda: products_ladder(7, 13, 21),
    "product of one row": lambda: products_ladder(1, 6, 70),
    "gates forward": lambda: forward_ladder(3, 11),
    "gates backward": lambda: backward_ladder(3, 11),
    "update": lambda: update_ladder(37),
    "gradient of the weights": lambda: frames_ladder(130, 9, 19),
}


@pytest.mark.parametrize("name", LADDERS)
def test_each_rung_computes_what_the_reference_does(name):
    ladder = LADDERS[name]()
    differences = ladder.differences()
    assert set(differences) == {rung.name for rung in ladder.rungs if rung.times == 1}
    assert len(differences) >= 3
    for rung, difference in differences.items():
        assert difference <= ladder.tolerance, rung


def test_a_song_packs_once_and_adds_its_products():
    ladder = products_ladder(7, 13, 21)
    (song,) = [rung for rung in ladder.rungs if rung.times > 1]
    a, b, out = (operand.copy() for operand in ladder.operands)
    expected = out + song.times * (a.astype(np.float64) @ b)
    song.work(a, b, out)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def ladder_of(*rungs):
    zeros = np.zeros(3)
    return Ladder("Counting", "ns/unit", 3.0, (zeros,), {0: zeros + 1}, 1e-9, rungs)


def add_one(out):
    out += 1


def test_a_rung_that_computes_something_else_is_refused_before_anything_is_timed():
    ladder = ladder_of(Rung("right", "", add_one), Rung("wrong", "", lambda out: None))
    with pytest.raises(SystemExit, match=r"Counting: wrong differs from the reference by 1\.0e\+00"):
        ladder.climb(2)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_rung_that_is_not_finite_is_refused(value):
    ladder = ladder_of(Rung("broken", "", lambda out: out.fill(value)))
    with pytest.raises(SystemExit, match="broken differs"):
        ladder.climb(2)


def test_gains_are_over_the_rung_before_and_skip_those_beside(monkeypatch):
    seconds = {"first": 8.0, "other": 4.0, "last": 2.0}

    def measured(candidates, rounds):
        from benchmarks.measuring import Timing

        return {name: Timing((seconds[name],) * rounds) for name in candidates}

    monkeypatch.setattr("benchmarks.ladder.rungs.alternate", measured)
    first, other, last = (Rung(name, "because", add_one) for name in seconds)
    rows = ladder_of(first, dataclasses.replace(other, beside=True), last).climb(2)
    assert [row["times the one before"] for row in rows] == [None, 2.0, 4.0]
    assert [row["version"] for row in rows] == ["first", "beside: other", "last"]
    assert rows[2]["ns/unit"] == pytest.approx(2.0 / 3.0 * 1e9)
    assert table("Counting", rows).row_count == 3
