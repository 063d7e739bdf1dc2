"""Runs side by side: scores with intervals, and tests of each run against the first on the same songs.

All is made from ``song_scores.csv``, which a finished run has.  A score's interval is a bootstrap over songs.
Runs are compared pairwise on the same songs: the difference, its interval, and a test that exchanges the two
runs' songs at random, its p corrected for the number of tests by Holm's method.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from lstmcore.experiments.datasets import SongId
from lstmcore.experiments.errors import InputError, did_you_mean, unreadable
from lstmcore.experiments.report.answer import signed
from lstmcore.experiments.report.table import HEADINGS, SETS, kind_of
from lstmcore.experiments.scoring.baselines import MIXED
from lstmcore.experiments.scoring.by_song import (
    COLUMNS,
    SONG_SCORES,
    BySong,
    Difference,
    difference,
    interval,
)
from lstmcore.experiments.scoring.statistics import FEWEST_SONGS, holm
from lstmcore.experiments.terminal.sheet import Sheet
from lstmcore.features.errors import printable

SIGNIFICANT = 0.05
_SEED = 2015
_KEYS = ("set", "system", "song_id", "target")
_PREFERRED = ("official_test", "cross_validation", "team_test")


@dataclass(frozen=True)
class FinishedRun:
    """A finished run's scores by song.

    Parameters
    ----------
    name
        What it is called beside the others.
    scores
        By set, system and target.
    """

    name: str
    scores: dict[tuple[str, str, str], BySong]

    def systems(self, group: str) -> list[str]:
        """Return the systems scored on a set."""
        return list(dict.fromkeys(system for one, system, _ in self.scores if one == group))

    def targets(self, group: str) -> list[str]:
        """Return what is predicted."""
        return list(dict.fromkeys(target for one, _, target in self.scores if one == group))


@dataclass(frozen=True)
class Row:
    """A score of one run, and how it differs from that of the first.

    ``low`` and ``high`` bound the 95 % interval of the score. ``against_first`` and ``p_holm`` are None for
    the first run.
    """

    run: str
    system: str
    target: str
    metric: str
    songs: int
    score: float
    low: float | None
    high: float | None
    against_first: Difference | None = None
    p_holm: float | None = None

    @property
    def verdict(self) -> str:
        """What is shown: the interval leaves out 0, and the corrected p is below .05."""
        d = self.against_first
        if d is None:
            return ""
        if self.p_holm is None:
            return "too few songs"
        if not d.shown or self.p_holm >= SIGNIFICANT:
            return "not shown"
        return "better" if d.better else "worse"


@dataclass(frozen=True)
class Compared:
    """Runs side by side on a set.

    Parameters
    ----------
    group
        The set.
    whole
        Whether songs were rated as a whole.
    rows
        By target and metric, then by run.
    notes
        What a person should know.
    """

    group: str
    whole: bool
    rows: list[Row]
    notes: list[str]


def set_title(group: str) -> str:
    """Return what a set is called."""
    return SETS.get(group, group).split(" (")[0]


def read_run(folder: Path, name: str) -> FinishedRun:
    """Read a finished run's scores by song.

    Raises
    ------
    InputError
        If the folder isn't there, is no run's, or the run isn't finished.
    """
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "no such folder"
        raise InputError(f"{printable(folder)}: {found}; expected the folder of a run")
    if not (folder / "config.toml").is_file():
        raise InputError(f"{printable(folder)}: holds no config.toml; expected the folder of a run")
    file = folder / SONG_SCORES
    if not (folder / "metrics.json").is_file():
        raise InputError(
            f"{printable(folder)}: the run isn't finished, for there is no metrics.json; run it again"
        )
    if not file.is_file():
        raise InputError(
            f"{printable(file)}: no such file; the run is of an older version: run it again, which writes it "
            "and trains nothing anew"
        )
    try:
        table = pd.read_csv(file, dtype={"song_id": str, "set": str, "system": str, "target": str})
    except (OSError, ValueError) as error:
        raise unreadable(file, error) from None
    missing = [column for column in (*_KEYS, *COLUMNS) if column not in table.columns]
    if missing:
        raise InputError(f"{printable(file)}, line 1: no column {missing[0]!r}; expected the file of a run")
    scores = {}
    for (group, system, target), part in table.groupby(["set", "system", "target"], sort=False):
        try:
            values = part[list(COLUMNS)].to_numpy(np.float64)
        except ValueError as error:
            raise unreadable(file, error) from None
        songs: tuple[SongId, ...] = tuple(map(str, part["song_id"]))
        scores[str(group), str(system), str(target)] = BySong(
            songs, values, bool(np.isnan(values[:, 2]).all())
        )
    if not scores:
        raise InputError(f"{printable(file)}: no scores; expected a row for each song")
    return FinishedRun(name, scores)


def names_of(folders: Sequence[Path]) -> list[str]:
    """Call runs by the names of their folders, or by their paths where these are the same."""
    short = [folder.resolve().name for folder in folders]
    return [
        name if short.count(name) == 1 else str(folder) for name, folder in zip(short, folders, strict=True)
    ]


def compare_runs(
    runs: Sequence[FinishedRun], group: str | None, systems: Sequence[str], metrics: Sequence[str]
) -> Compared:
    """Put runs side by side, on the songs that all of them have in a set.

    Parameters
    ----------
    runs
        The first is what the others are compared with.
    group
        The set; None: the first that all have, of official test set, cross-validation and team's test set,
        with songs enough for an interval if there is one.
    systems
        Which system of all runs, or one for each; none: the best network of each by its RMSE.
    metrics
        Of `HEADINGS`.

    Raises
    ------
    InputError
        If runs have no set, target or song in common, or there is no such system.
    """
    group = _common_set(runs, group)
    names = _systems(runs, group, systems)
    targets = [t for t in runs[0].targets(group) if all(t in run.targets(group) for run in runs)]
    if not targets:
        told = "; ".join(f"{run.name}: {', '.join(run.targets(group))}" for run in runs)
        raise InputError(f"the runs predict nothing in common ({told}); expected a target that all have")
    rows, notes = [], []
    whole = False
    for target in targets:
        scores = [run.scores[group, name, target] for run, name in zip(runs, names, strict=True)]
        whole = scores[0].whole
        if any(one.whole != whole for one in scores):
            raise InputError(
                "some runs predict curves and others one value a song; expected runs of the same kind"
            )
        common = _common_songs(scores)
        if not common:
            raise InputError(
                f"the runs have no song in common in {set_title(group)}; expected runs on the same songs"
            )
        notes += _notes(runs, scores, common, target)
        scores = [one.of(common) for one in scores]
        for m, metric in enumerate(metrics):
            for n, (run, name, one) in enumerate(zip(runs, names, scores, strict=True)):
                low, high = interval(metric, one, _generator(targets.index(target), m)) or (None, None)
                against = None
                if n:
                    generator = _generator(targets.index(target), m, n)
                    against = difference(metric, one, scores[0], generator, test=True)
                first = (run.name, name, target, metric, len(common), one.score(metric))
                rows.append(Row(*first, low, high, against))
    return Compared(group, whole, _corrected(rows), list(dict.fromkeys(notes)))


def _generator(*path: int) -> np.random.Generator:
    return np.random.default_rng([_SEED, *path])


def _common_set(runs: Sequence[FinishedRun], wanted: str | None) -> str:
    sets = [list(dict.fromkeys(group for group, _, _ in run.scores)) for run in runs]
    common = [g for g in _PREFERRED if all(g in one for one in sets)]
    if wanted is not None:
        for run, own in zip(runs, sets, strict=True):
            if wanted not in own:
                hint = did_you_mean(wanted, own)
                raise InputError(f"--on {wanted}: {run.name} has {', '.join(own)}{hint}")
        return wanted
    if not common:
        told = "; ".join(f"{run.name}: {', '.join(own)}" for run, own in zip(runs, sets, strict=True))
        raise InputError(f"the runs have no set of songs in common ({told})")

    def songs(group: str) -> int:
        return min(len(one.songs) for run in runs for (g, _, _), one in run.scores.items() if g == group)

    return next((g for g in common[:2] if songs(g) >= FEWEST_SONGS), common[0])


def _systems(runs: Sequence[FinishedRun], group: str, wanted: Sequence[str]) -> list[str]:
    """Return the system of each run that is compared."""
    if len(wanted) not in (0, 1, len(runs)):
        raise InputError(
            f"--system is given {len(wanted)} times; expected once for all runs, or once for each of the "
            f"{len(runs)}, in their order"
        )
    found = []
    for n, run in enumerate(runs):
        there = run.systems(group)
        if wanted:
            name = wanted[n if len(wanted) > 1 else 0]
            if name not in there:
                hint = did_you_mean(name, there)
                raise InputError(f"--system {name}: {run.name} has {', '.join(there)}{hint}")
        else:
            networks = [s for s in there if kind_of(s) == "networks"] or [
                s for s in there if not s.partition(" ")[0].endswith(MIXED)
            ]
            targets = run.targets(group)
            name = min(
                networks,
                key=lambda s, r=run, ts=targets: float(  # type: ignore[misc]
                    np.mean([r.scores[group, s, t].score("rmse") for t in ts])
                ),
            )
        found.append(name)
    return found


def _common_songs(scores: Iterable[BySong]) -> list[SongId]:
    first, *others = scores
    return [song for song in first.songs if all(song in set(one.songs) for one in others)]


def _notes(
    runs: Sequence[FinishedRun], scores: Sequence[BySong], common: list[SongId], target: str
) -> list[str]:
    """Say which songs are left out, and where annotations differ."""
    notes = []
    for run, one in zip(runs, scores, strict=True):
        if len(one.songs) > len(common):
            notes.append(
                f"{run.name} has {len(one.songs)} songs, of which {len(common)} are in all runs; only "
                "these are compared."
            )
    first = scores[0].of(common).column("annotated")
    for run, one in zip(runs[1:], scores[1:], strict=True):
        if not np.allclose(first, one.of(common).column("annotated"), atol=1e-4):
            notes.append(
                f"{run.name} was scored against other annotations of {target} than {runs[0].name} (another "
                "delay, scale or data set of the same songs): differences are no comparison of systems."
            )
    return notes


def _corrected(rows: list[Row]) -> list[Row]:
    """Correct all p of a metric for their number, over targets and runs."""
    done = list(rows)
    for metric in dict.fromkeys(row.metric for row in rows):
        tests = [
            (n, row.against_first.p)
            for n, row in enumerate(rows)
            if row.metric == metric and row.against_first is not None and row.against_first.p is not None
        ]
        for (n, _), p in zip(tests, holm([p for _, p in tests]), strict=True):
            done[n] = replace(rows[n], p_holm=p)
    return done


def explained(compared: Compared) -> str:
    """Say what the columns are."""
    return (
        "In brackets the 95 % interval, a bootstrap over songs. Difference: less the first run, on the same "
        "songs, with its interval. p: 10,000 random exchanges of the two runs' songs, by Holm's method for "
        "all tests of the metric; a difference is shown where the interval leaves out 0 and p is below "
        f"{SIGNIFICANT:g}. The networks are taken as they are: another seed would give others."
    )


_COLUMNS = ("score", "difference", "p (Holm)", "")


def sheets(compared: Compared) -> list[Sheet]:
    """Make a table for each target and metric."""
    found = []
    for target, metric in dict.fromkeys((row.target, row.metric) for row in compared.rows):
        rows = [row for row in compared.rows if (row.target, row.metric) == (target, metric)]
        form = "over songs" if compared.whole else "by song"
        title = f"{target}, {HEADINGS[metric]} {form}; {set_title(compared.group)}, {rows[0].songs} songs"
        same = {row.system for row in rows} == {rows[0].system}
        labels = ["run"] if same else ["run", "system"]
        cells = [
            (
                row.verdict in ("better", "worse"),
                [row.run, *([] if same else [row.system]), *cells_of(row)],
            )
            for row in rows
        ]
        if same:
            title = f"{title}, {rows[0].system}"
        found.append(Sheet(title, [*labels, *_COLUMNS], cells, labels=len(labels), lines=False))
    return found


def cells_of(row: Row) -> list[str]:
    """Write a score, its difference from the first run's, p and verdict."""
    score = f"{row.score:.3f}{_interval(row.low, row.high)}"
    d = row.against_first
    if d is None:
        return [score, "", "", ""]
    low, high = (None if x is None else signed(x) for x in (d.low, d.high))
    bounds = "" if low is None else f" ({low} to {high})"
    p = "" if row.p_holm is None else "< .001" if row.p_holm < 0.001 else f"{row.p_holm:.3f}"
    return [score, f"{signed(d.value)}{bounds}", p, row.verdict]


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ({low:.3f} to {high:.3f})"


_CSV = (
    "set",
    "target",
    "metric",
    "run",
    "system",
    "songs",
    "score",
    "low",
    "high",
    "difference",
    "difference_low",
    "difference_high",
    "p",
    "p_holm",
    "verdict",
)


def as_csv(compared: Compared) -> str:
    """Write all rows as CSV; empty cells where there is no figure."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_CSV)
    for row in compared.rows:
        d = row.against_first
        numbers = [row.score, row.low, row.high]
        numbers += [None] * 4 if d is None else [d.value, d.low, d.high, d.p]
        shown = ["" if x is None else f"{x:.6f}" for x in (*numbers, row.p_holm)]
        writer.writerow(
            [compared.group, row.target, row.metric, row.run, row.system, row.songs, *shown, row.verdict]
        )
    return text.getvalue()


def _grid(compared: Compared) -> tuple[list[str], list[list[str]]]:
    """Head and rows of one table: a row for each run, and a column for each target and metric."""
    pairs = [*dict.fromkeys((row.target, row.metric) for row in compared.rows)]
    head = ["run", "system", *(f"{target} {HEADINGS[metric]}" for target, metric in pairs)]
    rows: dict[str, list[str]] = {}
    for row in compared.rows:
        cells = rows.setdefault(row.run, [row.run, row.system])
        mark = {"better": "↑", "worse": "↓"}.get(row.verdict, "")
        cells.append(f"{row.score:.3f}{_interval(row.low, row.high)}{mark}")
    return head, [*rows.values()]


def _caption(compared: Compared) -> str:
    songs = compared.rows[0].songs
    first = compared.rows[0].run
    form = "over songs" if compared.whole else "mean over songs"
    return (
        f"Scores ({form}, 95 % interval in brackets) on {songs} songs, "
        f"{set_title(compared.group)}. ↑, ↓: better, worse than {first} (interval of "
        "the difference without 0, and p < .05 by Holm's method)."
    )


def as_markdown(compared: Compared) -> str:
    """Write one table in Markdown, with its caption."""
    head, rows = _grid(compared)

    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    rule = ["---", "---", *["---:"] * (len(head) - 2)]
    return "\n".join([line(head), line(rule), *map(line, rows), "", _caption(compared), ""])


_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "↑": r"$^{\uparrow}$",
    "↓": r"$^{\downarrow}$",
    "−": r"$-$",
    "<": r"$<$",
    ">": r"$>$",
}


def as_latex(compared: Compared) -> str:
    """Write one table in LaTeX with booktabs, with its caption."""
    head, rows = _grid(compared)

    def line(cells: Iterable[str]) -> str:
        return rf"    {' & '.join(in_latex(cell) for cell in cells)} \\"

    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{in_latex(_caption(compared))}}}",
            rf"  \begin{{tabular}}{{ll{'r' * (len(head) - 2)}}}",
            r"    \toprule",
            line(head),
            r"    \midrule",
            *map(line, rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def in_latex(text: str) -> str:
    """Write text so that LaTeX shows it as it stands."""
    return "".join(_LATEX.get(letter, letter) for letter in text)
