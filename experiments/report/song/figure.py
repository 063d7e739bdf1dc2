"""The figure of one song: panels above each other on one axis of time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter
from numpy.typing import NDArray

from lstmcore.experiments.report.plots import FEW, STYLE, colours, limits
from lstmcore.experiments.report.song.clock import formatter, locator
from lstmcore.experiments.report.song.curves import Curve, Curves
from lstmcore.experiments.report.song.sound import Spectrogram, Waveform
from lstmcore.features import TIME_COLUMN

# Columns of FS2 with their titles and units.
FEATURES = {
    "sensory_dissonance": ("sensory dissonance", "no unit"),
    "roughness_vassilakis": ("roughness", "no unit"),
    "tempo": ("tempo", "BPM"),
    "event_density": ("event density", "events/s"),
}
_SLATE, _LIGHT, _GREY = "#334155", "#94a3b8", "#6b7280"
_DPI = 150
_WIDTH = 9.0  # inches, as all heights below
_SOUND, _FEATURE, _EMOTION, _MARGINS = 1.7, 1.1, 1.6, 0.6
_MANY = 600  # points that a line as wide as the figure can show: beyond, it would be a block
_SHORT = 120.0  # seconds that an axis counts; longer, it has minutes
_HERTZ = (50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000)


@dataclass(frozen=True)
class SongPicture:
    """All that a figure shows.

    Parameters
    ----------
    title
        Above it all.
    sound
        The top panel.
    features
        ``frameTime`` (s) and at least the columns of `FEATURES`; None: they aren't shown.
    annotations, predictions
        Curves by target; empty where there are none.
    system
        What the predictions are called in the legend.
    scale
        Lowest and highest value of an annotation; None: unknown.
    """

    title: str
    sound: Waveform | Spectrogram
    features: pd.DataFrame | None = None
    annotations: Curves = field(default_factory=dict)
    predictions: Curves = field(default_factory=dict)
    system: str = "prediction"
    scale: tuple[float, float] | None = None

    @property
    def targets(self) -> list[str]:
        """Targets that there is a curve of."""
        return list({**self.predictions, **self.annotations})


def draw_song(picture: SongPicture) -> Figure:
    """Draw a song.

    Parameters
    ----------
    picture
        What is known of it.

    Returns
    -------
    Figure
        Axes from top to bottom: the sound, the four features if they are given, and each target that
        there are annotations or predictions of. All share one axis of time in seconds.
    """
    features = [] if picture.features is None else list(FEATURES)
    heights = [_SOUND, *[_FEATURE] * len(features), *[_EMOTION] * len(picture.targets)]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, sum(heights) + _MARGINS), dpi=_DPI, layout="constrained")
        axes: Any = figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        figure.suptitle(picture.title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        _draw_sound(axes[0], picture.sound)
        for axis, column in zip(axes[1:], features, strict=False):
            _draw_feature(axis, picture.features, column)
        for axis, target in zip(axes[1 + len(features) :], picture.targets, strict=True):
            _draw_emotion(axis, picture, target)
        axes[0].set_xlim(0, picture.sound.edges[-1])
        each = 1 if picture.features is None else times_at_once(len(picture.features))
        _draw_time(axes[-1], float(picture.sound.edges[-1]), each)
        figure.align_ylabels()
    return figure


def _draw_time(axis: Any, seconds: float, each: int) -> None:
    """Label the axis of time: seconds in an excerpt, minutes in what is longer."""
    note = "" if each == 1 else f"\nlines: medians of {each} windows each; light: all values of them"
    unit = "time in s" if seconds <= _SHORT else "time"
    axis.set_xlabel(f"{unit} (a feature or prediction stands where its window of 1 s begins){note}")
    if seconds <= _SHORT:
        axis.xaxis.set_major_locator(MaxNLocator(12, steps=[1, 1.5, 2, 3, 5, 6, 10]))
    else:
        axis.xaxis.set_major_locator(locator(seconds))
        axis.xaxis.set_major_formatter(formatter())


def _draw_sound(axis: Any, sound: Waveform | Spectrogram) -> None:
    if isinstance(sound, Waveform):
        axis.set_title("waveform", loc="left", fontsize=10)
        axis.stairs(sound.high, sound.edges, baseline=sound.low, fill=True, color=_LIGHT, linewidth=0.6)
        shape = {"baseline": -sound.effective, "fill": True, "color": _SLATE, "linewidth": 0.6}
        axis.stairs(sound.effective, sound.edges, **shape, label="effective value")
        _put_legend(axis)
        most = max(float(np.abs([sound.low, sound.high]).max()), 1e-3)
        axis.set_ylim(-1.05 * most, 1.05 * most)
        axis.set_ylabel("full scale = 1")
        return
    axis.set_title("spectrogram", loc="left", fontsize=10, y=1)  # as low as those of the other panels
    mesh = axis.pcolormesh(
        sound.edges, sound.frequencies, sound.decibels, cmap="magma", rasterized=True, shading="flat"
    )
    axis.set_yscale("log")
    axis.set_ylabel("Hz")
    shown = [f for f in _HERTZ if sound.frequencies[0] <= f <= sound.frequencies[-1]]
    axis.set_yticks(shown, [f"{f // 1000}k" if f >= 1000 else str(f) for f in shown])
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.grid(visible=False)
    bar = axis.figure.colorbar(mesh, cax=axis.inset_axes((0.78, 1.06, 0.22, 0.06)), orientation="horizontal")
    bar.ax.xaxis.set_ticks_position("top")
    bar.ax.tick_params(labelsize=7, length=2, pad=1)
    bar.set_ticks([-80, -60, -40, -20, 0])
    bar.ax.set_ylabel("dB below the loudest", rotation=0, ha="right", va="center", fontsize=8)
    bar.outline.set_visible(False)


def times_at_once(points: int) -> int:
    """Return how many points of a long song are drawn as one."""
    return -(-points // _MANY)


def _grouped(values: NDArray[Any], each: int) -> list[NDArray[Any]]:
    return np.split(values, range(each, len(values), each))


def medians(values: NDArray[Any], each: int) -> NDArray[np.float64]:
    """Return the median of each group of so many values."""
    return np.array([np.median(group) for group in _grouped(values, each)])


def _draw_feature(axis: Any, features: pd.DataFrame | None, column: str) -> None:
    assert features is not None
    title, unit = FEATURES[column]
    times, values = features[TIME_COLUMN].to_numpy(), features[column].to_numpy()
    each = times_at_once(len(values))
    if each > 1:
        groups = _grouped(values, each)
        low, high = [group.min() for group in groups], [group.max() for group in groups]
        axis.fill_between(medians(times, each), low, high, color=_LIGHT, alpha=0.5, linewidth=0)
        times, values = medians(times, each), medians(values, each)
    marker = "." if len(values) <= FEW else None
    style = {"color": _SLATE, "linewidth": 1.2, "marker": marker}
    axis.plot(times, values, clip_on=False, **style)  # seen at 0, too
    axis.set_title(title, loc="left", fontsize=10)
    axis.set_ylabel(unit)
    axis.set_ylim(0, 1.1 * float(features[column].max()) or 1)
    axis.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))


def _draw_emotion(axis: Any, picture: SongPicture, target: str) -> None:
    annotation, prediction = picture.annotations.get(target), picture.predictions.get(target)
    colour = colours(picture.targets)[target]
    if annotation is not None:
        _draw_curve(axis, annotation, _GREY, "annotation", "raters")
    if prediction is not None:
        _draw_curve(axis, prediction, colour, picture.system, "networks")
    curves = [curve for curve in (annotation, prediction) if curve is not None]
    shown = [part for one in curves for part in (one.values, one.edge(-1), one.edge(1))]
    low, high = limits(picture.scale, *shown)
    axis.set_ylim(low, high)
    if picture.scale is not None:
        axis.axhline(sum(picture.scale) / 2, color=_GREY, linewidth=0.6)
    axis.set_title(target, loc="left", fontsize=10)
    axis.set_ylabel("no unit" if picture.scale is None else f"{picture.scale[0]:g} to {picture.scale[1]:g}")
    _put_legend(axis)


def _put_legend(axis: Any) -> None:
    place = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0.2}
    axis.legend(frameon=False, ncols=4, fontsize=8, **place)


def _draw_curve(axis: Any, curve: Curve, colour: str, label: str, voters: str) -> None:
    each = times_at_once(len(curve.times))
    times, values, low, high = (
        part if each == 1 else medians(part, each)
        for part in (curve.times, curve.values, curve.edge(-1), curve.edge(1))
    )
    marker = "." if len(times) <= FEW else None
    axis.plot(times, values, color=colour, linewidth=1.6, label=label, marker=marker)
    if curve.spread is not None:
        spread = f"± standard deviation of {voters}"
        axis.fill_between(times, low, high, color=colour, alpha=0.2, linewidth=0, label=spread)
