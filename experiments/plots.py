"""The style of all plots, and those of the report as SVG text."""

from __future__ import annotations

import io
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from experiments.datasets import TARGETS, Song
from experiments.systems import Predictions

COLOURS = {"arousal": "#c2410c", "valence": "#0f766e"}
STYLE: Any = {
    "svg.hashsalt": "lstmcore",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
}


def svg_element(figure: Figure) -> str:
    """Write a figure as an svg element, to be put into a page."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None}, bbox_inches="tight")
    whole = text.getvalue()
    return whole[whole.index("<svg") :]


def song_curves(song: Song, prediction: Predictions) -> str:
    """Draw a song's annotation and one system's prediction over time, with the spread of its networks."""
    k = next(n for n, s in enumerate(prediction.songs) if s is song)
    values = prediction.values[k]
    spread = prediction.spread[k] if prediction.spread is not None else None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, 2.6))
        axes: Any = figure.subplots(1, 2, sharex=True)
        for n, target in enumerate(TARGETS):
            colour = COLOURS[target]
            axes[n].plot(song.times, song.annotation[:, n], color="#444", label="annotation", linewidth=1.2)
            axes[n].plot(song.times, values[:, n], color=colour, label=prediction.system, linewidth=1.6)
            if spread is not None:
                low, high = values[:, n] - spread[:, n], values[:, n] + spread[:, n]
                axes[n].fill_between(song.times, low, high, color=colour, alpha=0.18, linewidth=0)
            axes[n].set_ylim(-1, 1)
            axes[n].set_title(f"song {song.song_id}: {target}", loc="left", fontsize=10)
            axes[n].set_xlabel("time in s")
            axes[n].legend(frameon=False, loc="lower right", ncols=2)
        return svg_element(figure)


def learning_curves(history: pd.DataFrame, column: str, title: str) -> str:
    """Draw an error of each training over epochs, a thin line a network."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, 2.8))
        axes: Any = figure.subplots()
        for _, part in history.groupby("job", sort=False):
            axes.plot(part["epoch"], part[column], color="#334155", alpha=0.45, linewidth=0.9)
            best = part.loc[part["epoch"] == part["best_epoch"].iloc[-1]]
            axes.plot(best["epoch"], best[column], "o", color=COLOURS["arousal"], markersize=3)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("epoch")
        axes.set_ylabel("error a frame")
        axes.set_yscale("log")
        return svg_element(figure)
