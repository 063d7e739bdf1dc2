"""What a run says when it has ended: one table that fits a terminal of 80 columns, or all of them."""

import io

import pandas as pd
import pytest
from rich.console import Console

from lstmcore.experiments import Session, load_experiment, run_experiment
from lstmcore.experiments.run.printing import print_run


@pytest.fixture
def finished(tiny):
    config = load_experiment(tiny / "tiny.toml", [])
    return run_experiment(config, Session(tiny / "out", 1))


def printed(run, **how):
    out = io.StringIO()
    print_run(run, console=Console(file=out, width=80, markup=False), **how)
    return out.getvalue()


def test_one_table_with_deviations_in_80_columns_and_the_answer(finished):
    text = printed(finished)
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("lstm_all")] == [lines[3]]
    assert lines[3].count("±") == 4, "RMSE and r of two targets"
    assert "song_mean_oracle " in text, "no name is cut"
    paths = ("report: ", "results: ")
    assert max(len(line) for line in lines if not line.startswith(paths)) <= 80
    said = " ".join(text.split())
    for sentence in finished.answer.sentences():
        assert sentence in said
    assert "--tables all" in lines[-1]
    assert len(lines) < 40


def test_all_tables_when_they_are_asked_for(finished):
    text = printed(finished, every=True)
    for title in ("cross-validation: 7 songs, all frames pooled", "the team's test set", "official test set"):
        assert title in text
    assert "--tables all" not in text


def test_the_folder_has_scores_by_song_that_give_those_of_the_run(finished):
    table = pd.read_csv(finished.folder / "song_scores.csv")
    for score in finished.scores:
        if score.scope == "per_song" and score.metric == "rmse":
            rows = table[
                (table.set == score.set) & (table.system == score.system) & (table.target == score.target)
            ]
            assert len(rows) == score.songs
            assert rows["rmse"].mean() == pytest.approx(score.mean, abs=1e-5)


def test_the_report_is_made_again_without_training(finished):
    report = finished.folder / "report.html"
    kept = {name: (finished.folder / name).read_bytes() for name in ("predictions.csv", "metrics.json")}
    report.unlink()
    (finished.folder / "song_scores.csv").unlink()
    config = load_experiment(finished.folder.parent / "tiny.toml", [])
    run_experiment(config, Session(finished.folder, 1))
    assert report.stat().st_size > 10_000
    stages = pd.read_csv(finished.folder / "stages.csv")
    assert list(stages.loc[stages.stage.str.startswith("networks"), "computed"]) == [6, 0]
    assert {name: (finished.folder / name).read_bytes() for name in kept} == kept
