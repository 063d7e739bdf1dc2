"""Output of ablations: tables as CSV and on a terminal, plots, a page, and a plain sentence for each."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console

from lstmcore.experiments.files import write_csv
from lstmcore.experiments.report.page import Page
from lstmcore.experiments.report.table import MORE
from lstmcore.experiments.scoring.statistics import LEVEL, RESAMPLES
from lstmcore.experiments.studies.ablation.ablated import Ablated
from lstmcore.experiments.studies.ablation.compare import METRICS, SIGNIFICANT, TITLES, Comparison
from lstmcore.experiments.terminal.sheet import Sheet

_EXPLAINED = (
    "Differences are those of the change less the experiment as it is, in cross-validation. Intervals: "
    f"{LEVEL:.0%}, bootstrap over songs ({RESAMPLES} resamples), for the networks as they are. p: corrected "
    "resampled t-test over folds (Nadeau and Bengio, 2003), two-sided, by Holm's method for all tests of "
    "the metric, those of regressions by themselves. A difference is shown where the interval leaves out 0 "
    f"and p is below {SIGNIFICANT:g}. The settings are those of the experiment: what they were chosen for "
    "has an advantage."
)


_VERBS = {"better": "helps", "worse": "hurts"}
_OTHER_FOLDS = {"better": "scores better in", "worse": "scores worse in"}


def sentences(ablated: Ablated) -> list[str]:
    """Return one sentence per ablation: its effect on the RMSE by song, and on other scores if shown."""
    return [_sentence(ablated, name) for name in ablated.names()]


def _sentence(ablated: Ablated, name: str) -> str:
    if name in ablated.diverged:
        return f"{name}: training diverged ({ablated.diverged[name]})."
    rows = [r for r in ablated.rows if r.ablation == name]
    if all(r.verdict == "the same" for r in rows):
        return f"{name}: changes nothing; the predictions are the same."
    other_folds = any("folds.group" in (*a.set, *a.unset) for a in ablated.ablations if a.name == name)
    verbs = _OTHER_FOLDS if other_folds else _VERBS
    said = [_said(r, verbs) for r in rows if r.metric == "rmse" or r.verdict in ("better", "worse")]
    return f"{name}{' (other folds of the same songs)' if other_folds else ''}: {'; '.join(said)}."


def _said(row: Comparison, verbs: dict[str, str]) -> str:
    """Return what the change does to one score: verdict, difference, interval and p."""
    verb = verbs.get(row.verdict, f"{row.verdict} for")
    interval = _interval(row) or f"{row.songs} songs are too few for an interval"
    p = "" if row.p_holm is None else f", {_p(row.p_holm)}"
    return f"{verb} {row.target} ({TITLES[row.metric]} {_signed(row.difference)}, {interval}{p})"


def _interval(row: Comparison) -> str:
    return "" if row.low is None or row.high is None else f"{_signed(row.low)} to {_signed(row.high)}"


def _signed(value: float) -> str:
    return f"{round(value, 4) + 0.0:+.4f}"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def write_ablations(ablated: Ablated, config: str) -> None:
    """Write ``ablation.csv``, ``.png``, ``.html`` and, of several trials, ``ensemble_size.csv``, ``.png``."""
    import matplotlib
    import pandas as pd

    from lstmcore.experiments.report.plots import STYLE, svg_element
    from lstmcore.experiments.studies.ablation.plots import draw_forest, draw_sizes

    folder = ablated.folder
    write_csv(folder / "ablation.csv", pd.DataFrame([asdict(r) for r in ablated.rows]), 6)
    drawn = {"ablation": draw_forest} if ablated.rows else {}
    if ablated.sizes:
        curve = [asdict(r) | {"networks": n} for n, rows in ablated.sizes.items() for r in rows]
        kept = [
            "networks",
            "target",
            "metric",
            "scope",
            "songs",
            "base",
            "changed",
            "difference",
            "low",
            "high",
        ]
        write_csv(folder / "ensemble_size.csv", pd.DataFrame(curve)[kept], 6)
        drawn["ensemble_size"] = draw_sizes
    figures = []
    with matplotlib.rc_context(STYLE):
        for name, draw in drawn.items():
            figure = draw(ablated)
            style: Any = {"dpi": 130, "bbox_inches": "tight", "metadata": {"Software": None}}
            figure.savefig(folder / f"{name}.png", **style)
            figures.append(svg_element(figure))
    Page(
        title=f"{ablated.experiment.name}: ablations",
        lead="One thing changed at a time; the same songs, folds and seeds.",
        notes=ablated.notes,
        sentences=sentences(ablated),
        figures=figures,
        tables=[_sheet(ablated, metric) for metric, _ in METRICS],
        small=[_EXPLAINED],
        config=config,
    ).write(folder / "ablation.html")


def print_ablations(ablated: Ablated, console: Console, *, every: bool = False) -> None:
    """Print the RMSE by song of each ablation, or all its scores, and what it says."""
    for metric, _ in METRICS if every else METRICS[:1]:
        _sheet(ablated, metric).print(console)
    for sentence in sentences(ablated):
        console.print(sentence, markup=False, highlight=False)
    console.print(_EXPLAINED, style="dim", highlight=False)
    for note in ablated.notes:
        console.print(note)
    for name, file in {"plot": "ablation.png", "page": "ablation.html", "table": "ablation.csv"}.items():
        console.print(f"{name}: {ablated.folder / file}", soft_wrap=True)
    if not every:
        console.print(MORE, highlight=False)


def _sheet(ablated: Ablated, metric: str) -> Sheet:
    rows = []
    for name in ablated.names():
        for target in ablated.experiment.data.target_names:
            key = (name, metric, target)
            row = next((r for r in ablated.rows if (r.ablation, r.metric, r.target) == key), None)
            if row is None:
                rows.append((False, [name, target, "diverged", "", "", "", "", ""]))
                continue
            numbers = [f"{row.base:.4f}", f"{row.changed:.4f}", _signed(row.difference), _interval(row)]
            p = "" if row.p_holm is None else _p(row.p_holm).removeprefix("p ").removeprefix("= ")
            shown = row.verdict in ("better", "worse")
            rows.append((shown, [name, target, *numbers, p, row.verdict]))
    columns = ["changed", "target", "as it is", "changed", "difference", "95 % interval", "p (Holm)", ""]
    return Sheet(f"{TITLES[metric]}, cross-validation", columns, rows)
