"""The card that a run writes beside each model."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lstmcore.experiments.cli import app, run_app
from lstmcore.experiments.prediction.card import score_rows
from lstmcore.experiments.scoring.systems import Predictions


def text_of(run: Path) -> str:
    return (run / "model" / "README.md").read_text(encoding="utf-8")


def test_a_card_has_data_protocol_scores_licence_and_limits(fs1_run):
    text = text_of(fs1_run)
    assert re.findall(r"^#+ (.*)$", text, re.M) == ["tiny", "Protocol", "Scores", "What it doesn't know"]
    assert "arousal, valence, from -1 to 1, every 0.5 s" in text
    assert "260 features of `FS1`" in text
    assert "| licence of these data | not stated (`data.licence`); openSMILE, which computes" in text
    assert (
        "* 3 folds take turns to validate; one more, fold 3, is the team's test set; 2 networks a fold."
        in text
    )
    assert "2 songs are the official test set; nothing is chosen on them." in text
    assert "All scores are of songs of its own collection" in text
    assert str(fs1_run) not in text  # of the machine nothing is told


def test_its_scores_are_those_of_the_run(fs1_run):
    rows = json.loads((fs1_run / "metrics.json").read_text())
    text = text_of(fs1_run)
    keys = ("system", "target", "metric", "scope", "set")
    known = {tuple(row[k] for k in keys): row["mean"] for row in rows}
    part = text.split("The team's test set, ")[0]
    cells = re.findall(r"^\| (\w+) \| `(\w+)` \| (\S+)[^|]*\| (\S+)[^|]*\| (\S+)[^|]*\|$", part, re.M)
    assert {system for _, system, *_ in cells} == {"lstm_all", "ridge", "global_mean"}
    for target, system, *values in cells:
        metrics = (("r", "pooled"), ("rmse", "per_song"), ("r", "per_song"))
        for value, metric in zip(values, metrics, strict=True):
            wanted = known[(system, target, *metric, "cross_validation")]
            assert float(value) == pytest.approx(wanted, abs=6e-4)
    assert "[" not in part.split("## Scores")[1]  # nine songs or fewer have no interval


def test_a_licence_that_is_told_stands_in_the_card(tiny, monkeypatch):
    monkeypatch.chdir(tiny)
    words = ["tiny.toml", "--out", "out", "--quiet", "--set", "training.max_epochs=1"]
    words += ["--set", "pretraining.enabled=false", "--set", "data.licence='CC BY 4.0 | raters agreed'"]
    assert CliRunner().invoke(run_app, words).exit_code == 0
    assert r"| licence of these data | CC BY 4.0 \| raters agreed; openSMILE" in text_of(tiny / "out")
    shown = CliRunner().invoke(app, ["models", "out"])
    assert shown.exit_code == 0
    assert "CC BY 4.0" in shown.output


class _Song:
    rated_once = False

    def __init__(self, annotation):
        self.annotation = annotation


def test_intervals_hold_the_score_and_narrow_with_songs():
    class Data:
        class experiment:
            seed = 1
            feature_sets = ("FS1",)
            systems = ()

        class dataset:
            targets = ("arousal",)

    rng = np.random.default_rng(0)

    def width(songs: int) -> float:
        curves = [rng.standard_normal((20, 1)) for _ in range(songs)]
        values = [curve + rng.standard_normal(curve.shape) for curve in curves]
        one = Predictions("lstm_all", "cross_validation", [_Song(c) for c in curves], values)
        (row,) = score_rows(Data, [], [one])
        for _, value, interval in row.scores:
            assert interval is not None
            assert interval[0] < value < interval[1]
        return row.scores[0][2][1] - row.scores[0][2][0]

    assert width(400) < width(12) / 2


def test_a_model_folder_without_a_card_is_still_a_model(fs1_run, tmp_path):
    shutil.copytree(fs1_run / "model", tmp_path / "m")
    (tmp_path / "m" / "README.md").unlink()
    told = CliRunner().invoke(app, ["models", str(tmp_path / "m")])
    assert told.exit_code == 2
    assert "no readable card of a model" in told.output
