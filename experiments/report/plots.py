"""The style of all plots, and those of the report as SVG text."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lstmcore.experiments.datasets import TARGETS, Song
from lstmcore.experiments.scoring.systems import Predictions

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


FEW = 12  # points that are worth a marker each


def limits(scale: Sequence[float] | None, *curves: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of an axis of arousal or valence: the scale, or more where a curve leaves it.

    Parameters
    ----------
    scale
        Lowest and highest value of an annotation; None, unknown: -1 to 1 if that holds all curves.
    curves
        What is drawn; NaN is passed over.
    """
    values = np.concatenate([curve.ravel() for curve in curves])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.02 * ((high - low) or 1.0)
    if scale is None:
        scale = (-1.0, 1.0) if min(low, -high) >= -1 else (low - margin, high + margin)
    return (
        scale[0] if low >= scale[0] else low - margin,
        scale[1] if high <= scale[1] else high + margin,
    )


def song_curves(song: Song, prediction: Predictions, scale: Sequence[float]) -> str:
    """Draw a song's annotation and one system's prediction over time, with the spread of its networks."""
    k = next(n for n, s in enumerate(prediction.songs) if s is song)
    values = prediction.values[k]
    spread = prediction.spread[k] if prediction.spread is not None else None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, 2.6))
        axes: Any = figure.subplots(1, 2, sharex=True)
        few: Any = {"marker": "." if song.frames <= FEW else None}
        for n, target in enumerate(TARGETS):
            colour, drawn = COLOURS[target], [song.annotation[:, n], values[:, n]]
            axes[n].plot(song.times, drawn[0], color="#444", label="annotation", linewidth=1.2, **few)
            axes[n].plot(song.times, drawn[1], color=colour, label=prediction.system, linewidth=1.6, **few)
            if spread is not None:
                low, high = values[:, n] - spread[:, n], values[:, n] + spread[:, n]
                axes[n].fill_between(song.times, low, high, color=colour, alpha=0.18, linewidth=0)
                drawn += [low, high]
            axes[n].set_ylim(limits(scale, *drawn))
            axes[n].set_title(f"song {song.song_id}: {target}", loc="left", fontsize=10)
            axes[n].set_xlabel("time in s")
            axes[n].legend(frameon=False, loc="lower right", ncols=2)
        return svg_element(figure)


def learning_curves(history: pd.DataFrame, column: str, title: str) -> str:
    """Draw an error of each training over epochs, one thin line per network."""
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
