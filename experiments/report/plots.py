"""The style of all plots, and those of the report as SVG text."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from itertools import cycle
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lstmcore.experiments.datasets import Song
from lstmcore.experiments.scoring.systems import Predictions

_OF_EMOTION = {"arousal": "#c2410c", "valence": "#0f766e"}
_COLOURS = ("#c2410c", "#0f766e", "#1d4ed8", "#7e22ce", "#a16207", "#be185d", "#4d7c0f", "#0e7490")
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


def colours(targets: Iterable[str]) -> dict[str, str]:
    """Colour of each target; arousal and valence always have the same."""
    names = [*targets]
    free = [c for c in _COLOURS if c not in {_OF_EMOTION.get(name) for name in names}]
    own = dict(zip((n for n in names if n not in _OF_EMOTION), cycle(free), strict=False))
    return {name: _OF_EMOTION.get(name) or own[name] for name in names}


def svg_element(figure: Figure) -> str:
    """Write a figure as an svg element, to be put into a page."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None}, bbox_inches="tight")
    whole = text.getvalue()
    return whole[whole.index("<svg") :]


FEW = 12  # points that are worth a marker each


def limits(scale: Sequence[float] | None, *curves: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of an axis of a target: the scale, or more where a curve leaves it.

    Parameters
    ----------
    scale
        Lowest and highest value of an annotation; None: unknown.
    curves
        What is drawn; NaN is passed over.
    """
    values = np.concatenate([curve.ravel() for curve in curves])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.02 * ((high - low) or 1.0)
    if scale is None:
        return low - margin, high + margin
    return (
        scale[0] if low >= scale[0] else low - margin,
        scale[1] if high <= scale[1] else high + margin,
    )


def song_curves(song: Song, prediction: Predictions, targets: Sequence[str], scale: Sequence[float]) -> str:
    """Draw a song's annotation and one system's prediction over time, with the spread of its networks."""
    k = next(n for n, s in enumerate(prediction.songs) if s is song)
    values = prediction.values[k]
    spread = prediction.spread[k] if prediction.spread is not None else None
    with matplotlib.rc_context(STYLE):
        across = min(2, len(targets))
        down = -(-len(targets) // across)
        figure = Figure(figsize=(4.5 * across, 2.6 * down))
        panels: Any = figure.subplots(down, across, sharex=True, squeeze=False)
        axes, of_target = panels.ravel(), colours(targets)
        for unused in axes[len(targets) :]:
            unused.set_axis_off()
        few: Any = {"marker": "." if song.frames <= FEW else None}
        for n, target in enumerate(targets):
            colour, drawn = of_target[target], [song.annotation[:, n], values[:, n]]
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
            axes.plot(best["epoch"], best[column], "o", color=_COLOURS[0], markersize=3)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel("epoch")
        axes.set_ylabel("error a frame")
        axes.set_yscale("log")
        return svg_element(figure)
