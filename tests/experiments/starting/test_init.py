"""``lstmcore init``: what is taken for what, in the layouts that data come in, and what is refused."""

import re
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from lstmcore.experiments.cli import app, run_app
from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.datasets import load_dataset
from lstmcore.experiments.terminal.progress import Quiet
from tests.experiments.conftest import write_tiny_deam
from tests.experiments.starting.layouts import (
    FRAMES,
    SONGS,
    curve,
    emomusic,
    features,
    muse,
    once,
    pmemo,
    sounds,
    tidy,
    write,
)

NAMES = [f"s{n}" for n in range(SONGS)]
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "begin-with-a-folder.md"


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def init(*arguments, code=0):
    """What is told, in one line."""
    result = CliRunner().invoke(app, ["init", *map(str, arguments or ["data"])])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def load(file="data.toml"):
    config = load_experiment(file)
    data = load_dataset(
        config.data, workers=1, progress=Quiet(), stop=threading.Event(), group=config.folds.group
    )
    return config, data


def is_song(data, position, k, song, target, low=-1.0, high=1.0):
    np.testing.assert_allclose(
        data.development[position].targets[:, k], curve(song, target, low, high), atol=1e-9
    )


# --- layouts that are known ---------------------------------------------------------------


def test_emomusic(root):
    emomusic(root)
    told = init()
    config, data = load()
    assert (config.data.source, config.data.features, config.data.scale) == ("audio", "FS2", [-1, 1])
    assert [song.song_id for song in data.development] == [1, 2, 3, 4, 5, 6]
    is_song(data, 0, 0, 1, 0, -0.5, 0.6)
    is_song(data, 5, 1, 6, 1, -0.5, 0.6)
    assert data.development[0].times.tolist() == [15 + k / 2 for k in range(FRAMES)]
    assert data.metadata[3]["Artist"] == "Bob"
    assert config.folds.group == "Artist"
    assert config.folds.count == 4
    assert "Left aside: annotations/arousal_cont_std.csv: spreads of ratings" in told
    assert "there is also annotations/static_annotations.csv: one rating a song" in told


def test_emomusic_without_its_curves(root):
    emomusic(root)
    for file in (root / "annotations").glob("*_cont_*.csv"):
        file.unlink()
    init()
    config, data = load()
    assert config.data.scale == [1, 9]
    assert data.development[0].rated_once
    assert data.development[0].targets[0, 0] == curve(0, 0, 1, 9)[0]


def test_pmemo(root):
    pmemo(root)
    told = init()
    config, data = load()
    assert config.data.scale == [0, 1]
    assert config.data.audio.folder == "chorus"
    assert [song.song_id for song in data.development] == [1, 2, 3, 4, 5, 6]
    is_song(data, 2, 1, 2, 1, 0, 1)
    assert data.metadata[1]["artist"] == "A1"
    assert "annotations/static_annotations_std.csv: spreads of ratings, not ratings" in told
    assert "there is also features/dynamic_features.csv: features that are there already" in told


def test_pmemo_without_audio_has_its_features(root):
    pmemo(root, audio=False)
    init()
    config, data = load()
    assert config.data.source == "table"
    assert data.feature_names == [f"F0final_sma_{k}" for k in range(4)]
    is_song(data, 2, 1, 2, 1, 0, 1)


def test_features_over_time_of_songs_that_are_rated_once(root):
    pmemo(root, audio=False)
    (root / "annotations" / "dynamic_annotations.csv").unlink()
    init()
    data = load()[1]
    assert data.development[0].rated_once
    assert data.development[0].frames == FRAMES
    assert data.development[1].targets[0, 0] == curve(1, 0, 0, 1)[0]


def test_muse(root):
    muse(root)
    told = init()
    config, data = load()
    assert config.data.table.time_unit == "ms"
    assert data.feature_names == ["0", "1", "2", "3"]
    assert data.hop_seconds == 0.5
    is_song(data, 0, 0, 1, 0)
    is_song(data, 5, 1, 6, 1)
    assert 'file: there is also "feature_segs/bert/*.csv"' in told
    assert "# not taken for features: segment_id" in Path("data.toml").read_text()


def test_deam(root):
    write_tiny_deam(root)
    init()
    config, data = load()
    assert (config.data.source, config.data.features) == ("deam", "song_means")
    assert len(data.development) == 9
    assert [song.song_id for song in data.official_test] == [2001, 2002]
    assert config.data.official_test_above == 2000


def test_deam_below_the_folder_of_which_a_part_has_features(root):
    write_tiny_deam(root / "deep" / "DEAM")
    (root / "deep" / "DEAM" / "song_mean_features.csv").unlink()
    sounds(root / "deep" / "DEAM" / "MEMD_audio", [2, 3, 5], 19)
    told = init()
    config, data = load()
    assert [song.song_id for song in data.development] == [2, 3, 5]
    assert config.data.features == "FS2"
    assert not data.official_test
    assert "11 rated songs have neither features nor audio" in told


def with_other(text, begins):
    """The file with another choice of files in place of the one it has."""
    head, old, rest = re.split(r"(?ms)(^\[data\.\w+\]\n.*?)(?=^\[folds\])", text)
    [block] = [
        b for b in re.split(r"(?m)^(?=# Or, in place of )", old)[1:] if begins in b.replace("\n# ", " ")
    ]
    lines = [line.removeprefix("#   ") for line in block.splitlines() if line.startswith("#   ")]
    for line in [line for line in lines if line.startswith(("scale", "source"))]:
        key = line.partition(" ")[0]
        head = re.sub(rf"(?m)^{key} = .*$", line, head)
        lines.remove(line)
        if key == "source":
            head = re.sub(r"(?m)^features = .*$", "", head)
    return "\n".join([head, *lines, "", rest])


@pytest.mark.parametrize(
    ("make", "begins", "source", "scale"),
    [
        (emomusic, "static_annotations.csv", "audio", [1, 9]),
        (pmemo, "static_annotations.csv", "audio", [0, 1]),
        (pmemo, "features that are there already", "table", [0, 1]),
        (lambda d: pmemo(d, audio=False), "static_annotations.csv", "table", [0, 1]),
    ],
)
def test_the_other_choices_run_too(root, make, begins, source, scale):
    make(root)
    init()
    Path("other.toml").write_text(with_other(Path("data.toml").read_text(), begins))
    config, data = load("other.toml")
    assert (config.data.source, config.data.scale) == (source, scale)
    assert data.development[0].rated_once == ("static" in begins)
    assert len(data.development) == SONGS


# --- tables of people's own ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "scale"),
    [
        *((-1, 1, [-1, 1]), (0, 1, [0, 1]), (1, 9, [1, 9])),
        *((1, 5, [1, 5]), (0, 100, [0, 100]), (-50, 50, [-50, 50])),
    ],
)
def test_the_scale_is_the_narrowest_usual_one_and_a_guess(root, low, high, scale):
    sounds(root / "audio", NAMES)
    write(tidy(NAMES, low, high), root / "ratings.csv")
    told = init()
    config, data = load()
    assert config.data.scale == scale
    assert f"scale = [{scale[0]}, {scale[1]}]: ratings go from" in told
    is_song(data, 0, 0, 0, 0, low, high)
    assert [song.song_id for song in data.development] == NAMES


def test_other_names_and_a_column_of_raters(root):
    sounds(root / "wavs", NAMES)
    parts = [
        tidy(NAMES, 1, 7, "Track ID", "Time (ms)", ("felt_arousal", "Valence")).assign(annotator=name)
        for name in ("ann", "bob")
    ]
    table = pd.concat(parts)
    table["Time (ms)"] = (1000 * table["Time (ms)"]).astype(int)
    table.to_csv(root / "r.csv", index=False, sep=";")
    init()
    config, data = load()
    own = config.data.audio
    assert (own.song, own.time, own.time_unit, own.rater) == (["Track ID"], ["Time (ms)"], "ms", "annotator")
    assert data.targets == ("valence", "felt_arousal")
    assert data.agreements["s0"]["valence"].raters == 2
    assert data.hop_seconds == 0.5
    assert "[data.quality]" in Path("data.toml").read_text()


def test_a_file_per_rater(root):
    sounds(root / "wavs", NAMES)
    for n, rater in enumerate(("ann", "bob", "cy")):
        table = tidy(NAMES, 2, 8)
        table["arousal"] += (n - 1) / 2
        write(table, root / "raters" / f"{rater}.csv")
    told = init()
    config, data = load()
    assert config.data.audio.raters == "files"
    assert data.agreements["s0"]["arousal"].raters == 3
    is_song(data, 1, 0, 1, 0, 2, 8)
    assert "each file of raters/*.csv is one rater's" in told


def test_parts_of_one_table_are_no_raters(root):
    sounds(root / "wavs", NAMES)
    write(tidy(NAMES).iloc[: 3 * FRAMES], root / "a.csv")
    write(tidy(NAMES).iloc[3 * FRAMES :], root / "b.csv")
    init()
    config, data = load()
    assert config.data.audio.raters is None
    assert len(data.development) == SONGS


def test_a_file_per_song_and_features_in_another(root):
    for n, name in enumerate(NAMES):
        write(
            tidy([name]).assign(arousal=curve(n, 0, 1, 9)).drop(columns="song"),
            root / "labels" / f"{name}.csv",
        )
        own = features(seed=n).assign(frameTime=np.arange(FRAMES) / 2, note="x")
        write(own, root / "feats" / f"{name}.csv")
    init()
    config, data = load()
    assert config.data.table.file == ["feats/*.csv"]
    assert data.feature_names == ["mfcc_0", "mfcc_1", "mfcc_2"]
    is_song(data, 4, 0, 4, 0, 1, 9)


def test_features_by_file_beside_a_table_whose_songs_have_a_column(root):
    """The column of songs has another name than `song`, and the files of features have none."""
    write(tidy(NAMES, song="track", time="t"), root / "ratings.csv")
    for n, name in enumerate(NAMES):
        write(features(seed=n).assign(time=np.arange(FRAMES) / 2), root / "feats" / f"{name}.csv")
    init()
    data = load()[1]
    assert [song.song_id for song in data.development] == NAMES
    is_song(data, 3, 1, 3, 1, 1, 9)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_targets_beside_features(root, suffix):
    table = tidy(NAMES, 0, 1, targets=("tension", "joy")).assign(bpm=120.0, artist="x", segment_id=1)
    table = pd.concat([table, features(3, len(table))], axis=1)
    table["artist"] = table["song"].map(dict(zip(NAMES, ["a", "b", "c", "d", "a", "b"], strict=True)))
    if suffix == ".csv":
        write(table, root / "all.csv")
    else:
        table.to_parquet(root / "all.parquet")
    init()
    config, data = load()
    assert data.targets == ("tension", "joy")
    assert data.feature_names == ["bpm", "mfcc_0", "mfcc_1", "mfcc_2"]
    assert config.folds.group == "artist"
    assert data.metadata["s4"]["artist"] == "a"


def test_a_file_for_each_target(root):
    """Each with a column that is called as the target."""
    sounds(root / "wavs", NAMES)
    write(tidy(NAMES).drop(columns="valence"), root / "arousal.csv")
    write(tidy(NAMES).drop(columns="arousal"), root / "valence.csv")
    init()
    config, data = load()
    assert config.data.audio.annotations == {"arousal": ["arousal.csv"], "valence": ["valence.csv"]}
    is_song(data, 2, 0, 2, 0, 1, 9)
    is_song(data, 2, 1, 2, 1, 1, 9)


def test_columns_that_nobody_knows_are_a_guess(root):
    sounds(root / "wavs", NAMES)
    write(tidy(NAMES, targets=("groove", "awe")), root / "x.csv")
    told = init()
    assert load()[1].targets == ("groove", "awe")
    assert "Guessed; another choice is a line of the file: that groove and awe of x.csv are ratings" in told


def test_the_column_of_songs_is_the_one_that_names_recordings(root):
    sounds(root / "wavs", NAMES)
    table = once(NAMES, song="what")
    table.insert(0, "id", range(100, 100 + SONGS))
    table["what"] += ".wav"
    write(table, root / "x.csv")
    init()
    assert load()[0].data.audio.song == ["what"]
    write(table.drop(columns="what"), root / "x.csv")
    assert "song 100 is annotated, but there is no audio of it" in init("data", "--force", code=1)


def test_of_two_folders_of_recordings_one_is_chosen_and_the_other_told(root):
    sounds(root / "full", NAMES)
    sounds(root / "short", NAMES)
    write(tidy(NAMES), root / "ratings.csv")
    told = init()
    assert load()[0].data.audio.folder == "full"
    assert "folder = 'full': short has as many of the songs" in told


def test_songs_without_ratings_teach_the_auto_encoder(root):
    sounds(root / "wavs", [*NAMES, "u1", "u2"])
    write(tidy(NAMES), root / "ratings.csv")
    told = init()
    assert load()[0].data.unlabelled == "others"
    assert "without ratings 2" in told
    (root / "wavs" / "u1.wav").unlink()
    init("data", "--force")
    assert load()[0].data.unlabelled == "all"


@pytest.mark.parametrize(
    ("songs", "count", "kept_out"), [(2, 2, "none"), (7, 7, "none"), (40, 10, "none"), (120, 11, 10)]
)
def test_settings_suit_the_number_of_songs(root, songs, count, kept_out):
    names = [f"n{k}" for k in range(songs)]
    table = tidy(names)
    write(pd.concat([table, features(3, len(table))], axis=1), root / "all.csv")
    init()
    config, data = load()
    assert (config.folds.count, config.folds.team_test) == (count, kept_out)
    assert len(data.development) == songs


# --- to the end ---------------------------------------------------------------------------


def test_what_was_written_runs_to_the_end(root):
    sounds(root / "wavs", NAMES)
    write(tidy(NAMES), root / "ratings.csv")
    init("data", "--out", "mine.toml")
    small = [
        *("network.hidden=[3]", "ensemble.trials=1", "training.max_epochs=3", "pretraining.max_epochs=2"),
    ]
    line = ["mine.toml", "--out", "out", "--quiet", *(word for one in small for word in ("--set", one))]
    result = CliRunner().invoke(run_app, line)
    assert result.exit_code == 0, result.output
    assert len(pd.read_csv("out/predictions.csv").query("system == 'lstm_all'")) == SONGS * FRAMES


# --- what can't be used -------------------------------------------------------------------


def test_an_empty_folder_is_told_what_was_looked_for(root):
    told = init(code=2)
    assert "data: no ratings; looked for CSV or Parquet with a column that names the song" in told
    assert not Path("data.toml").exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda d: sounds(d, NAMES),
            "6 recordings, and no table of ratings (without ratings: lstmcore predict",
        ),
        (lambda d: write(tidy(NAMES), d / "r.csv"), "r.csv has ratings, but there are no recordings and no"),
        (lambda d: (d / "r.csv").write_bytes(b"song,\xff\n1,2\n"), "r.csv: can't be read: not text in UTF-8"),
        (lambda d: (d / "r.csv").write_text("song,time,arousal\n"), "there is a header and nothing below it"),
        (lambda d: write(pd.DataFrame({"a": [1], "b": [2]}), d / "r.csv"), "found r.csv: a, b"),
        (
            lambda d: (d / "r.xlsx").touch(),
            "a file in no format that is read; tables are read as CSV",
        ),
        (
            lambda d: write(tidy(NAMES, targets=("arousal_1", "arousal_2")), d / "r.csv"),
            "a column per rater (arousal_1, arousal_2); expected a row per rater",
        ),
        (lambda d: d.rmdir(), "data: no such folder"),
    ],
)
def test_nothing_that_can_be_used(root, make, message):
    make(root)
    assert message in init(code=2)
    assert not Path("data.toml").exists()


def test_a_file_that_is_there_is_left_alone(root):
    sounds(root / "wavs", NAMES)
    write(tidy(NAMES), root / "ratings.csv")
    Path("data.toml").write_text("mine")
    assert "data.toml: is there already; expected a new file with --out FILE.toml, or --force" in init(code=2)
    assert Path("data.toml").read_text() == "mine"
    init("data", "--force")
    assert load()[0].name == "data"
    assert "is a folder; expected a file to write" in init("data", "--out", ".", code=2)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: (d / "wavs" / "s3.wav").unlink(), "song s3 is annotated, but there is no audio of it"),
        (lambda d: spoil(d, 3, "time", 0.2), "expected the same between all frames of all songs"),
        (lambda d: spoil(d, 3, "arousal", "loud"), "column arousal is 'loud'; expected a finite number"),
        (
            lambda d: spoil(d, slice(None), "arousal", "4,5"),
            "is '4,5'; expected a finite number, with a",
        ),
        (lambda d: spoil(d, 3, "arousal", ""), "column arousal is empty and others of the targets aren't"),
        (lambda d: write(tidy(["s1"]), d / "ratings.csv"), "one song is rated; expected at least two"),
    ],
)
def test_what_a_run_would_refuse_is_told_and_in_the_file(root, spoil, message):
    sounds(root / "wavs", NAMES)
    write(tidy(NAMES), root / "ratings.csv")
    spoil(root)
    told = init(code=1)
    assert message in told
    assert "It can't be run as it is" in told
    assert "# It can't be run as it is:" in Path("data.toml").read_text()
    assert load_experiment("data.toml").data.source == "audio"


def spoil(folder, row, column, value):
    table = pd.read_csv(folder / "ratings.csv", dtype=object)
    table.loc[row, column] = value
    write(table, folder / "ratings.csv")


def test_odd_names(root):
    odd = root / "my [best] songs, 'live' \"2\" = ü #1"
    sounds(odd, NAMES)
    write(tidy(NAMES).iloc[:18], odd / "a.csv")
    write(tidy(NAMES).iloc[18:], odd / "b.csv")
    init()
    data = load()[1]
    assert len(data.development) == SONGS
    init(odd)
    assert load(next(f for f in Path().glob("*.toml") if f.name != "data.toml"))[0].name.startswith("my-best")


def test_runs_beside_the_data_are_no_data(root):
    sounds(root / "wavs", NAMES)
    write(tidy(NAMES), root / "ratings.csv")
    (root / "runs" / "x").mkdir(parents=True)
    (root / "runs" / "x" / "config.toml").touch()
    write(tidy(NAMES), root / "runs" / "x" / "predictions.csv")
    assert "runs/x: the results of a run" in init()
    assert len(load()[1].development) == SONGS


def test_an_absolute_folder_is_written_so(root):
    sounds(root / "wavs", NAMES)
    write(tidy(NAMES), root / "ratings.csv")
    Path("deep").mkdir()
    init("data", "--out", "deep/one.toml")
    assert load("deep/one.toml")[0].data.root == str(root)
    assert 'root = "../data"' in Path("deep/one.toml").read_text()
    init(root, "--out", "deep/two.toml")
    assert f'root = "{root}"' in Path("deep/two.toml").read_text()


# --- the page -----------------------------------------------------------------------------


def test_the_page_shows_what_is_told(root, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    pmemo(Path("pmemo"))
    result = CliRunner().invoke(app, ["init", "pmemo"])
    shown = re.search(r"^```console\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)[1]
    assert shown == f"$ lstmcore init pmemo\n{result.output}"


def test_a_column_that_may_be_a_rating_is_told(root):
    table = once(NAMES, targets=("valence",)).assign(energy=0.5, tempo=np.arange(SONGS) + 100.0)
    write(table, root / "x.csv")
    told = init()
    assert "features: there" not in told
    assert "features: fewer: what of energy and tempo was rated belongs in targets" in told
    assert load()[1].feature_names == ["energy", "tempo"]
    sounds(root / "wavs", NAMES)
    assert "x.csv, column energy, tempo: not called like an emotion" in init("data", "--force")


def test_folders_of_raters_are_told(root):
    sounds(root / "wavs", NAMES)
    for rater in ("ann", "bob"):
        for name in NAMES:
            write(tidy([name]).drop(columns="song"), root / "raters" / rater / f"{name}.csv")
    assert "if each is one rater's, put all in one table with a column rater" in init()
