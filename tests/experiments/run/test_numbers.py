"""Numbers at the edge: each row of the table in docs/reliability.md is tried as its user would."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from lstmcore.experiments.cli import run_app
from tests.experiments.conftest import DYNAMIC, write_tiny_deam

PAGE = Path(__file__).parents[3] / "docs" / "reliability.md"
BRIEF = ["training.max_epochs=2", "pretraining.max_epochs=1", "ensemble.trials=1"]
OTHERS = [1, 2, 5, 6]  # places of the songs that networks of fold 0 learn from: those of folds 1 and 2


def rows_of_table():
    """The table under the heading: what is given, how, result or error, and what is said of it."""
    section = PAGE.read_text().split("## Numbers at the edge\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


ROWS = rows_of_table()


def feature(name, value, songs=None):
    """Change a feature of the songs at these places, or of all."""

    def change(root):
        path = root / "data" / "song_mean_features.csv"
        table = pd.read_csv(path)
        table.loc[table.index if songs is None else songs, name] = value
        table.to_csv(path, index=False)

    return change


def all_features_alike(root):
    for k in range(5):
        feature(f"f{k}", 0.1 * k)(root)


def annotations(change):
    """Change the tables of both targets."""

    def changed(root):
        for target in ("arousal", "valence"):
            path = root / "data" / DYNAMIC / f"{target}.csv"
            change(pd.read_csv(path)).to_csv(path, index=False)

    return changed


def constant(songs=None):
    def change(table):
        rows = table.index if songs is None else songs
        values = table.iloc[rows, 1:]
        table.iloc[rows, 1:] = values.where(values.isna(), 0.25)
        return table

    return annotations(change)


def outside(table):
    table.iloc[0, 1] = 1.5
    return table


def songs(*numbers):
    return lambda root: write_tiny_deam(root / "data", numbers)


def as_it_is(root):
    """Change nothing."""


def nothing_more(predictions, metrics):
    """All that is to be held is held of all results."""


def one_value_has_no_correlation(predictions, metrics):
    r = metrics.query("system == 'lstm_all' and metric == 'r' and scope == 'per_song'")
    assert len(r) == 6  # sets × targets
    assert (r.undefined == r.songs).all()
    assert (r["mean"] == 0).all()


def networks_stay_and_regressions_follow(predictions, metrics):
    of = {s: p[["arousal", "valence"]].abs().to_numpy().max() for s, p in predictions.groupby("system")}
    assert of["lstm_all"] < 1 < 1e20 < min(of["linear_regression"], of["ridge"])


def regressions_stay(predictions, metrics):
    assert predictions[["arousal", "valence"]].abs().to_numpy().max() < 1e3


def regressions_are_the_mean(predictions, metrics):
    columns = ["arousal", "valence"]
    mean, found = (predictions.query(f"system == '{s}'")[columns] for s in ("global_mean", "ridge"))
    np.testing.assert_allclose(found, mean, atol=1e-6)


CASES = {
    "a training that diverges": (as_it_is, nothing_more),
    "a pre-training that diverges": (as_it_is, nothing_more),
    "targets that never change": (constant(), one_value_has_no_correlation),
    "targets that don't change in the songs of a fold's training": (constant(OTHERS), nothing_more),
    "a target outside the scale": (annotations(outside), nothing_more),
    "a feature of 1e30 in one song": (feature("f1", 1e30, [2]), networks_stay_and_regressions_follow),
    "the same in a song of the official test": (
        feature("f1", 1e30, [10]),
        networks_stay_and_regressions_follow,
    ),
    "a feature of 1e300": (feature("f1", 1e300, [2]), nothing_more),
    "a feature that single precision doesn't hold, once standardised": (
        feature("f1", 3e38, [10]),
        nothing_more,
    ),
    "a feature that never varies": (feature("f2", 3.25), regressions_stay),
    "a feature that doesn't vary in the songs of a fold's training": (
        feature("f2", 3.25, OTHERS),
        regressions_stay,
    ),
    "no feature that varies": (all_features_alike, regressions_are_the_mean),
    "one song": (songs(1), nothing_more),
    "two songs": (songs(1, 2), regressions_stay),
    "songs of one frame": (annotations(lambda table: table.iloc[:, :2]), one_value_has_no_correlation),
    "a layer of no units": (as_it_is, nothing_more),
    "no layer": (as_it_is, nothing_more),
}


def test_every_row_is_tried():
    assert [row[0] for row in ROWS] == list(CASES)
    assert {row[2] for row in ROWS} == {"error", "result"}


@pytest.mark.filterwarnings("ignore:.*(overflow|invalid value).*:RuntimeWarning")
@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_a_row(row, tiny):
    case, options, outcome, said = row
    prepare, check = CASES[case]
    prepare(tiny)
    given = [*BRIEF, *re.findall("`([^`]+)`", options)]
    line = [tiny / "tiny.toml", "--out", tiny / "run", "--workers", 1, "--quiet"]
    done = CliRunner().invoke(run_app, [*map(str, line), *(w for option in given for w in ("--set", option))])
    told = " ".join(done.output.split())
    assert "Traceback" not in told
    if outcome == "error":
        assert isinstance(done.exception, SystemExit), done.exception
        assert done.exit_code == 2
        assert said.strip("`") in told
        return
    assert done.exit_code == 0, told
    predictions = pd.read_csv(tiny / "run" / "predictions.csv")
    metrics = pd.DataFrame(json.loads((tiny / "run" / "metrics.json").read_text()))
    assert np.isfinite(predictions[["arousal", "valence"]]).all(axis=None)
    assert np.isfinite(metrics["mean"].astype(float)).all()
    check(predictions, metrics)
