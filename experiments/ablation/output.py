"""What a person sees of ablations: a table, sentences, two CSV files and a forest plot."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from experiments.ablation.comparison import LOWER_IS_BETTER, MEASURES, Difference
from experiments.ablation.study import Study
from experiments.datasets import TARGETS
from experiments.files import write_csv, write_whole
from experiments.plots import COLOURS, STYLE


def write_study(folder: Path, study: Study) -> None:
    """Write ``ablation.csv``, ``ensemble_size.csv`` and ``ablation.svg`` into a folder."""
    rows = [asdict(d) | {"verdict": d.verdict} for d in study.differences]
    write_csv(folder / "ablation.csv", pd.DataFrame(rows), 6)
    write_csv(folder / "ensemble_size.csv", pd.DataFrame([asdict(s) for s in study.sizes]), 6)
    write_whole(folder / "ablation.svg", forest(study))


def print_study(study: Study, console: Console) -> None:
    """Print differences, sentences and ensemble sizes."""
    for name in MEASURES:
        better = "lower" if name in LOWER_IS_BETTER else "higher"
        console.print(
            f"[bold]{name} in cross-validation ({better} is better): as it is, and what a change does[/bold]"
        )
        console.print(_table([d for d in study.differences if d.measure == name]))
    console.print(
        "Intervals: 95 %, bootstrap over songs. p: corrected t-test over folds, adjusted by Holm's method."
    )
    for line in sentences(study):
        console.print(line, soft_wrap=True)
    console.print(_sizes(study))


def _table(differences: list[Difference]) -> Table:
    table = Table()
    table.add_column("variant", no_wrap=True)
    for target in TARGETS:
        for heading in ("as it is", "difference", "interval", "p"):
            table.add_column(f"{target}\n{heading}", justify="right", no_wrap=True)
    by_key = {(d.variant, d.target): d for d in differences}
    for variant in dict.fromkeys(d.variant for d in differences):
        cells = []
        for target in TARGETS:
            d = by_key[variant, target]
            p = "–" if d.p_holm is None else f"{d.p_holm:.3f}" if d.p_holm >= 0.001 else "< .001"
            difference = f"{d.difference:+.4f}"
            marked = difference if d.verdict.startswith("no") else f"[bold]{difference}[/bold]"
            cells += [f"{d.base:.4f}", marked, f"{d.low:+.4f} to {d.high:+.4f}", p]
        table.add_row(variant, *cells)
    return table


def sentences(study: Study) -> list[str]:
    """Say for each variant what its change does to the RMSE by song, as plainly where it does nothing."""
    lines = []
    for variant in study.variants:
        parts = [d for d in study.differences if d.variant == variant.name and d.measure == "RMSE by song"]
        said = "; ".join(f"{d.target}: {d.verdict}" for d in parts)
        changes = ", ".join(
            [*(f"{k} = {v}" for k, v in variant.set.items()), *(f"no {k}" for k in variant.unset)]
        )
        lines.append(f"{variant.name} ({changes}): {said}.")
    return lines


def _sizes(study: Study) -> Table:
    table = Table(title="Networks averaged a fold", title_justify="left")
    table.add_column("networks", justify="right")
    for target in TARGETS:
        for name in MEASURES:
            table.add_column(f"{target}\n{name}", justify="right", no_wrap=True)
    by_key = {(s.networks, s.target, s.measure): s.score for s in study.sizes}
    for count in sorted({s.networks for s in study.sizes}):
        table.add_row(str(count), *(f"{by_key[count, t, m]:.4f}" for t in TARGETS for m in MEASURES))
    return table


def forest(study: Study) -> str:
    """Draw each difference with its interval, a panel a measure, as SVG; filled where it was shown."""
    names = [variant.name for variant in study.variants]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.6 * len(MEASURES), 1.1 + 0.45 * len(names)), layout="constrained")
        axes: Any = figure.subplots(1, len(MEASURES), sharey=True, squeeze=False)[0]
        for axis, name in zip(axes, MEASURES, strict=True):
            axis.axvline(0, color="#444", linewidth=0.8)
            for k, target in enumerate(TARGETS):
                for row, variant in enumerate(names):
                    _bar(axis, _find(study, variant, target, name), row + (k - 0.5) * 0.3, COLOURS[target])
            better = "←" if name in LOWER_IS_BETTER else "→"
            axis.set_title(f"{name} (better {better})", loc="left", fontsize=10)
            axis.set_xlabel("difference from the experiment as it is")
            axis.grid(axis="y", visible=False)
        axes[0].set_yticks(range(len(names)), names)
        axes[0].invert_yaxis()
        handles = [axes[0].plot([], [], "o", color=COLOURS[target], label=target)[0] for target in TARGETS]
        figure.legend(handles=handles, loc="outside upper right", ncols=2, frameon=False)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
        return text.getvalue()


def _find(study: Study, variant: str, target: str, name: str) -> Difference:
    return next(d for d in study.differences if (d.variant, d.target, d.measure) == (variant, target, name))


def _bar(axis: Any, d: Difference, y: float, colour: str) -> None:
    axis.plot([d.low, d.high], [y, y], color=colour, linewidth=1.6)
    inside = "white" if d.verdict.startswith("no") else colour
    axis.plot([d.difference], [y], "o", color=colour, markersize=5, markerfacecolor=inside)
