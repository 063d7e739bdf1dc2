"""Keeps the record of a run, ablations or a search: what was asked for, what came out, on what machine.

    python -m benchmarks.record FOLDER NAME

Configuration, scores, times and plots go into ``benchmarks/records/NAME``; nothing of the data, no prediction
and no network.  Of ablations and of a search it is a folder ``ablation`` or ``search`` in there; of
``benchmarks.pretraining`` the table, and the configuration without pre-training and with all annotations.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from lstmcore.experiments.files import write_text
from lstmcore.experiments.report.plots import STYLE, colours, learning_curves, svg_element
from lstmcore.experiments.report.table import HEADINGS, SETS
from lstmcore.experiments.training.pretraining import TITLES as PRETRAINING

RECORDS = Path(__file__).parent / "records"
COPIED = (
    "metrics.json",
    "environment.json",
    "stages.csv",
    "annotation_quality.json",
)
TABLE = "pretraining.csv"
VARIATIONS = {
    "ablation": ("ablation.csv", "ablation.png", "ensemble_size.csv", "environment.json"),
    "search": ("search.csv", "search.png", "environment.json"),
}


def scores_plot(rows: list[dict[str, Any]]) -> str:
    """Draw the scores by song, one row per set and one column per metric, as an svg element."""
    table = pd.DataFrame(rows)
    table = table[table["scope"] == "per_song"]
    targets = list(dict.fromkeys(table["target"]))
    groups = [name for name in SETS if name in set(table["set"])]
    with matplotlib.rc_context(STYLE):
        most = max(table.groupby("set")["system"].nunique())
        figure = Figure(figsize=(10, 0.9 + len(groups) * (0.7 + 0.3 * most)), layout="constrained")
        axes: Any = figure.subplots(len(groups), len(HEADINGS), squeeze=False)
        for line, group in zip(axes, groups, strict=True):
            part = table[table["set"] == group]
            systems = list(dict.fromkeys(part["system"]))
            for axis, (metric, heading) in zip(line, HEADINGS.items(), strict=True):
                for k, (target, colour) in enumerate(colours(targets).items()):
                    found = part[(part["metric"] == metric) & (part["target"] == target)].set_index("system")
                    places = [
                        n + (k - (len(targets) - 1) / 2) * 0.5 / len(targets) for n in range(len(systems))
                    ]
                    axis.plot(found["mean"].reindex(systems), places, "o", color=colour, label=target)
                axis.set_yticks(range(len(systems)), systems if axis is line[0] else [])
                axis.set_ylim(len(systems) - 0.5, -0.5)
                axis.set_title(f"{heading}, {SETS[group].split(' (')[0]}", loc="left", fontsize=9)
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False)
        return svg_element(figure)


def keep(finished: Path, name: str) -> Path:
    """Write the record of a finished run, ablations, search or table, and return its folder."""
    if (finished / TABLE).exists():
        folder = _copy(finished / "all", RECORDS / name, ("environment.json",))
        shutil.copyfile(finished / TABLE, folder / TABLE)
        return folder
    for kind, files in VARIATIONS.items():
        if (finished / f"{kind}.csv").exists():
            return _copy(finished, RECORDS / name / kind, files)
    folder = _copy(finished, RECORDS / name, COPIED)
    rows = json.loads((finished / "metrics.json").read_text(encoding="utf-8"))
    write_text(folder / "scores.svg", scores_plot(rows))
    history = pd.read_csv(finished / "history.csv")
    networks = history[~history["job"].str.startswith(PRETRAINING)]
    curves = learning_curves(networks, "validation_error_per_frame", "validation error of the networks")
    write_text(folder / "learning.svg", curves)
    return folder


def _copy(finished: Path, folder: Path, files: tuple[str, ...]) -> Path:
    """Copy files that are there, and the configuration without the data's place."""
    folder.mkdir(parents=True, exist_ok=True)
    config = (finished / "config.toml").read_text(encoding="utf-8")
    write_text(folder / "config.toml", re.sub(r'\broot = "[^"]*"', 'root = "FOLDER"', config))
    for file in files:
        if (finished / file).exists():
            shutil.copyfile(finished / file, folder / file)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Keep the record of a run, ablations or a search.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    arguments = parser.parse_args()
    print(keep(arguments.folder, arguments.name))
