"""Keeps the record of a run: what was asked for, what came out, on what machine, in how long.

    python -m benchmarks.record RUN NAME

Configuration, scores, times, ablations and plots go into ``benchmarks/records/NAME``; nothing of the data,
no prediction and no network.
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

from experiments.datasets import TARGETS
from experiments.files import write_whole
from experiments.plots import COLOURS, STYLE, learning_curves, svg_element
from experiments.table import HEADINGS, SETS

RECORDS = Path(__file__).parent / "records"
COPIED = (
    "metrics.json",
    "environment.json",
    "stages.csv",
    "annotation_quality.json",
    "ablation.csv",
    "ablation.svg",
    "ensemble_size.csv",
)


def scores_plot(rows: list[dict[str, Any]]) -> str:
    """Draw the scores by song, a row a set and a column a metric, as an svg element."""
    table = pd.DataFrame(rows)
    table = table[table["scope"] == "per_song"]
    groups = [name for name in SETS if name in set(table["set"])]
    with matplotlib.rc_context(STYLE):
        most = max(table.groupby("set")["system"].nunique())
        figure = Figure(figsize=(10, 0.9 + len(groups) * (0.7 + 0.3 * most)), layout="constrained")
        axes: Any = figure.subplots(len(groups), len(HEADINGS), squeeze=False)
        for line, group in zip(axes, groups, strict=True):
            part = table[table["set"] == group]
            systems = list(dict.fromkeys(part["system"]))
            for axis, (metric, heading) in zip(line, HEADINGS.items(), strict=True):
                for k, target in enumerate(TARGETS):
                    found = part[(part["metric"] == metric) & (part["target"] == target)].set_index("system")
                    places = [n + (k - 0.5) * 0.25 for n in range(len(systems))]
                    axis.plot(found.loc[systems, "mean"], places, "o", color=COLOURS[target], label=target)
                axis.set_yticks(range(len(systems)), systems if axis is line[0] else [])
                axis.set_ylim(len(systems) - 0.5, -0.5)
                axis.set_title(f"{heading}, {SETS[group].split(' (')[0]}", loc="left", fontsize=9)
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False)
        return svg_element(figure)


def keep(run: Path, name: str) -> Path:
    """Write the record of a finished run and return its folder."""
    folder = RECORDS / name
    folder.mkdir(parents=True, exist_ok=True)
    config = (run / "config.toml").read_text(encoding="utf-8")
    write_whole(folder / "config.toml", re.sub(r'(?m)^root = ".*"$', 'root = "FOLDER"', config))
    for file in COPIED:
        if (run / file).exists():
            shutil.copyfile(run / file, folder / file)
    rows = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    write_whole(folder / "scores.svg", scores_plot(rows))
    history = pd.read_csv(run / "history.csv")
    networks = history[~history["job"].str.startswith("auto-encoder")]
    curves = learning_curves(networks, "validation_error_per_frame", "validation error of the networks")
    write_whole(folder / "learning.svg", curves)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Keep the record of a run.")
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    arguments = parser.parse_args()
    print(keep(arguments.run, arguments.name))
