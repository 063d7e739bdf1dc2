"""A song's emotion as one shows it to others: curves over the waveform, and a path through the plane."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from lstmcore.experiments.report.plots import FEW, STYLE, colours, limits
from lstmcore.experiments.report.song.clock import formatter, locator
from lstmcore.experiments.report.song.curves import Curve, Curves
from lstmcore.experiments.report.song.figure import SongPicture, medians, times_at_once
from lstmcore.experiments.report.song.sound import Waveform

_GREY, _WAVE = "#6b7280", "#cbd5e1"
_DPI = 150
_HEIGHT, _CURVES, _PLANE = 4.4, 8.0, 5.0  # inches


def draw_emotion(picture: SongPicture) -> Figure:
    """Draw the curves of a song over its waveform and, of two targets, its path through their plane.

    Parameters
    ----------
    picture
        What is known of the song; its sound is a waveform.

    Returns
    -------
    Figure
        Axes: the waveform (its own axis, without numbers), the curves with their spread and, with two
        targets, the plane, whose path is coloured by time, with its bar of colours.  It shows
        predictions, or annotations where there are none.
    """
    pair = plane_of(picture.predictions) or plane_of(picture.annotations)
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        width = _CURVES + (_PLANE if pair else 0)
        figure = Figure(figsize=(width, _HEIGHT), dpi=_DPI, layout="constrained")
        ratios = [_CURVES, _PLANE] if pair else [1]
        axes: Any = figure.subplots(1, len(ratios), width_ratios=ratios, squeeze=False)[0]
        figure.suptitle(picture.title, x=0.01, ha="left", fontsize=12, fontweight="bold")
        _draw_curves(axes[0], picture)
        if pair:
            _draw_plane(figure, axes[1], picture, pair)
    return figure


def plane_of(curves: Curves) -> tuple[str, str] | None:
    """Return the targets across and up where there are two; valence is across, as in the circumplex."""
    if len(curves) != 2:
        return None
    first, second = curves
    return (second, first) if first == "arousal" or second == "valence" else (first, second)


def _draw_curves(axis: Any, picture: SongPicture) -> None:
    assert isinstance(picture.sound, Waveform)
    sound, seconds = picture.sound, float(picture.sound.edges[-1])
    shape = {"fill": True, "color": _WAVE, "linewidth": 0.4}
    behind = axis.twinx()
    behind.stairs(sound.high, sound.edges, baseline=sound.low, **shape)
    loudest = max(float(np.abs(sound.high).max()), float(np.abs(sound.low).max())) or 1.0
    behind.set_ylim(-1.1 * loudest, 1.1 * loudest)
    behind.set_axis_off()
    axis.set_zorder(behind.get_zorder() + 1)
    axis.patch.set_visible(False)
    shown = []
    for target, colour in colours(picture.targets).items():
        annotation, prediction = picture.annotations.get(target), picture.predictions.get(target)
        if annotation is not None:
            label = f"{target}, annotation" if prediction is not None else target
            dashed = {"linestyle": (0, (3, 1.5)), "linewidth": 1.2} if prediction is not None else {}
            _draw_curve(axis, annotation, colour, label, **dashed)
        if prediction is not None:
            _draw_curve(axis, prediction, colour, target)
        for curve in (annotation, prediction):
            shown += [] if curve is None else [curve.values, curve.edge(-1), curve.edge(1)]
    if shown:
        axis.set_ylim(limits(picture.scale, *shown))
    if picture.scale is not None:
        axis.axhline(sum(picture.scale) / 2, color=_GREY, linewidth=0.6)
    axis.set_xlim(0, seconds)
    axis.xaxis.set_major_locator(locator(seconds))
    axis.xaxis.set_major_formatter(formatter())
    axis.set_xlabel("time")
    bands = {False: "", True: "; bands: ± standard deviation"}[any(_has_spread(c) for c in _all(picture))]
    axis.set_title(f"{_scale_text(picture)}{bands}", loc="right", fontsize=8, color=_GREY)
    if shown:
        axis.legend(frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)


def _draw_curve(axis: Any, curve: Curve, colour: str, label: str, **style: Any) -> None:
    each = times_at_once(len(curve.times))
    times, values, low, high = (
        part if each == 1 else medians(part, each)
        for part in (curve.times, curve.values, curve.edge(-1), curve.edge(1))
    )
    marker = "." if len(times) <= FEW else None
    axis.plot(times, values, color=colour, label=label, marker=marker, **({"linewidth": 2.0} | style))
    if _has_spread(curve):
        axis.fill_between(times, low, high, color=colour, alpha=0.25, linewidth=0)


def _draw_plane(figure: Figure, axis: Any, picture: SongPicture, pair: tuple[str, str]) -> None:
    curves = picture.predictions if plane_of(picture.predictions) else picture.annotations
    across, up = (curves[target] for target in pair)
    times, first, second = _together(across, up)
    points = np.stack([first, second], 1)
    seconds = float(picture.sound.edges[-1])
    path = LineCollection(
        list(np.stack([points[:-1], points[1:]], 1)), cmap="plasma", linewidths=2.2, capstyle="round"
    )
    path.set_array((times[:-1] + times[1:]) / 2)
    path.set_clim(0, seconds)
    axis.add_collection(path)
    ends: Any = {"zorder": 3, "edgecolors": "white", "s": 46, "cmap": "plasma", "vmin": 0, "vmax": seconds}
    axis.scatter(*points[:1].T, c=times[:1], marker="o", label="beginning", **ends)
    if len(points) > 1:
        axis.scatter(*points[-1:].T, c=times[-1:], marker="s", label="end", **ends)
    low, high = limits(picture.scale, first, second)
    axis.set_xlim(low, high)
    axis.set_ylim(low, high)
    axis.set_aspect("equal")
    if picture.scale is not None:
        middle = sum(picture.scale) / 2
        axis.axhline(middle, color=_GREY, linewidth=0.6)
        axis.axvline(middle, color=_GREY, linewidth=0.6)
    axis.set_xlabel(pair[0])
    axis.set_ylabel(pair[1])
    axis.legend(frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    bar = figure.colorbar(path, ax=axis, shrink=0.85, aspect=30, pad=0.02)
    bar.locator = locator(seconds)
    bar.formatter = formatter()
    bar.update_ticks()
    bar.outline.set_visible(False)
    bar.set_label("time")


def _together(one: Curve, other: Curve) -> tuple[Any, Any, Any]:
    """Return the times that both curves have, and their values: as few points as a line can show."""
    times, first, second = np.intersect1d(one.times, other.times, return_indices=True)
    parts = times, one.values[first], other.values[second]
    each = times_at_once(len(times))
    return parts if each == 1 else tuple(medians(part, each) for part in parts)  # type: ignore[return-value]


def _has_spread(curve: Curve) -> bool:
    return curve.spread is not None and bool(np.isfinite(curve.spread).any())


def _all(picture: SongPicture) -> list[Curve]:
    return [*picture.predictions.values(), *picture.annotations.values()]


def _scale_text(picture: SongPicture) -> str:
    return "scale unknown" if picture.scale is None else f"{picture.scale[0]:g} to {picture.scale[1]:g}"
