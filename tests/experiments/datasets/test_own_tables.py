"""The source ``table``: what is read, how annotations and features are joined, and what is refused where."""

import json
import re
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lstmcore.experiments.config import Data, load_experiment
from lstmcore.experiments.datasets import load_dataset, table_file
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.prediction import load_model
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.experiments.studies import run_ablations
from lstmcore.experiments.terminal.progress import Quiet

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "use-your-own-tables.md"
SMALL = (
    *("folds.count=4", "folds.team_test=3", "network.hidden=[3]", "ensemble.trials=1"),
    *("training.max_epochs=3", "training.learning_rate=1e-3", "pretraining.max_epochs=2"),
)


def table(songs="abcdefgh", hop=0.5, frames=9, targets=("joy", "tension")):
    """Frames of songs, of which the last of several has one row less."""
    rng = np.random.default_rng(0)
    rows = []
    for n, song in enumerate(songs):
        for k in range(frames - n % 2):
            x = rng.standard_normal(3).round(3)
            rows.append([song, k * hop, *x, *np.clip(5 + x[: len(targets)], 1, 9)])
    return pd.DataFrame(rows, columns=["song", "time", "mfcc_1", "mfcc_2", "tempo", *targets])


def load(root, data=(), **keys):
    config = {"targets": ["joy", "tension"], "file": "frames.csv"} | keys
    section = {"source": "table", "root": str(root), "scale": [1, 9], "table": config} | dict(data)
    return load_dataset(Data.model_validate(section), workers=1, progress=Quiet(), stop=threading.Event())


@pytest.fixture
def whole(tmp_path):
    table().to_csv(tmp_path / "frames.csv", index=False)
    return tmp_path


@pytest.fixture
def parted(tmp_path):
    frames = table()
    frames.drop(columns=["joy", "tension"]).to_csv(tmp_path / "frames.csv", index=False)
    frames[["song", "time", "joy", "tension"]].to_csv(tmp_path / "ratings.csv", index=False)
    return tmp_path


def refused(message, root, data=(), **keys):
    with pytest.raises(InputError, match=message):
        load(root, data, **keys)


def set_line(file, number, text):
    """Put a line, numbered from 1, in place of another; None takes it away."""
    lines = file.read_text().splitlines()
    lines[number - 1 : number] = [] if text is None else [text]
    file.write_text("\n".join(lines) + "\n")


# --- what is read -------------------------------------------------------------------------


def test_one_file_has_features_and_targets_by_name_and_pattern(whole):
    data = load(whole, features=["tempo", "mfcc_*"])
    assert (data.feature_names, data.targets) == (["mfcc_1", "mfcc_2", "tempo"], ("joy", "tension"))
    assert [song.song_id for song in data.development] == list("abcdefgh")
    frames = table()
    own = frames[frames["song"] == "b"]
    song = data.development[1]
    assert np.array_equal(song.features, own[["mfcc_1", "mfcc_2", "tempo"]])
    assert np.allclose(song.annotation, own[["joy", "tension"]])
    assert (data.hop_seconds, data.scale, data.feature_set) == (0.5, (1, 9), "table")


def test_rows_stand_in_any_order_and_songs_that_all_have_numbers_are_numbers(tmp_path):
    frames = table(songs=[2, 10, 1, 30])
    frames.sample(frac=1, random_state=1).to_csv(tmp_path / "frames.csv", index=False, sep=";")
    data = load(tmp_path)
    assert [song.song_id for song in data.development] == [1, 2, 10, 30]
    assert np.array_equal(data.development[1].features[:, 0], frames["mfcc_1"][:9])


@pytest.mark.parametrize("lead_in", [0, 2])
def test_features_of_whole_songs_stand_beside_every_rating_and_in_the_lead_in(parted, lead_in):
    per_song = table()[["song", "mfcc_1", "tempo"]].drop_duplicates("song")
    per_song.to_csv(parted / "frames.csv", index=False)
    late = table()[["song", "time", "joy", "tension"]]
    late["time"] += 1.5
    late.to_csv(parted / "ratings.csv", index=False)
    data = load(parted, annotations="ratings.csv", data={"lead_in": lead_in})
    for song, (_, row) in zip(data.development, per_song.iterrows(), strict=True):
        one = row[["mfcc_1", "tempo"]].astype(float)
        rated = late[late["song"] == song.song_id]
        assert np.array_equal(song.times, rated["time"])
        assert np.array_equal(song.features, np.tile(one, (len(rated), 1)))
        assert np.allclose(song.annotation, rated[["joy", "tension"]])
        # From 1.5 s on there are three frames before the first rating, of the four asked for.
        assert song.frames_before == (3 if lead_in else 0)
        assert np.array_equal(song.heard, np.tile(one, (len(rated) + song.frames_before, 1)))


def test_two_rows_of_features_at_one_time_are_refused_with_both_lines(parted):
    set_line(parted / "frames.csv", 4, "a,0.5,1,2,3")
    refused(
        "line 3 and line 4: song a has two rows of 0.5 s; expected one", parted, annotations="ratings.csv"
    )


@pytest.mark.parametrize("hop", [0.04, 1 / 3, 2.0])
def test_any_hop(tmp_path, hop):
    table(hop=hop).round(3).to_csv(tmp_path / "frames.csv", index=False)
    assert load(tmp_path).hop_seconds == pytest.approx(hop, rel=1e-3)


def test_parquet_holds_what_csv_holds(whole, tmp_path):
    pytest.importorskip("pyarrow")
    table().to_parquet(tmp_path / "frames.parquet")
    one, other = load(whole), load(tmp_path, file="frames.parquet")
    assert [s.digest for s in one.development] == [s.digest for s in other.development]


def test_tables_are_read_in_parts(whole, monkeypatch):
    digests = [s.digest for s in load(whole).development]
    monkeypatch.setattr(table_file, "ROWS", 7)
    monkeypatch.setattr(table_file, "CELLS", 1)
    assert [s.digest for s in load(whole).development] == digests


def test_a_file_a_song_is_called_as_the_song(tmp_path):
    for song, own in table().groupby("song"):
        own.drop(columns="song").to_csv(tmp_path / f"{song}.csv", index=False)
    data = load(tmp_path, file="*.csv")
    assert [song.song_id for song in data.development] == list("abcdefgh")


def test_a_column_may_be_called_otherwise_and_two_files_may_differ(tmp_path):
    frames = table().rename(columns={"joy": "Joy(mean)", "song": "musicId", "time": "frameTime"})
    frames["frameTime"] *= 1000
    frames.drop(columns=["Joy(mean)", "tension"]).to_csv(tmp_path / "frames.csv", index=False)
    ratings = frames[["musicId", "frameTime", "Joy(mean)"]].rename(columns={"frameTime": "time"})
    ratings.to_csv(tmp_path / "ratings.csv", index=False)
    names = {"song": "musicId", "time": ["frameTime", "time"], "time_unit": "ms"}
    data = load(tmp_path, annotations="ratings.csv", targets=["joy"], columns={"joy": "Joy(mean)"}, **names)
    assert (data.targets, data.hop_seconds, len(data.development)) == (("joy",), 0.5, 8)


def test_annotations_are_joined_to_the_features_nearest_in_time(parted):
    ratings = pd.read_csv(parted / "ratings.csv")
    ratings["time"] += 0.2
    ratings[ratings["time"] < 3].to_csv(parted / "ratings.csv", index=False)
    song = load(parted, annotations="ratings.csv").development[0]
    frames = table()
    assert np.array_equal(song.features[:, 0], frames["mfcc_1"][:6])
    assert song.times[0] == pytest.approx(0.2)


def test_features_finer_than_annotations_are_taken_at_their_times(parted):
    frames = table(hop=0.25, frames=17).drop(columns=["joy", "tension"])
    frames.to_csv(parted / "frames.csv", index=False)
    pd.read_csv(parted / "ratings.csv").query("time < 4").to_csv(parted / "ratings.csv", index=False)
    song = load(parted, annotations="ratings.csv").development[0]
    assert np.array_equal(song.features[:, 0], frames["mfcc_1"][:16:2])


def test_rows_without_targets_are_heard_before_and_songs_without_are_unlabelled(whole):
    frames = pd.read_csv(whole / "frames.csv")
    frames.loc[(frames["song"] == "a") & (frames["time"] < 1.5), ["joy", "tension"]] = None
    frames.loc[frames["song"] == "h", ["joy", "tension"]] = None
    frames.to_csv(whole / "frames.csv", index=False)
    data = load(whole, {"lead_in": 1.0})
    assert np.array_equal(data.development[0].lead_in[:, 0], frames["mfcc_1"][1:3])
    assert data.development[0].times[0] == 1.5
    assert [song.song_id for song in data.unlabelled] == ["h"]
    assert len(data.development) == 7


def test_test_and_development_songs_are_named_or_listed(whole):
    (whole / "test.csv").write_text("song_id\nc\nd\n")
    data = load(whole, {"test_songs": "test.csv", "development_songs": ["a", "b", "c"]})
    assert [song.song_id for song in data.official_test] == ["c", "d"]
    assert [song.song_id for song in data.development] == ["a", "b"]
    refused("data.test_songs: song zz has no annotations", whole, {"test_songs": ["zz"]})


def test_a_column_of_raters_is_averaged_and_their_agreement_kept(parted):
    ratings = pd.read_csv(parted / "ratings.csv")
    parts = []
    for n, name in enumerate("pqr"):
        own = ratings.assign(who=name)
        own["joy"] = (own["joy"] + 0.3 * (n - 1)).clip(1, 9)
        parts.append(own)
    pd.concat(parts).to_csv(parted / "ratings.csv", index=False)
    data = load(
        parted, {"quality": {"min_raters": 3, "min_alpha": 0.5}}, annotations="ratings.csv", rater="who"
    )
    assert np.allclose(data.development[0].annotation[:, 0], ratings["joy"][:9], atol=0.1)
    assert data.agreements["a"]["joy"].raters == 3
    assert data.agreements["a"]["joy"].alpha > 0.9


def test_targets_may_have_files_of_their_own(parted):
    ratings = pd.read_csv(parted / "ratings.csv")
    for target in ("joy", "tension"):
        (parted / target).mkdir()
        for song, own in ratings.groupby("song"):
            own.rename(columns={target: "value"})[["time", "value"]].to_csv(
                parted / target / f"{song}.csv", index=False
            )
    files = {target: f"{target}/*.csv" for target in ("joy", "tension")}
    data = load(parted, annotations=files)
    assert np.allclose(data.development[2].annotation, ratings[ratings["song"] == "c"][["joy", "tension"]])
    (parted / "tension" / "c.csv").unlink()
    refused("song c has joy annotations and no tension annotations", parted, annotations=files)


def test_targets_may_be_in_tables_with_a_column_a_time_stamp(tmp_path):
    table(songs=range(1, 9), frames=4).drop(columns=["joy", "tension"]).to_csv(
        tmp_path / "frames.csv", index=False
    )
    for target in ("joy", "tension"):
        (tmp_path / f"{target}.csv").write_text(
            "song_id,sample_0ms,sample_500ms\n" + "".join(f"{k},5.0,6.0\n" for k in range(1, 9))
        )
    data = load(tmp_path, annotations={target: f"{target}.csv" for target in ("joy", "tension")})
    assert data.development[0].annotation.tolist() == [[5, 5], [6, 6]]


def test_songs_of_a_group_are_in_one_fold(parted):
    (parted / "songs.csv").write_text("song,artist\n" + "".join(f"{s},{s in 'abc'}\n" for s in "abcdefgh"))
    (parted / "e.toml").write_text(
        'name = "g"\n[data]\nsource = "table"\nscale = [1, 9]\n[data.table]\nfile = "frames.csv"\n'
        'annotations = "ratings.csv"\ntargets = ["joy"]\n[folds]\ngroup = "artist"\n'
    )
    overrides = [f"data.root={parted}", *SMALL, "folds.count=2", "folds.team_test=none"]

    def run(*more):
        experiment = load_experiment(parted / "e.toml", [*overrides, *more])
        return run_experiment(experiment, Session(parted / f"run{len(more)}", workers=1))

    with pytest.raises(InputError, match=r"folds\.group is 'artist' and there is no data\.table\.metadata"):
        run()
    folds = json.loads((run('data.table.metadata="songs.csv"').folder / "ensemble.json").read_text())["folds"]
    assert sorted(map(sorted, folds)) == [list("abc"), list("defgh")]
    frames = pd.read_csv(parted / "ratings.csv")
    frames["artist"] = frames["song"].isin(["a", "b"])
    frames.to_csv(parted / "ratings.csv", index=False)
    column = ['data.table.metadata=["artist"]', "seed=2"]
    folds = json.loads((run(*column).folder / "ensemble.json").read_text())["folds"]
    assert sorted(map(sorted, folds)) == [list("ab"), list("cdefgh")]
    with pytest.raises(InputError, match=r"^data\.table\.metadata: no column 'year', which folds\.group"):
        run(*column, "folds.group=year")
    set_line(parted / "ratings.csv", 3, "a,0.5,5,5,elsewhere")
    refused(
        "line 3: song a: column artist is 'elsewhere'", parted, annotations="ratings.csv", metadata=["artist"]
    )


def test_a_delay_of_raters_puts_earlier_features_beside_annotations(parted):
    song = load(parted, {"annotation_delay": 1.0}, annotations="ratings.csv").development[0]
    assert np.array_equal(song.features[2:, 0], table()["mfcc_1"][:7])
    refused("multiple of that, such as 0.5", parted, {"annotation_delay": 0.7}, annotations="ratings.csv")


# --- what is refused, and where -----------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (
            1,
            "song,time,Joy,tension",
            r"ratings\.csv, line 1: no column 'joy', which data\.table\.targets names.*'Joy'",
        ),
        (1, "song,Time,joy,tension", r"line 1: no column 'time'.*'Time'\?; without it.*line 2; .*line 3"),
        (1, "id,time,joy,tension", r"line 1: no column 'song', which data\.table\.song names"),
        (1, "song,time,joy,joy", r"line 1: column 'joy' appears twice"),
        (4, "a,0.5,5,5", r"line 3 and line 4: song a has two rows of 0\.5 s; expected one"),
        (4, "z,1.0,5,5", r"song a: 1\.5 s comes 1 s after the frame before it, and most come 0\.5 s after"),
        (4, None, r"line 4: song a: 1\.5 s comes 1 s after the frame before it"),
        (4, "a,1.0,glad,5", r"line 4: column joy is 'glad'; expected a finite number"),
        (4, 'a,1.0,"5,2",5', r"line 4: column joy is '5,2'; .*with a point for the decimals"),
        (4, "a,1.0,inf,5", r"line 4: column joy is 'inf'"),
        (4, "a,1.0,True,5", r"line 4: column joy is 'True'"),
        (4, "a,1.0,9.5,5", r"line 4: song a: joy is 9\.5; expected 1 to 9, the scale"),
        (4, "a,1.0,,5", r"line 4: column joy is empty and others of the targets aren't"),
        (4, ",1.0,5,5", r"line 4: column song is empty"),
        (4, "a,-1,5,5", r"line 4: the time of song a is -1 s"),
        (4, "a,,5,5", r"line 4: the time of song a is empty"),
        (4, "a,1.0,5,5,5", r"line 4: 5 columns; the header has 4"),
        (2, "a,0.0,5,5,5", r"line 2: 5 columns; the header has 4"),
        (2, "\n\na,0.0,5,9.5", r"line 4: song a: tension is 9\.5"),
        (2, '"a\n",0.0,5,5\na,0.5,5,9.5', r"line 4: song a: tension is 9\.5"),
    ],
)
def test_a_wrong_line_of_the_annotations_is_named(parted, line, text, message):
    set_line(parted / "ratings.csv", line, text)
    refused(message, parted, annotations="ratings.csv")


def test_a_song_in_one_file_only(parted):
    with (parted / "ratings.csv").open("a") as file:
        file.write("y,0.0,5,5\nz,0.0,5,5\n")
    refused(
        r"2 annotated songs can't be used:\n.*line 70: song y is annotated, but there are no features",
        parted,
        annotations="ratings.csv",
    )
    for _ in range(2):
        set_line(parted / "ratings.csv", 70, None)
    ratings = pd.read_csv(parted / "ratings.csv").query("song != 'h'")
    ratings.to_csv(parted / "ratings.csv", index=False)
    assert [song.song_id for song in load(parted, annotations="ratings.csv").unlabelled] == ["h"]


def test_an_annotation_without_features_near_names_both(parted):
    with (parted / "ratings.csv").open("a") as file:
        file.write("h,4.0,5,5\nh,4.5,5,5\n")
    refused(
        r"ratings\.csv, line 70: song h is annotated at 4 s, and its features nearest to that are of 3\.5 s "
        r"\(.*frames\.csv, line 69\)",
        parted,
        annotations="ratings.csv",
    )


def test_songs_of_another_hop_are_named(parted):
    frames, ratings = table(), pd.read_csv(parted / "ratings.csv")
    for part, file in ((frames.drop(columns=["joy", "tension"]), "frames.csv"), (ratings, "ratings.csv")):
        part.loc[part["song"] == "c", "time"] *= 2
        part.to_csv(parted / file, index=False)
    refused(
        r"line 19: the frames of song c are 1 s apart, and those of song a 0\.5 s",
        parted,
        annotations="ratings.csv",
    )


@pytest.mark.parametrize("scale", [[1, 9], [1, 40]])
def test_ranks_are_no_ratings(parted, scale):
    rows = "".join(f"{song},{k + 1},5\n" for k, song in enumerate("hgfedcba"))
    (parted / "ratings.csv").write_text("song,joy,tension\n" + rows)
    message = r"column joy has each whole number from 1 to 8 once, one a song: that is a ranking"
    refused(message, parted, {"scale": scale}, annotations="ratings.csv")


def test_features_that_are_no_numbers_are_named(whole):
    set_line(whole / "frames.csv", 3, "a,0.5,?,1,1,5,5")
    refused(r"frames\.csv, line 3: column mfcc_1 is '\?'", whole)
    set_line(whole / "frames.csv", 3, "a,0.5,,1,1,5,5")
    refused(r"frames\.csv, line 3: song a: column mfcc_1 is empty", whole)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty; expected a header"),
        (b"song,time,joy,tension\n", "there is a header and nothing below it"),
        (b"song,time,joy,tension\n\xf6,0,5,5\n", "not text in UTF-8"),
        (None, "no such file"),
    ],
)
def test_a_file_that_is_no_table(parted, content, message):
    (parted / "ratings.csv").unlink()
    if content is not None:
        (parted / "ratings.csv").write_bytes(content)
    refused(rf"ratings\.csv: (can't be read: )?{message}", parted, annotations="ratings.csv")


def test_files_and_columns_that_are_not_there(whole):
    refused(r"x\*\.csv: there are no such files, which data\.table\.file names", whole, file="x*.csv")
    refused(r"is a folder; data\.table\.file names files", whole, file=".")
    refused("no column 'chroma', which data.table.features names", whole, features=["chroma"])
    refused("data.table.features has 'joy', which is the song, the time or a target", whole, features=["joy"])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"targets": ["novelty"]}, "data.table.targets has 'novelty', which results have columns of"),
        ({"targets": ["time"]}, "data.table.targets has 'time', which results have columns of"),
        ({"targets": ["joy", "joy"]}, "data.table.targets has 'joy' twice"),
        ({"columns": {"fear": "x"}}, "data.table.columns has 'fear'; expected some of targets"),
        ({"file": 3}, "data.table.file is 3; expected text in quotes"),
        (
            {"annotations": {"joy": "a.csv"}},
            "data.table.annotations has no tension; expected files of joy, tension",
        ),
    ],
)
def test_keys_of_the_section(tmp_path, keys, message):
    (tmp_path / "e.toml").write_text('name = "x"\n[data]\nsource = "table"\n[data.table]\nfile = "f.csv"\n')
    values = {"targets": ["joy", "tension"]} | keys
    with pytest.raises(InputError, match=re.escape(message)):
        load_experiment(tmp_path / "e.toml", [f"data.table.{k}={_toml(v)}" for k, v in values.items()])


def _toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {json.dumps(v)}" for k, v in value.items()) + "}"
    return json.dumps(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "data.table is missing: which files and columns there are"),
        (
            "official_test_above = 5\n[data.table]\nfile = 'f'",
            "data.official_test_above is there.*expected test_songs",
        ),
        ("features = 'FS1'\n[data.table]\nfile = 'f'", "data.features is 'FS1', and source is 'table'"),
        ("[data.table]\nfile = 'f'\n[data.quality]\nmin_raters = 3", "data.quality needs raters"),
        (
            "[data.table]\nfile = 'f'\n[data.audio]\nannotations = 'g'",
            "data.audio is there, and source is 'table'",
        ),
    ],
)
def test_keys_that_go_with_other_sources(tmp_path, text, message):
    (tmp_path / "e.toml").write_text(f'name = "x"\n[data]\nsource = "table"\n{text}\n')
    with pytest.raises(InputError, match=message):
        load_experiment(tmp_path / "e.toml", [])


# --- whole runs ---------------------------------------------------------------------------


def toml_of(page, number=0):
    return re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.M | re.S)[number]


def test_the_experiment_of_the_page_runs_and_its_keys_are_those_there_are(whole):
    assert len([line for line in toml_of(PAGE).splitlines() if line]) <= 13
    (whole / "mine.toml").write_text(toml_of(PAGE))
    experiment = load_experiment(whole / "mine.toml", [f"data.root={whole}", *SMALL])
    run = run_experiment(experiment, Session(whole / "run", workers=1))
    written = pd.read_csv(run.folder / "predictions.csv")
    assert [*written.columns][3:] == ["joy", "tension", "joy_spread", "tension_spread"]
    assert set(written["song_id"]) == set("abcdefgh")
    assert {row.target for row in run.scores} == {"joy", "tension"}
    model = load_model(run.folder / "model")
    assert (model.about.targets, model.about.target_range) == (["joy", "tension"], [1, 9])
    assert "joy with tension" in (run.folder / "report.html").read_text()
    named = set(re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE.read_text(), re.M))
    keys = {key for cell in named for key in re.findall(r"\w+", cell)}
    assert keys == set(type(experiment.data.table).model_fields)


@pytest.mark.parametrize("targets", [["joy"], ["joy", "tension", "awe"]])
def test_one_target_or_three_go_through_a_run_and_its_ablations(tmp_path, targets):
    frames = table(targets=("joy", "tension", "awe"))
    frames.to_csv(tmp_path / "frames.csv", index=False)
    section = {"file": "frames.csv", "features": ["mfcc_*"], "targets": targets}
    text = (
        'name = "n"\n[data]\nsource = "table"\nscale = [1, 9]\n[data.table]\n'
        + "".join(f"{key} = {json.dumps(value)}\n" for key, value in section.items())
        + '[network]\ntargets = "single"\n[[ablation]]\nname = "joint"\n'
        + 'set = { "network.targets" = "joint" }\n'
    )
    (tmp_path / "e.toml").write_text(text)
    experiment = load_experiment(tmp_path / "e.toml", [f"data.root={tmp_path}", *SMALL])
    run = run_experiment(experiment, Session(tmp_path / "run", workers=1))
    report = (run.folder / "report.html").read_text()
    assert ("Does it mislead the networks?" in report) == (len(targets) > 1)
    jobs = [file.name for file in (run.folder / "jobs").glob("network-*")]
    assert len(jobs) == 3 * len(targets)
    assert sum("-joy-" in name or name.endswith("-joy") for name in jobs) <= 3
    ablated = run_ablations(experiment, Session(tmp_path / "ablated", workers=1))
    assert {row.target for row in ablated.rows} == set(targets)
    model = load_model(run.folder / "model")
    assert model.predict(np.zeros((5, 2)))[0].shape == (5, len(targets))


def test_songs_that_were_rated_once_have_one_value_each_in_the_scores(parted):
    means = pd.read_csv(parted / "ratings.csv").groupby("song")[["joy", "tension"]].mean()
    means.to_csv(parted / "ratings.csv")
    data = load(parted, annotations="ratings.csv")
    assert all(song.rated_once for song in data.development)
    assert np.array_equal(np.unique(data.development[0].annotation[:, 0]), means["joy"][:1])
    (parted / "e.toml").write_text(
        'name = "once"\n[data]\nsource = "table"\nscale = [1, 9]\n[data.table]\nfile = "frames.csv"\n'
        'annotations = "ratings.csv"\ntargets = ["joy", "tension"]\n'
    )
    experiment = load_experiment(parted / "e.toml", [f"data.root={parted}", *SMALL])
    run = run_experiment(experiment, Session(parted / "run", workers=1))
    assert {row.scope for row in run.scores} == {"songs"}
    assert "song_mean_oracle" not in {row.system for row in run.scores}
    written = pd.read_csv(run.folder / "predictions.csv").query("system == 'lstm_all'")
    joy = written.groupby("song_id")["joy"].mean()[["d", "h"]]
    (found,) = [
        row.mean
        for row in run.scores
        if (row.system, row.set, row.target, row.metric) == ("lstm_all", "team_test", "joy", "rmse")
    ]
    assert found == pytest.approx(np.sqrt(((joy - means["joy"][["d", "h"]]) ** 2).mean()), abs=1e-5)


def test_raters_of_whole_songs_have_one_value_each_in_the_ceiling(parted):
    means = pd.read_csv(parted / "ratings.csv").groupby("song")[["joy", "tension"]].mean().reset_index()
    noise = np.random.default_rng(2)
    parts = [means.assign(who=name, joy=(means["joy"] + noise.normal(0, 0.1, 8))) for name in "pqrs"]
    pd.concat(parts).to_csv(parted / "ratings.csv", index=False)
    (parted / "e.toml").write_text(
        'name = "once"\n[data]\nsource = "table"\nscale = [1, 9]\n[data.table]\nfile = "frames.csv"\n'
        'annotations = "ratings.csv"\ntargets = ["joy"]\nrater = "who"\n'
    )
    overrides = [f"data.root={parted}", *SMALL, "folds.team_test=none"]
    run = run_experiment(load_experiment(parted / "e.toml", overrides), Session(parted / "run", workers=1))
    rows = {(row.system, row.metric): row for row in run.scores if row.system.startswith("raters")}
    assert {row.scope for row in rows.values()} == {"songs"}
    joy = np.array([part["joy"] for part in parts])
    others = [np.delete(joy, k, axis=0).mean(0) for k in range(4)]
    errors = np.concatenate([joy[k] - others[k] for k in range(4)])
    assert rows["raters_one", "rmse"].mean == pytest.approx(np.sqrt((errors**2).mean()))
    assert rows["raters_half", "r"].mean > 0.9


def test_where_nothing_is_rated_the_targets_are_named(parted):
    ratings = pd.read_csv(parted / "ratings.csv")
    ratings[["joy", "tension"]] = np.nan
    ratings.to_csv(parted / "ratings.csv", index=False)
    refused("no song has annotations; expected some in joy, tension", parted, annotations="ratings.csv")
