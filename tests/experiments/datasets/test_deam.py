"""DEAM's layout: the join by song and time stamp, and what is wrong with files."""

import threading
from pathlib import Path

import numpy as np
import pytest

from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.datasets import load_dataset
from lstmcore.experiments.datasets.feature_tables import SongMeans, read_feature_file
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.terminal.progress import Quiet
from lstmcore.features.sets import feature_names
from tests.experiments.conftest import DYNAMIC, write_dynamic
from tests.shared_data import CONFIGURATIONS, SHARED, needs_cases, needs_deam


def load(folder: Path, *overrides: str):
    config = load_experiment(folder / "tiny.toml", list(overrides))
    return load_dataset(config.data, workers=1, progress=Quiet(), stop=threading.Event())


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def set_cell(path: Path, song: int, column: int, text: str) -> None:
    rows = [row.split(",") for row in path.read_text().splitlines()]
    next(row for row in rows if row[0] == str(song))[column] = text
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")


def arousal(folder: Path) -> Path:
    return folder / "data" / DYNAMIC / "arousal.csv"


def valence(folder: Path) -> Path:
    return folder / "data" / DYNAMIC / "valence.csv"


def write_features(folder: Path, songs: list[int], stamps: list[float], value) -> list[str]:
    names = list(feature_names("FS1"))
    (folder / "data" / "features").mkdir(exist_ok=True)
    for song in songs:
        lines = [";".join(["frameTime", *names])]
        lines += [";".join([str(t), *(str(value(song, t, k)) for k in range(len(names)))]) for t in stamps]
        (folder / "data" / "features" / f"{song}.csv").write_text("\n".join(lines) + "\n")
    return names


def test_groups_of_songs(tiny):
    data = load(tiny)
    assert [s.song_id for s in data.development] == list(range(1, 10))
    assert [s.song_id for s in data.official_test] == [2001, 2002]
    assert [s.song_id for s in data.unlabelled] == [11, 12, 13]
    assert all(s.targets is None for s in data.unlabelled)
    assert [s.frames for s in data.development[:3]] == [7, 8, 6]
    assert data.development[0].times[:2].tolist() == [15.0, 15.5]


def test_song_means_are_repeated_along_the_song(tiny):
    song = load(tiny).development[0]
    assert song.features.shape == (7, 5)
    assert (song.features == song.features[0]).all()


def test_frames_are_joined_by_time_stamp_never_by_position(tiny):
    all_songs = [*range(1, 10), 2001, 2002]
    stamps = [14.0, 14.5, 15.0, 16.0, 16.5, 17.0]  # earlier rows more, 15.5 missing, ends early
    write_features(tiny, all_songs, stamps, lambda song, t, k: song + t / 100 + k)
    data = load(tiny, "data.features=FS1")
    song = data.development[3]
    assert song.times.tolist() == [15.0, 16.0, 16.5, 17.0]
    np.testing.assert_allclose(song.features[:, 0], [4.15, 4.16, 4.165, 4.17])
    whole = load(tiny).development[3]
    np.testing.assert_array_equal(song.annotation, whole.annotation[[0, 2, 3, 4]])
    assert any("annotated frames have no features" in note for note in data.notes)


def test_features_much_longer_than_the_annotations_are_noted(tiny):
    others = [s for s in range(1, 10) if s != 4] + [2001, 2002]
    write_features(tiny, others, [15.0, 15.5, 16.0, 21.0], lambda song, t, k: song + t + k)
    write_features(tiny, [4], [15.0, 15.5, 16.0, 210.5], lambda song, t, k: song + t + k)
    notes = [note for note in load(tiny, "data.features=FS1").notes if "whole songs" in note]
    assert len(notes) == 1
    assert "1 of 11 songs" in notes[0]
    assert "(song 4: 192.5 s)" in notes[0]


def test_the_order_of_rows_in_a_file_does_not_matter(tiny):
    before = [s.digest for s in load(tiny).development]
    header, *rows = arousal(tiny).read_text().splitlines()
    arousal(tiny).write_text("\n".join([header, *reversed(rows)]) + "\n")
    assert [s.digest for s in load(tiny).development] == before


def test_curves_that_differ_in_length_are_cut_to_the_shorter(tiny):
    rows = valence(tiny).read_text().splitlines()
    cells = rows[1].split(",")
    cells[7] = ""
    valence(tiny).write_text("\n".join([rows[0], ",".join(cells), *rows[2:]]) + "\n")
    assert load(tiny).development[0].frames == 6


def test_a_file_may_replace_the_targets(tiny):
    for target in ("arousal", "valence"):
        write_dynamic(tiny / "data" / f"own_{target}.csv", {s: [0.1, 0.2, 0.3] for s in (2, 4, 5, 7)})
    data = load(tiny, "data.targets.arousal=own_arousal.csv", "data.targets.valence=own_valence.csv")
    assert [s.song_id for s in data.development] == [2, 4, 5, 7]
    assert data.development[0].annotation[:, 0].tolist() == [0.1, 0.2, 0.3]
    assert [s.song_id for s in data.official_test] == [2001, 2002]
    assert [s.song_id for s in data.unlabelled] == [1, 3, 6, 8, 9, 11, 12, 13]


def test_a_list_may_restrict_the_songs(tiny):
    (tiny / "data" / "list.csv").write_text("row,song_id\n0,3\n1,5\n2,7\n3,8\n")
    assert [s.song_id for s in load(tiny, "data.development_songs=list.csv").development] == [3, 5, 7, 8]
    (tiny / "data" / "list.csv").write_text("row,song_id\n0,3\n1,99\n")
    with pytest.raises(InputError, match=r"list\.csv: song 99 has no annotations"):
        load(tiny, "data.development_songs=list.csv")


def test_a_row_of_the_list_that_lacks_columns_is_named(tiny):
    for row in ("b", "b,2,3"):
        (tiny / "data" / "list.csv").write_text(f"title,song_id\na,3\n{row}\n")
        with pytest.raises(InputError, match=r"list\.csv, line 3: \d columns; the header has 2"):
            load(tiny, "data.development_songs=list.csv")


def test_the_list_may_stand_in_the_configuration(tiny):
    assert [s.song_id for s in load(tiny, "data.development_songs=[8, 3]").development] == [3, 8]
    with pytest.raises(InputError, match=r"data\.development_songs: song 99 has no annotations"):
        load(tiny, "data.development_songs=[3, 99]")


def test_an_unlabelled_song_has_frames_where_it_was_annotated(tiny):
    """Of song 1 nothing is learnt by its targets here, but they tell which part of it was rated."""
    for target in ("arousal", "valence"):
        write_dynamic(tiny / "data" / f"own_{target}.csv", {s: [0.1, 0.2, 0.3] for s in (2, 4, 5, 7)})
    files = [f"data.targets.{target}=own_{target}.csv" for target in ("arousal", "valence")]
    for lead_in, first in ((0, 15), (1, 14)):
        song = load(tiny, *files, f"data.lead_in={lead_in}").unlabelled[0]
        assert song.song_id == 1
        assert song.times.tolist() == [k / 2 for k in range(2 * first, 37)]


def test_nothing_unlabelled_if_none_is_asked_for(tiny):
    assert load(tiny, "data.unlabelled=none").unlabelled == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: arousal(d).unlink(), r"arousal\.csv: no such file"),
        (lambda d: arousal(d).write_text(""), r"arousal\.csv: the file is empty"),
        (lambda d: arousal(d).write_text("song_id,sample_15000ms\n"), "a header and nothing below it"),
        (lambda d: edit(arousal(d), "song_id", "id"), "first column is 'id'; expected 'song_id'"),
        (lambda d: edit(arousal(d), "sample_15500ms", "x"), "line 1: column 'x'"),
        (lambda d: edit(arousal(d), "\n1,", "\none,"), "line 2: song_id is 'one'; expected a whole number"),
        (lambda d: edit(arousal(d), "\n2,", "\n1,"), "line 3: song 1 appears a second time"),
        (lambda d: set_cell(arousal(d), 3, 1, "nan"), "line 4: song 3, column sample_15000ms is 'nan'"),
        (
            lambda d: set_cell(arousal(d), 3, 1, "inf"),
            "song 3, column sample_15000ms is 'inf'; expected a finite",
        ),
        (lambda d: set_cell(arousal(d), 3, 2, ""), "song 3, column sample_15500ms is ''"),
        (lambda d: edit(arousal(d), "\n3,", "\n3,1,1,1,1,1,"), "song 3 has 14 columns; the header has 9"),
        (
            lambda d: edit(arousal(d), "sample_15500ms", "sample_15000ms"),
            "line 1: column 'sample_15000ms' comes after sample_15000ms",
        ),
        (
            lambda d: edit(arousal(d), "sample_15500ms", f"sample_{'9' * 5000}ms"),
            "line 1: column 'sample_999",
        ),
        (lambda d: edit(arousal(d), "\n1,", "\n1_000,"), "song_id is '1_000'; expected a whole number"),
        (
            lambda d: set_cell(arousal(d), 3, 1, "0_1"),
            "song 3, column sample_15000ms is '0_1'; expected a finite",
        ),
        (
            lambda d: edit(d / "data" / "song_mean_features.csv", "\n2,", "\n1,"),
            "line 3: song 1 appears a second time",
        ),
        (
            lambda d: set_cell(d / "data" / "song_mean_features.csv", 2, 3, "1e39"),
            "line 3: song 2, column f2 is '1e39'; expected a finite number",
        ),
        (lambda d: arousal(d).write_text("song_id,sample_15000ms\n1,\n"), "song 1 has no annotated frames"),
        (
            lambda d: write_dynamic(valence(d), {1: [0.1, 0.2]}),
            "song 2 has arousal annotations and no valence annotations",
        ),
        (
            lambda d: (d / "data" / "song_mean_features.csv").unlink(),
            r"song_mean_features\.csv: no such file",
        ),
        (
            lambda d: edit(d / "data" / "song_mean_features.csv", "\n2,", "\n2,1.0,"),
            "line 3: song 2 has 6 features; expected 5",
        ),
        (
            lambda d: edit(d / "data" / "song_mean_features.csv", "\n2,", "\n2,nan\n77,"),
            "line 3: song 2 has 1 features; expected 5",
        ),
        (
            lambda d: edit(d / "data" / "song_mean_features.csv", "\n2,", "\n88,"),
            "song 2 is annotated but there are",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tiny, spoil, message):
    spoil(tiny)
    with pytest.raises(InputError, match=message):
        load(tiny)


def test_a_value_that_is_no_number_names_song_row_and_column(tiny):
    path = tiny / "data" / "song_mean_features.csv"
    rows = path.read_text().splitlines()
    rows[3] = "3,0,0,-inf,0,0"
    path.write_text("\n".join(rows) + "\n")
    with pytest.raises(InputError, match="line 4: song 3, column f2 is '-inf'; expected a finite number"):
        load(tiny)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("frameTime;", "time;", r"line 1: 261 columns; expected the 261 of the set; column 1 is 'time'"),
        ("frameTime;", "frameTime;more;", "line 1: 262 columns; expected the 261"),
        ("\n15.0;1;", "\n15.0;", "line 2: song 7, frame 15.0 s has 259 features; expected 260"),
        ("\n15.0;1;", "\n15.0;inf;", "song 7, frame 15.0 s, column F0final_sma_stddev is 'inf'"),
        ("\n15.5;", "\n15.0;", "time stamps in column frameTime don't rise"),
        ("\n15.5;", "\n1e30;", "line 3: frameTime is 1e30; expected 0 to 1e[+]06 s"),
        ("\n15.0;1;", "\n15.0;1e39;", "column F0final_sma_stddev is '1e39'; expected a finite number"),
    ],
)
def test_feature_files(tiny, old, new, message):
    names = write_features(tiny, [7], [15.0, 15.5], lambda song, t, k: 1)
    path = tiny / "data" / "features" / "7.csv"
    edit(path, old, new)
    with pytest.raises(InputError, match=message):
        read_feature_file(path, names)


def test_a_song_with_neither_features_nor_audio_is_named(tiny):
    write_features(tiny, [1], [15.0, 15.5], lambda song, t, k: 1)
    with pytest.raises(InputError, match="song 2 is annotated but there are no FS1 features of it"):
        load(tiny, "data.features=FS1")


def test_features_at_other_times_are_named(tiny):
    write_features(tiny, [*range(1, 10), 2001, 2002], [1.0, 1.5], lambda song, t, k: 1)
    with pytest.raises(
        InputError, match="song 1: 0 of its 7 annotated frames have features at the same time"
    ):
        load(tiny, "data.features=FS1")


def test_a_missing_root_is_named(tiny):
    with pytest.raises(InputError, match="no such folder"):
        load(tiny, "data.root=nowhere")


MANY = "9" * 5000  # digits: Python refuses to read so long a number
FAILED = {
    "songlist-1-IndexError.csv": "title,song_id,x\na,1,2\nb,2,a,1,2\nb,2,3\n3\n",
    "set-1-ValueError.csv": f"1_000data.development_songs\t=[{MANY}1,2]",
    "toml-1-ValueError.toml": f'name = "x"\n[data]\nsource = "procedural"\nprocedural.unlabelled = {MANY}\n',
}


@pytest.mark.parametrize("place", ["made", pytest.param("in use", marks=needs_cases)])
def test_the_tables_that_failed_in_use(tiny, place):
    """A list of songs, an experiment and a value for --set, each with what is wrong in it."""
    folder = tiny if place == "made" else SHARED / "cases"
    if place == "made":
        for name, content in FAILED.items():
            (folder / name).write_text(content)
    (tiny / "data" / "list.csv").write_bytes((folder / "songlist-1-IndexError.csv").read_bytes())
    with pytest.raises(InputError, match=r"list\.csv, line 3: 5 columns; the header has 3"):
        load(tiny, "data.development_songs=list.csv")
    with pytest.raises(InputError, match=r"toml-1-ValueError\.toml: not valid TOML: Exceeds the limit"):
        load_experiment(folder / "toml-1-ValueError.toml", [])
    with pytest.raises(InputError, match=r"--set 1_000data.development_songs: can't be read: Exceeds"):
        load(tiny, (folder / "set-1-ValueError.csv").read_text())
    with pytest.raises(InputError, match=r"set-1-ValueError\.csv: there is a header and nothing below it"):
        SongMeans(folder / "set-1-ValueError.csv")


@pytest.mark.deam
@needs_deam
def test_the_real_songs_of_the_task():
    shipped = CONFIGURATIONS / "deam_song_level.toml"
    config = load_experiment(shipped, [f"data.root={SHARED / 'deam'}"])
    data = load_dataset(config.data, workers=1, progress=Quiet(), stop=threading.Event())
    assert len(data.development) == 431
    assert {s.frames for s in data.development} == {60}
    assert [s.song_id for s in data.official_test] == [2004, 2013, 2022, 2031, 2049]
    assert len(data.unlabelled) == 1744 - 431
    assert len(data.feature_names) == 130
    arousal_and_valence = np.concatenate([s.annotation for s in data.development])
    # Known of these targets: spread .330 and .352, correlation .63.
    np.testing.assert_allclose(arousal_and_valence.std(0), [0.330, 0.352], atol=1e-3)
    assert np.corrcoef(arousal_and_valence.T)[0, 1] == pytest.approx(0.63, abs=5e-3)
