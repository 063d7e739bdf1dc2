"""The forest plot of ablations, and the curve of ensemble size."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from lstmcore.experiments.report.plots import colours
from lstmcore.experiments.studies.ablation.ablated import Ablated
from lstmcore.experiments.studies.ablation.compare import METRICS, TITLES

_SHARE = 0.64  # of a row that the targets of an ablation take


def draw_forest(ablated: Ablated) -> Figure:
    """Draw each ablation's difference with its interval, one panel per metric; filled where it is shown."""
    names = list(dict.fromkeys(row.ablation for row in ablated.rows))
    targets = ablated.experiment.data.target_names
    colour_of = colours(targets)
    step = _SHARE / len(targets)
    figure = Figure(figsize=(11, 1.3 + (0.1 + 0.16 * len(targets)) * len(names)), layout="constrained")
    panels: Any = figure.subplots(1, len(METRICS), sharey=True)
    for panel, (metric, _) in zip(panels, METRICS, strict=True):
        panel.axvline(0, color="#94a3b8", linewidth=1, zorder=1)
        for row in (r for r in ablated.rows if r.metric == metric):
            y = names.index(row.ablation) + step * (targets.index(row.target) - (len(targets) - 1) / 2)
            colour = colour_of[row.target]
            if row.low is not None:
                panel.plot([row.low, row.high], [y, y], color=colour, linewidth=1.6, zorder=2)
            filled = colour if row.verdict in ("better", "worse") else "white"
            panel.plot(row.difference, y, "o", color=colour, markerfacecolor=filled, markersize=5, zorder=3)
        better = ("← better", "worse →") if metric == "rmse" else ("← worse", "better →")
        panel.set_title(TITLES[metric], loc="left", fontsize=10)
        panel.set_xlabel(f"{better[0]}\u2003difference\u2003{better[1]}")
        panel.grid(visible=False, axis="y")
        panel.locator_params(axis="x", nbins=5)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    for target in targets:
        panels[-1].plot([], [], "o-", color=colour_of[target], markersize=5, label=target)
    panels[-1].plot([], [], "o", color="#444", markerfacecolor="white", label="no difference shown")
    figure.legend(
        *panels[-1].get_legend_handles_labels(),
        loc="outside upper right",
        ncols=len(targets) + 1,
        frameon=False,
    )
    return figure


def draw_sizes(ablated: Ablated) -> Figure:
    """Draw the score of fewer networks per fold, one panel per metric."""
    figure = Figure(figsize=(11, 2.8), layout="constrained")
    panels: Any = figure.subplots(1, len(METRICS))
    colour_of = colours(ablated.experiment.data.target_names)
    counts = [*ablated.sizes, len(ablated.sizes) + 1]
    for panel, (metric, _) in zip(panels, METRICS, strict=True):
        for target, colour in colour_of.items():
            rows = [
                next(r for r in part if (r.metric, r.target) == (metric, target))
                for part in ablated.sizes.values()
            ]
            values = [*(r.changed for r in rows), rows[0].base]
            panel.plot(counts, values, "o-", color=colour, markersize=4, label=target)
        panel.set_title(TITLES[metric], loc="left", fontsize=10)
        panel.set_xlabel("networks averaged, of a fold")
        panel.set_xticks(counts)
    panels[-1].legend(frameon=False)
    return figure
