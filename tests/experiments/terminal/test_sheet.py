"""Tables on terminals of every width: nothing is cut off."""

import io
import re

import pytest
from rich.console import Console

from lstmcore.experiments.report.paper_table import TABLE_1, PaperRow, print_paper_table
from lstmcore.experiments.report.table import print_tables
from lstmcore.experiments.scoring.metrics import METRICS, Score
from lstmcore.experiments.terminal.sheet import Sheet

SYSTEMS = ("lstm_rmse", "FS2 and FS1 together", "linear_regression FS1")
SCORES = [
    Score(system, "team_test", target, metric, scope, 0.1 * m + 0.01 * s, spread, 6, system == SYSTEMS[0])
    for s, system in enumerate(SYSTEMS, 1)
    for target in ("arousal", "valence")
    for m, metric in enumerate(METRICS, 1)
    for scope in ("per_song", "pooled")
    for spread in (0.3 if scope == "per_song" else None,)
]


def printed(width, prints, *arguments):
    text = io.StringIO()
    prints(*arguments, Console(file=text, width=width))
    return text.getvalue()


def in_the_rows(text):
    """All cells of rows, joined to one text without borders and lines."""
    return [cell.strip() for line in text.splitlines() if "│" in line for cell in line.strip("│").split("│")]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160])
def test_scores_are_whole_at_every_width(width):
    text = printed(width, print_tables, SCORES)
    assert max(map(len, text.splitlines())) <= width
    cells = in_the_rows(text)
    for s, m in ((s, m) for s in (1, 2, 3) for m in (1, 2, 3)):
        mean = f"{0.1 * m + 0.01 * s:.3f}"
        assert cells.count(f"{mean} ± 0.300{'*' if s == 1 else ''}") == 2
        assert cells.count(f"{mean}{'*' if s == 1 else ''}") == 2
    assert "…" not in text


def test_at_80_columns_a_table_has_all_scores_of_a_target():
    text = printed(80, print_tables, SCORES)
    headings = re.findall("(arousal|valence) *┃ *(arousal|valence) *┃ *(arousal|valence) *┃\n", text)
    assert headings == [("arousal",) * 3, ("valence",) * 3] * 2
    assert all(system in text for system in SYSTEMS)


@pytest.mark.parametrize("width", [50, 80, 100, 160])
def test_the_papers_table_is_whole(width):
    score = {t: Score("run 1", "team_test", t, "rmse", "per_song", 0.25, 0.125, 6, 0) for t in "av"}
    key = next(key for key in TABLE_1 if key[0] == "team_test")
    rows = [PaperRow("team_test", "rmse", "run 1", "run 1", (score["a"], score["v"]), TABLE_1[key])]
    text = printed(width, print_paper_table, rows)
    assert text.count("0.250 ± 0.125") == 2
    for mean, deviation in TABLE_1[key]:
        assert f"{mean:.3f} ± {deviation:.3f}" in text


@pytest.mark.parametrize("width", [30, 50, 80, 160])
def test_words_are_broken_and_numbers_are_not(width):
    columns = ["candidate", "RMSE", "epoch", "verdict"]
    cells = ["network.hidden = [200, 150, 25]", "0.1234 ± 0.0123", "17", "no difference shown"]
    text = printed(width, Sheet("search", columns, [(True, cells)]).print)
    assert "0.1234 ± 0.0123" in text
    assert "17" in in_the_rows(text)
    assert max(map(len, text.splitlines())) <= width
    for word in ("no", "difference", "shown"):
        assert word in text


def test_brackets_are_no_markup():
    text = printed(80, Sheet("[a] search", ["[b]", "[c]"], [(False, ["[bold]", "[1]"])]).print)
    assert all(part in text for part in ("[a] search", "[b]", "[c]", "[bold]", "[1]"))


def test_what_fits_no_width_is_folded_not_cut():
    text = printed(12, Sheet("t", ["a", "b"], [(False, ["x", "1234567890123"])]).print)
    assert "1234567890123" in "".join(in_the_rows(text)).replace("x", "").replace("a", "").replace("b", "")
