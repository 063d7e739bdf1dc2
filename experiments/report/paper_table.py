"""The paper's table 1 with its figures beside ours: (a) official test set, (b) the team's test set.

By song, mean ± standard deviation.  What is theirs is marked; it was computed on other songs wherever
the data aren't the task's own, and is never a target of a test or a choice.

Source: E. Coutinho, G. Trigeorgis, S. Zafeiriou, B. Schuller, "Automatically estimating emotion in
music with deep long-short term memory recurrent neural networks", MediaEval 2015 (CEUR-WS Vol. 1436,
paper 64), table 1: (a) the 58 songs of the official test set, (b) the team's own test set.  Run 1 has no
row there.  CB is the challenge's baseline; me14 is the team's best result in the challenge of 2014, on the
songs of that year.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from lstmcore.experiments.config import DEAM_TARGETS
from lstmcore.experiments.files import write_csv
from lstmcore.experiments.report.table import HEADINGS, cell, keyed, systems_of
from lstmcore.experiments.scoring.metrics import Score
from lstmcore.experiments.terminal.sheet import Sheet

PAPER = "Coutinho et al., MediaEval 2015, table 1"

Figure = tuple[float, float]

# Part, metric and row to mean and standard deviation for arousal and for valence.
TABLE_1: dict[tuple[str, str, str], tuple[Figure, Figure]] = {
    ("official_test", "rmse", "run 2"): ((0.242, 0.116), (0.373, 0.195)),
    ("official_test", "rmse", "run 3"): ((0.234, 0.114), (0.372, 0.190)),
    ("official_test", "rmse", "run 4"): ((0.236, 0.114), (0.375, 0.191)),
    ("official_test", "rmse", "CB"): ((0.270, 0.110), (0.366, 0.180)),
    ("official_test", "r", "run 2"): ((0.611, 0.254), (0.004, 0.505)),
    ("official_test", "r", "run 3"): ((0.599, 0.287), (0.017, 0.492)),
    ("official_test", "r", "run 4"): ((0.613, 0.278), (0.026, 0.500)),
    ("official_test", "r", "CB"): ((0.360, 0.260), (0.010, 0.380)),
    ("team_test", "rmse", "run 2"): ((0.206, 0.128), (0.212, 0.116)),
    ("team_test", "rmse", "run 3"): ((0.221, 0.119), (0.185, 0.119)),
    ("team_test", "rmse", "run 4"): ((0.220, 0.121), (0.183, 0.110)),
    ("team_test", "rmse", "me14"): ((0.102, 0.052), (0.079, 0.048)),
    ("team_test", "r", "run 2"): ((0.532, 0.421), (0.394, 0.509)),
    ("team_test", "r", "run 3"): ((0.596, 0.386), (0.458, 0.551)),
    ("team_test", "r", "run 4"): ((0.591, 0.386), (0.456, 0.543)),
    ("team_test", "r", "me14"): ((0.354, 0.455), (0.198, 0.492)),
}

# Mean Cronbach's α over the official test songs; the paper gives that of valence only.
TEST_ALPHA = {"valence": 0.29}

PARTS = {"official_test": "a) official test set", "team_test": "b) the team's test set"}
METRICS = ("rmse", "r")
# The rows that are no run, and what ours of the same kind is called: the challenge's baseline is the
# multiple linear regression on its 260 features.
_OTHERS: dict[str, tuple[str, ...]] = {"CB": ("linear_regression FS1", "linear_regression"), "me14": ()}


@dataclass(frozen=True)
class PaperRow:
    """A row of the table: for arousal and for valence, our score and the paper's; None where there is none.

    ``row`` is the paper's name of it and ``system`` ours.
    """

    part: str
    metric: str
    row: str
    system: str | None
    ours: tuple[Score, Score] | None
    theirs: tuple[Figure, Figure] | None


def paper_table(scores: list[Score]) -> list[PaperRow]:
    """Put our scores beside the paper's.

    Parameters
    ----------
    scores
        Of a run; systems whose names begin with "run" are its runs.

    Returns
    -------
    list of PaperRow
        Part by part, RMSE before r, as in the paper; a part whose set has no songs is left out.
    """
    by_key = keyed(scores)
    rows = []
    for part in PARTS:
        systems = systems_of(scores, part)
        names: dict[str, str | None] = {s: s for s in systems if s.startswith("run ")}
        for row, known in _OTHERS.items():
            if any((part, metric, row) in TABLE_1 for metric in METRICS):
                names[row] = next((s for s in known if s in systems), None)
        for metric in METRICS if systems else ():
            for row, system in names.items():
                ours = None
                if system is not None:
                    arousal, valence = (by_key[part, system, "per_song", t, metric] for t in DEAM_TARGETS)
                    ours = (arousal, valence)
                rows.append(PaperRow(part, metric, row, system, ours, TABLE_1.get((part, metric, row))))
    return rows


def cells_of(row: PaperRow) -> list[str]:
    """Write a row: ours and theirs for arousal, then for valence."""
    cells = []
    for k, _ in enumerate(DEAM_TARGETS):
        ours = None if row.ours is None else keyed([row.ours[k]])
        cells.append("–" if ours is None else cell(ours, *next(iter(ours))))
        cells.append("–" if row.theirs is None else "{:.3f} ± {:.3f}".format(*row.theirs[k]))
    return cells


def title_of(rows: list[PaperRow], part: str) -> str:
    """Head of one part: which set, and how many songs ours has."""
    songs = next((row.ours[0].songs for row in rows if row.part == part and row.ours), 0)
    return f"{PARTS[part]}, by song, mean ± standard deviation; ours: {songs} songs"


def print_paper_table(rows: list[PaperRow], console: Console) -> None:
    """Print the table; nothing if there are no rows."""
    columns = [
        "",
        "",
        *(f"{target}\n{whose}" for target in DEAM_TARGETS for whose in ("ours", "the paper's")),
    ]
    for part in dict.fromkeys(row.part for row in rows):
        cells = [(False, [HEADINGS[r.metric], r.row, *cells_of(r)]) for r in rows if r.part == part]
        Sheet(title_of(rows, part), columns, cells, labels=2, together=2).print(console)
    if rows:
        console.print(f"the paper's figures: {PAPER}")


def write_paper_table(path: Path, rows: list[PaperRow]) -> None:
    """Write the table as CSV: one row per set, metric, row of the paper and target."""
    import pandas as pd

    lines = []
    for row in rows:
        for k, target in enumerate(DEAM_TARGETS):
            ours = (row.ours[k].mean, row.ours[k].std) if row.ours else (None, None)
            theirs = row.theirs[k] if row.theirs else (None, None)
            lines.append((row.part, row.metric, row.row, row.system, target, *ours, *theirs))
    columns = ["set", "metric", "row", "system", "target", "mean", "std", "published_mean", "published_std"]
    write_csv(path, pd.DataFrame(lines, columns=columns), 6)
