"""Folds that keep groups together, and an experiment of which no fold is kept out."""

import csv
import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from lstmcore.experiments.cli import app, run_app
from lstmcore.experiments.config import Folds
from lstmcore.experiments.datasets import Song
from lstmcore.experiments.prediction import load_model
from lstmcore.experiments.training.folds import cut_anew, split

ARTISTS = dict(zip(range(1, 10), "aaabbccde", strict=True))


def write_metadata(folder, artists=ARTISTS, column="artist"):
    lines = [f"song_id, year,{column}", *(f"{song},2013, {artist} " for song, artist in artists.items())]
    (folder / "data" / "metadata.csv").write_text("\n".join(lines) + "\n")


def run(folder, *overrides):
    words = [str(folder / "tiny.toml"), "--out", str(folder / "out"), "--quiet"]
    return CliRunner().invoke(run_app, [*words, *(w for one in overrides for w in ("--set", one))])


def facts(folder):
    return json.loads((folder / "out" / "ensemble.json").read_text())


def test_a_run_keeps_groups_together_and_says_where_they_are(tiny):
    write_metadata(tiny)
    assert run(tiny, "folds.group=artist").exit_code == 0
    assert facts(tiny)["folds"] == [[1, 2, 3], [4, 5], [6, 7], [8, 9]]
    assert facts(tiny)["fold_groups"] == [{"a": 3}, {"b": 2}, {"c": 2}, {"d": 1, "e": 1}]
    report = (tiny / "out" / "report.html").read_text()
    assert "fold 3, the team's test set, 2 songs: d (1), e (1)" in " ".join(report.split())


@pytest.mark.parametrize("kept_out", ["3", "'none'"])
def test_regressions_stand_there_in_folds_that_part_groups_too(tiny, kept_out):
    """On the same songs and as many folds: what a run without the key has, where no fold is kept out."""
    write_metadata(tiny)
    keys = [f"folds.team_test={kept_out}", "pretraining.enabled=false", "training.max_epochs=1"]
    assert run(tiny, "folds.group=artist", *keys).exit_code == 0
    rows = json.loads((tiny / "out" / "metrics.json").read_text())
    mixed = {row["system"] for row in rows if row["system"].endswith("_mixed")}
    assert mixed == {"linear_regression_mixed", "ridge_mixed", "ridge_memory_mixed"}
    assert {row["set"] for row in rows if row["system"] in mixed} == {"cross_validation"}
    assert (
        len({row["songs"] for row in rows if row["set"] == "cross_validation" and "song" in row["scope"]})
        == 1
    )
    report = (tiny / "out" / "report.html").read_text()
    assert "the same regression on the same songs in folds that part groups" in report
    if kept_out == "'none'":
        values = {_key(row): row["mean"] for row in rows}
        (tiny / "out").rename(tiny / "by_group")
        assert run(tiny, *keys).exit_code == 0
        others = json.loads((tiny / "out" / "metrics.json").read_text())
        assert not any(row["system"].endswith("_mixed") for row in others)
        found = [row for row in others if row["set"] == "cross_validation" and row["system"] == "ridge"]
        assert len(found) == 12
        assert [values[_key(row | {"system": "ridge_mixed"})] for row in found] == [
            row["mean"] for row in found
        ]
        assert [values[_key(row)] for row in found] != [row["mean"] for row in found]


def _key(row):
    return tuple(row[name] for name in ("set", "system", "scope", "target", "metric"))


def test_networks_in_the_other_folds_are_an_ablation(tiny):
    """By song, in pairs: the same songs take turns, in as many folds."""
    write_metadata(tiny)
    other = "ablation=[{name='mixed', unset=['folds.group']}]"
    words = ["ablate", str(tiny / "tiny.toml"), "--out", str(tiny / "out"), "--set", other]
    done = CliRunner().invoke(app, [*words, "--set", "folds.group=artist"])
    assert done.exit_code == 0, done.output
    assert "mixed (other folds of the same songs): no difference shown for arousal" in done.output
    rows = list(csv.DictReader((tiny / "out" / "ablation.csv").read_text().splitlines()))
    assert {(row["songs"], row["folds"]) for row in rows if row["ablation"] == "mixed"} == {("7", "3")}
    grouped = "ablation=[{name='by artist', set={'folds.group'='artist'}}]"
    done = CliRunner().invoke(app, [*words[:3], str(tiny / "other"), "--set", grouped])
    assert done.exit_code == 0, done.output
    assert "by artist (other folds of the same songs)" in done.output
    few = "ablation=[{name='by year', set={'folds.group'='year'}}]"
    done = CliRunner().invoke(app, [*words[:3], str(tiny / "years"), "--set", few])
    assert done.exit_code == 2
    assert "ablation 'by year': 3 folds take turns, and their songs have 1 group; expected" in done.output


def test_folds_cut_anew_keep_the_team_s_test_set_and_part_no_group():
    songs = [Song(k, np.zeros(1), np.zeros((1, 1)), np.zeros((1, 2))) for k in range(12)]
    groups = {k: "abcd"[k // 3] for k in range(12)}
    old = split(songs, Folds(count=4, team_test=1))
    new = cut_anew(songs, old, groups)
    assert new.team_test_songs == old.team_test_songs
    assert [[s.song_id for s in new.folds[k]] for k in (0, 2, 3)] == [[6, 7, 8], [0, 2, 10, 11], [3, 4]]
    mixed = cut_anew(songs, new)
    assert [[s.song_id for s in mixed.folds[k]] for k in (0, 2, 3)] == [[0, 4, 8], [2, 6, 10], [3, 7, 11]]


def test_without_the_key_no_metadata_are_read(tiny):
    (tiny / "data" / "metadata.csv").write_text("nonsense")
    assert run(tiny).exit_code == 0
    assert facts(tiny)["folds"] == [[1, 5, 9], [2, 6], [3, 7], [4, 8]]
    assert "fold_groups" not in facts(tiny)


@pytest.mark.parametrize(
    ("write", "key", "message"),
    [
        (lambda f: None, "artist", r"metadata\.csv: no such file"),
        (lambda f: write_metadata(f, column="artists"), "artist",
         "no column 'artist', which folds.group names; "
         "expected one of song_id, year, artists; did you mean 'artists'?"),
        (lambda f: write_metadata(f, ARTISTS | {3: "", 4: ""}), "artist",
         r"song 3 has no value in column 'artist' \(2 such songs\)"),
        (lambda f: write_metadata(f, {s: a for s, a in ARTISTS.items() if s != 9}), "artist",
         "song 9 has no row in column 'artist'; expected the group of every development song"),
        (write_metadata, "year", "have 1 group by folds.group = 'year'; expected at least one group a fold"),
        (lambda f: (f / "data" / "metadata.csv").write_text("id,artist\n1,a\n"), "artist",
         "line 1: no column 'song_id', which names the songs"),
        (lambda f: (f / "data" / "metadata.csv").write_text("song_id,artist\n1,a,b\n"), "artist",
         r"metadata\.csv, line 2: 3 columns; the header has 2"),
        (lambda f: (f / "data" / "metadata.csv").write_text("song_id,artist\n1,a\n1,b\n"), "artist",
         "line 3: song 1 appears a second time"),
        (lambda f: (f / "data" / "metadata.csv").write_text("song_id,artist\nx,a\n"), "artist",
         "line 2: song_id is 'x'; expected a whole number"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_groups_is_named(tiny, write, key, message):
    write(tiny)
    result = run(tiny, f"folds.group={key}")
    assert result.exit_code == 2
    assert re.search(message.replace("?", r"\?"), " ".join(result.output.split())), result.output


def test_two_groups_take_turns_where_no_fold_is_kept_out(tiny):
    write_metadata(tiny, dict(zip(range(1, 10), "xxxxxyyyy", strict=True)), "source")
    result = run(tiny, "folds={count=2, team_test='none', group='source'}")
    assert result.exit_code == 0, result.output
    rows = json.loads((tiny / "out" / "metrics.json").read_text())
    assert {row["set"] for row in rows} == {"cross_validation", "official_test"}
    assert {row["system"] for row in rows if row["system"].startswith("lstm")} == {"lstm_all"}
    assert {row["songs"] for row in rows if row["set"] == "cross_validation"} == {9}
    assert (facts(tiny)["folds"], facts(tiny)["team_test_fold"]) == ([[1, 2, 3, 4, 5], [6, 7, 8, 9]], None)
    model = load_model(tiny / "out" / "model")
    assert model.about.systems == {"lstm_all": [0, 1, 2, 3]}
    assert any("folds.team_test = 'none'" in note for note in model.about.notes)
    assert "4 networks on song_means, all that were trained" in (tiny / "out" / "report.html").read_text()


def test_pairs_of_single_networks_are_all_in_the_model_too(tiny):
    assert run(tiny, "folds={count=3, team_test='none'}", "network.targets=single").exit_code == 0
    model = load_model(tiny / "out" / "model")
    targets = [model.about.networks[k].target for k in model.about.systems["lstm_all"]]
    assert targets == ["arousal"] * 6 + ["valence"] * 6
