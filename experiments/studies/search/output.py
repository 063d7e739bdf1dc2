"""Output of a search: every configuration tried as CSV, on a terminal, as a plot and on a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from lstmcore.experiments.config import Experiment, in_words
from lstmcore.experiments.config.variations import SearchStep
from lstmcore.experiments.errors import listed
from lstmcore.experiments.files import write_csv
from lstmcore.experiments.report.page import Page
from lstmcore.experiments.report.table import HEADINGS
from lstmcore.experiments.studies.search.searched import Searched, Tried, search_config, section_of
from lstmcore.experiments.terminal.progress import duration
from lstmcore.experiments.terminal.sheet import Sheet

COLUMNS = 4  # panels of the plot side by side
INK, CHOSEN = "#334155", "#c2410c"


def write_table(folder: Path, experiment: Experiment, tried: list[Tried], chosen: int | None) -> None:
    """Write ``search.csv``, one row per configuration; `chosen` is the row that was chosen in the end."""
    import pandas as pd

    steps = section_of(experiment).steps
    rows = [
        {
            "candidate": n + 1,
            "step": "all" if t.step is None else steps[t.step].name,
            **{key: json.dumps(value) for key, value in t.values.items()},
            "score": t.score,
            "standard_error": t.standard_error,
            "folds": len(t.fold_scores),
            "jobs": t.networks,
            "reused": t.reused,
            "best_epoch": t.epochs,
            "seconds": t.seconds,
            "chosen": n == chosen,
        }
        for n, t in enumerate(tried)
    ]
    write_csv(folder / "search.csv", pd.DataFrame(rows), 6)


def write_search(searched: Searched) -> None:
    """Write ``search.csv``, ``search.png`` and ``search.html``."""
    import matplotlib

    from lstmcore.experiments.report.plots import STYLE, svg_element

    folder = searched.folder
    write_table(folder, searched.experiment, searched.tried, _chosen_row(searched))
    with matplotlib.rc_context(STYLE):
        figure = draw(searched)
        figure.savefig(folder / "search.png", dpi=130, bbox_inches="tight", metadata={"Software": None})
        svg = svg_element(figure)
    Page(
        title=f"{searched.experiment.name}: search",
        lead=_lead(searched),
        notes=searched.notes,
        sentences=[*_chosen(searched), *searched.kept()],
        figures=[svg],
        tables=[_sheet(searched)],
        small=[_explained(searched)],
        config=search_config(searched.experiment),
    ).write(folder / "search.html")


def print_search(searched: Searched, console: Console) -> None:
    """Print what was tried and chosen."""
    _sheet(searched).print(console)
    console.print(_explained(searched), highlight=False)
    for note in searched.notes:
        console.print(note)
    for sentence in searched.kept():
        console.print(sentence, markup=False, highlight=False)
    console.print(f"chosen: {', '.join(_chosen(searched))}", markup=False, highlight=False)
    for name, file in {"plot": "search.png", "page": "search.html", "table": "search.csv"}.items():
        console.print(f"{name}: {searched.folder / file}", soft_wrap=True)
    console.print(f"to run it: lstmcore-run {searched.folder / 'chosen.toml'}", soft_wrap=True)


def _explained(searched: Searched) -> str:
    watched = "; early stopping watched them" if searched.experiment.folds.stopping == "same" else ""
    return (
        "Score: mean over folds ± its standard error, of songs that the networks were not trained on"
        f"{watched}. Epoch: the best, mean over networks. Time: of one core, whenever it was spent."
    )


def _lead(searched: Searched) -> str:
    search, tried = searched.search, searched.tried
    folds = max(len(t.fold_scores) for t in tried)
    trials = search.trials or searched.experiment.ensemble.trials
    return (
        f"{len(tried)} configurations, {search.method}, by {_criterion(searched)}, "
        f"on {folds} folds × {trials} {'trials' if trials > 1 else 'trial'}. Chosen:"
    )


def _criterion(searched: Searched) -> str:
    scope = "all frames of a fold" if searched.search.scope == "pooled" else "mean over songs"
    return f"{HEADINGS[searched.search.criterion]} ({scope}, {_targets(searched)})"


def _targets(searched: Searched) -> str:
    names = searched.experiment.data.target_names
    return f"mean of {listed(names)}" if len(names) > 1 else names[0]


def _chosen(searched: Searched) -> list[str]:
    return [f"{key} = {in_words(value)}" for key, value in searched.chosen.items()]


def _chosen_row(searched: Searched) -> int:
    """Return the first row whose values were chosen."""
    return next(n for n, t in enumerate(searched.tried) if t.values == searched.chosen)


def _sheet(searched: Searched) -> Sheet:
    """Make the table: what a step changes, or with all steps at once a column a step."""
    steps, best = searched.search.steps, set(searched.leaders().values())
    rows = []
    for n, t in enumerate(searched.tried):
        if t.step is None:
            what = [in_words(t.values[step.keys[0]]) for step in steps]
        else:
            what = [f"{steps[t.step].name} = {in_words(t.values[steps[t.step].keys[0]])}"]
        rows.append((n in best, [*what, *_cells(t), "chosen" if n in best else ""]))
    first = ["candidate"] if searched.search.method == "sequential" else [step.name for step in steps]
    columns = [*first, HEADINGS[searched.search.criterion], "epoch", "time", "found done", ""]
    return Sheet(f"search by {_criterion(searched)}", columns, rows)


def _cells(tried: Tried) -> list[str]:
    if tried.score is None:
        return ["diverged", "", "", ""]
    error = "" if tried.standard_error is None else f" ± {tried.standard_error:.4f}"
    time, found = duration(tried.seconds or 0), f"{tried.reused} of {tried.networks}"
    return [f"{tried.score:.4f}{error}", f"{tried.epochs:.0f}", time, found]


def draw(searched: Searched) -> Any:
    """Draw the score with its standard error by candidate, one panel per step; returns the figure."""
    from matplotlib.figure import Figure

    steps = searched.search.steps
    across = min(COLUMNS, len(steps))
    down = -(-len(steps) // across)
    figure = Figure(figsize=(3.6 * across + 0.6, 3.1 * down), layout="constrained")
    panels: Any = figure.subplots(down, across, sharey=True, squeeze=False)
    best = set(searched.leaders().values())
    for n, panel in enumerate(panels.flat):
        if n >= len(steps):
            panel.set_axis_off()
            continue
        rows = {k: t for k, t in enumerate(searched.tried) if t.step in (n, None)}
        _panel(panel, steps[n], rows, best)
        if n % across == 0:
            panel.set_ylabel(f"{HEADINGS[searched.search.criterion]} ± standard error")
    return figure


def _panel(panel: Any, step: SearchStep, rows: dict[int, Tried], best: set[int]) -> None:
    values = step.values or []
    for n, t in rows.items():
        value = t.values[step.keys[0]]
        x = value if step.range is not None else values.index(value)
        colour = CHOSEN if n in best else INK
        if t.score is None:
            panel.text(x, 0.02, "diverged", transform=panel.get_xaxis_transform(), ha="center", fontsize=8)
            panel.plot([x], [float("nan")])  # so that the axis reaches it
            continue
        style: Any = {"fmt": "o", "color": colour, "capsize": 3, "markersize": 5, "zorder": 3 + (n in best)}
        panel.errorbar(x, t.score, t.standard_error or 0, **style)
    if step.range is None:
        panel.set_xticks(range(len(values)), [_label(v) for v in values])
        panel.set_xlim(-0.5, len(values) - 0.5)
    elif step.range.log:
        panel.set_xscale("log")
    panel.set_title("\n".join(step.keys), loc="left", fontsize=10)
    panel.grid(visible=False, axis="x")


def _label(value: Any) -> str:
    return "\n".join(map(in_words, value)) if isinstance(value, list) else in_words(value)
