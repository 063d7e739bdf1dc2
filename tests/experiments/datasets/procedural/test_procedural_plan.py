"""Plans of procedural collections: what is allowed, and which songs follow from them."""

from __future__ import annotations

import pytest

from lstmcore.experiments.datasets.procedural import ProceduralPlan


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("development", 0),
        ("development", 1001),
        ("development", 2.0),
        ("development", True),
        ("unlabelled", -1),
        ("test", 1001),
        ("raters", 1),
        ("seed", -1),
        ("seconds", 19.5),
        ("seconds", 45.25),
        ("seconds", float("nan")),
        ("seconds", "45"),
        ("test_seconds", 1e9),
    ],
)
def test_numbers_out_of_range_are_named(field, value):
    with pytest.raises(ValueError, match=rf"{field}: found .*, allowed are"):
        ProceduralPlan(**{field: value})


def test_ids_follow_deam():
    songs = ProceduralPlan(development=2, unlabelled=1, test=1).songs()
    assert [(song.song_id, song.section) for song in songs] == [
        (1, "development"),
        (2, "development"),
        (1001, "unlabelled"),
        (2001, "test"),
    ]


def test_test_songs_differ_in_length():
    plan = ProceduralPlan(test=40, test_seconds=100)
    lengths = [song.seconds for song in plan.songs() if song.section == "test"]
    assert 60 <= min(lengths) < 65
    assert 95 < max(lengths) <= 100
    assert all((2 * length) % 1 == 0 for length in lengths)
    assert all(
        s.seconds == 20 for s in ProceduralPlan(test=9, test_seconds=20).songs() if s.section == "test"
    )


def test_equal_numbers_are_equal_plans():
    assert ProceduralPlan(seconds=45) == ProceduralPlan(seconds=45.0)
    assert ProceduralPlan(seconds=45).as_dict()["seconds"] == 45.0
