"""Folds that keep groups together, and an experiment of which no fold is kept out."""

import json
import re

import pytest
from typer.testing import CliRunner

from lstmcore.experiments.cli import run_app
from lstmcore.experiments.prediction import load_model

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
