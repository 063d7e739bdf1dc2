"""Rules of readers that no result of a whole run shows: what a change of one line would break unnoticed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lstmcore.experiments.config.own_data import Columns
from lstmcore.experiments.datasets import deam, own_data, ratings, song_rows, table_file
from lstmcore.experiments.datasets.annotations import read_raters
from lstmcore.experiments.datasets.procedural import collection
from lstmcore.experiments.datasets.ratings import Rating
from lstmcore.experiments.datasets.song import Song
from lstmcore.experiments.errors import InputError

SCALE = (-1.0, 1.0)


def song(frames: int) -> Song:
    return Song("a", 0.5 * np.arange(frames), np.zeros((frames, 2)))


def test_the_hop_is_that_of_songs_with_at_least_two_frames() -> None:
    assert own_data._hop_of([song(1), song(2)]) == 0.5
    assert deam._hop_of_songs(Path(), {1: song(1), 2: song(2)}, None) == 500


def test_several_files_are_called_as_their_songs_as_those_of_a_pattern_are(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("time,x\n0,1\n")
    named = {
        tuple(names): song_rows.find_files(tmp_path, names, "key").named_by_song
        for names in (["a.csv"], ["a.csv", "b.csv"], ["a*.csv"])
    }
    assert named == {("a.csv",): False, ("a.csv", "b.csv"): True, ("a*.csv",): True}


def test_a_row_of_a_later_part_of_a_table_is_named_by_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_file, "CELLS", 1)
    monkeypatch.setattr(table_file, "ROWS", 2)
    (tmp_path / "a.csv").write_text("song,time,x\n" + "".join(f"a,{k},{k}\n" for k in range(5)))
    rows = song_rows.read_rows(song_rows.find_files(tmp_path, ["a.csv"], "key"), Columns(), ["x"], [])["a"]
    assert rows.numbers[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert rows.where(4).endswith("a.csv, line 6")


@pytest.mark.parametrize("word", ["", "nan", "NaN", "NAN", "na", "NA"])
def test_what_counts_as_an_empty_cell(word: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"song,time,x,y\na,0,{word},1\na,1,2,1\n")
    rows = song_rows.read_rows(song_rows.find_files(tmp_path, ["a.csv"], "key"), Columns(), ["x", "y"], [])[
        "a"
    ]
    np.testing.assert_array_equal(rows.numbers, [[np.nan, 1], [2, 1]])


def wide(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["rater,sample_0ms,sample_500ms", *rows]) + "\n")
    return path


def test_files_of_raters_are_their_means_and_those_that_nobody_answered_are_passed_over(
    tmp_path: Path,
) -> None:
    wide(tmp_path / "a.csv", "p,0.5,0", "q,0.1,")
    wide(tmp_path / "b.csv", "p,,")
    found = ratings._read_by_rater(song_rows.find_files(tmp_path, ["*.csv"], "key"), SCALE, "joy")
    assert list(found) == ["a"]
    assert found["a"].values[:, 0] == pytest.approx([0.3, 0])


def test_an_answer_of_a_rater_is_held_against_the_scale(tmp_path: Path) -> None:
    assert read_raters(wide(tmp_path / "a.csv", "p,1,-1"), SCALE).answers.tolist() == [[1, -1]]
    with pytest.raises(InputError, match=r"a.csv, line 2: column sample_500ms is 1.5"):
        read_raters(wide(tmp_path / "a.csv", "p,1,1.5"), SCALE)


def test_a_song_of_a_wide_table_says_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("song_id,sample_0ms\n7,0.5\n")
    found = ratings._read_wide(song_rows.find_files(tmp_path, ["a.csv"], "key"), SCALE)
    assert found["7"].where(0).endswith("a.csv, song 7")


def test_ratings_of_whole_songs_keep_how_raters_agree() -> None:
    def rated(value: float, agreement: object) -> Rating:
        told = {"joy": agreement} if value > 0 else {"calm": agreement}
        return Rating(None, np.array([[value]]), lambda _: "a.csv", told)  # type: ignore[arg-type]

    joined = ratings._joined("a", {"joy": rated(0.5, "much"), "calm": rated(-0.5, "little")})
    assert joined.values.tolist() == [[0.5, -0.5]]
    assert joined.agreement == {"joy": "much", "calm": "little"}


def test_a_folder_with_nothing_but_the_notice_may_become_a_collection(tmp_path: Path) -> None:
    plan = collection.ProceduralPlan()
    (tmp_path / collection.layout.README).write_text("notice")
    collection._claim(tmp_path, plan)
    assert (tmp_path / collection.layout.PLAN).exists()
    (tmp_path / collection.layout.PLAN).unlink()
    (tmp_path / "mine.wav").write_text("")
    with pytest.raises(collection.CollectionMismatchError, match="so it is no procedural collection"):
        collection._claim(tmp_path, plan)
