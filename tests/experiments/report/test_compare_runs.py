"""``lstmcore table``: runs side by side, and what is said of folders that can't be."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from lstmcore.experiments.cli import app
from lstmcore.experiments.report.compare_runs import compare_runs, in_latex, read_run


def make_run(
    folder, error, *, songs=range(1, 21), system="lstm_all", group="cross_validation", targets=("x_y",)
):
    folder.mkdir()
    (folder / "config.toml").write_text("")
    (folder / "metrics.json").write_text("[]")
    rng = np.random.default_rng(7)
    rows = []
    for song in songs:
        base = rng.uniform(0.1, 0.3)
        for target in targets:
            for name, more in ((system, error), ("ridge", 0.1)):
                figures = 0.4 - more + 0.01 * rng.normal(), base + more, 0.2, 0.1 * song, 0.1 * song
                rows.append((group, name, song, target, *figures))
    columns = ["set", "system", "song_id", "target", "r", "rmse", "ccc", "predicted", "annotated"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "song_scores.csv", index=False)
    return folder


def table(*arguments, code=0):
    result = CliRunner().invoke(app, ["table", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def test_a_run_that_is_worse_on_the_same_songs_is_shown_to_be(tmp_path):
    good, bad = make_run(tmp_path / "good", 0.0), make_run(tmp_path / "bad", 0.05)
    rows = [*csv.DictReader(io.StringIO(table(good, bad, "--format", "csv")))]
    assert [(r["run"], r["metric"], r["verdict"]) for r in rows] == [
        ("good", "rmse", ""),
        ("bad", "rmse", "worse"),
        ("good", "r", ""),
        ("bad", "r", "worse"),
    ]
    worse = rows[1]
    assert float(worse["difference"]) == pytest.approx(0.05)
    assert float(worse["difference_low"]) == pytest.approx(0.05), "each song is as much worse: pairs tell all"
    assert float(rows[0]["high"]) - float(rows[0]["low"]) > 0.03
    assert float(worse["p_holm"]) < 0.001


def test_p_is_corrected_for_all_tests_of_a_metric(tmp_path):
    folders = [make_run(tmp_path / str(k), 0.002 * k, targets=("a", "b")) for k in range(3)]
    compared = compare_runs([read_run(f, f.name) for f in folders], None, ["lstm_all"], ["r"])
    tests = [(row.against_first.p, row.p_holm) for row in compared.rows if row.against_first]
    assert len(tests) == 4
    ordered = sorted(tests)
    assert ordered[0][1] == pytest.approx(min(1, 4 * ordered[0][0]))
    assert all(corrected >= p for p, corrected in tests)


def test_only_songs_that_all_have_are_compared_and_it_is_said(tmp_path):
    one, other = make_run(tmp_path / "one", 0), make_run(tmp_path / "other", 0, songs=range(5, 25))
    text = table(one, other)
    assert "16 songs" in text
    assert "one has 20 songs, of which 16 are in all runs" in text


def test_other_annotations_of_the_same_songs_are_told(tmp_path):
    one, other = make_run(tmp_path / "one", 0), make_run(tmp_path / "other", 0)
    moved = pd.read_csv(other / "song_scores.csv")
    moved["annotated"] += 0.5
    moved.to_csv(other / "song_scores.csv", index=False)
    assert "differences are no comparison of systems" in table(one, other)


def test_a_system_of_each_run(tmp_path):
    one, other = make_run(tmp_path / "one", 0), make_run(tmp_path / "other", 0, system="run 2")
    rows = [*csv.DictReader(io.StringIO(table(one, other, "--format", "csv", "--metric", "rmse")))]
    assert [row["system"] for row in rows] == ["lstm_all", "run 2"]
    named = table(one, other, "--format", "csv", "--system", "ridge", "--system", "run 2")
    assert [row["system"] for row in csv.DictReader(io.StringIO(named))][:2] == ["ridge", "run 2"]


def test_latex_and_markdown_show_names_as_they_stand(tmp_path):
    one, other = make_run(tmp_path / "a_b", 0), make_run(tmp_path / "c|d%", 0.05)
    latex = table(one, other, "--format", "latex")
    assert r"a\_b & lstm\_all" in latex
    assert r"c|d\%" in latex
    assert r"$^{\downarrow}$" in latex
    assert latex.count(r"\\") == 3
    assert r"c\|d%" in table(one, other, "--format", "markdown")
    assert in_latex("\\{}") == r"\textbackslash{}\{\}"


def test_a_table_goes_to_a_file(tmp_path):
    one = make_run(tmp_path / "one", 0)
    assert "written: " in table(one, "--format", "markdown", "--out", tmp_path / "table.md")
    assert (tmp_path / "table.md").read_text().startswith("| run | system | x_y RMSE | x_y r |")


def test_the_terminals_table_fits_80_columns(tmp_path, monkeypatch):
    from rich.console import Console

    import lstmcore.experiments.terminal.sheet as sheet

    monkeypatch.setattr(sheet, "new_console", lambda: Console(width=80, markup=False))
    runs = [make_run(tmp_path / f"procedural-{k}234abcd", 0.01 * k) for k in range(3)]
    text = table(*runs)
    assert max(map(len, text.splitlines())) <= 80
    assert "+0.010 (+0.010 to +0.010)" in " ".join(text.split())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: f / "nowhere", "no such folder; expected the folder of a run"),
        (lambda f: f.parent, "holds no config.toml; expected the folder of a run"),
        (lambda f: (f / "metrics.json").unlink() or f, "the run isn't finished"),
        (lambda f: (f / "song_scores.csv").unlink() or f, "the run is of an older version: run it again"),
        (lambda f: (f / "song_scores.csv").write_text("a,b\n") and f, "line 1: no column 'set'"),
    ],
)
def test_folders_that_are_no_finished_run(tmp_path, spoil, message):
    folder = spoil(make_run(tmp_path / "one", 0))
    text = " ".join(table(folder, code=2).split())
    assert message in text
    assert "Traceback" not in text


def test_runs_that_have_nothing_in_common(tmp_path):
    one = make_run(tmp_path / "one", 0)
    other = make_run(tmp_path / "other", 0, songs=range(100, 120))
    third = make_run(tmp_path / "third", 0, targets=("z",))
    assert "no song in common" in " ".join(table(one, other, code=2).split())
    assert "one: x_y; third: z" in " ".join(table(one, third, code=2).split())
    assert "did you mean 'ridge'" in " ".join(table(one, "--system", "rigde", code=2).split())
    assert "one has cross_validation" in " ".join(table(one, "--on", "official_test", code=2).split())
