"""A picture of what happens within LSTM layers: gates, cell states and outputs over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from lstmcore import GateActivations
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.report.plots import STYLE

TITLES = {
    "z": "cell input z",
    "i": "input gate i",
    "f": "forget gate f",
    "o": "output gate o",
    "c": "cell state c",
    "h": "output h",
}
_GATES = ("i", "f", "o")  # from 0 to 1; the others lie about 0


def plot_gates(
    found: Sequence[GateActivations],
    times: ArrayLike | None = None,
    *,
    arrays: Sequence[str] = ("i", "f", "o", "c"),
    sort: bool = True,
) -> Figure:
    """Draw the activations of all units over time, a row of pictures for each layer and direction.

    Parameters
    ----------
    found
        What `lstmcore.gates` returned.
    times
        Time of each frame in seconds, in even steps, shape (frames,); None: frames are counted.
    arrays
        Which of z, i, f, o, c and h.
    sort
        Whether units are sorted by how long they remember, the mean of their forget gates, the longest on
        top; else they are in the network's order, from the top.

    Returns
    -------
    Figure
        Of matplotlib's: ``figure.savefig("gates.png")``; a notebook shows it.

    Raises
    ------
    InputError
        If there is nothing to draw, or a name or the times don't fit.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import LSTM, Linear, gates, initial_network
    >>> from lstmcore.experiments.report.gate_plot import plot_gates
    >>> network = initial_network(3, [LSTM(4), Linear(1)], 1)
    >>> figure = plot_gates(gates(network, np.zeros((10, 3))), np.arange(10) / 2)
    >>> figure.savefig("gates.png")  # doctest: +SKIP
    """
    if not found or not all(isinstance(one, GateActivations) for one in found):
        raise InputError("found has no activations; expected what lstmcore.gates returns")
    unknown = [name for name in arrays if name not in TITLES]
    if unknown or not arrays:
        raise InputError(f"arrays is {list(arrays)!r}; expected some of {', '.join(TITLES)}")
    frames = len(found[0].c)
    at = np.arange(frames, dtype=float) if times is None else np.asarray(times, float)
    if at.shape != (frames,):
        raise InputError(f"times has shape {at.shape}; expected ({frames},), one for each frame")
    step = (at[-1] - at[0]) / (frames - 1) if frames > 1 else 1.0
    sides = (at[0] - step / 2, at[-1] + step / 2)
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        figure = Figure(figsize=(3.2 * len(arrays) + 0.6, 2.1 * len(found) + 0.7), layout="constrained")
        panels: Any = figure.subplots(len(found), len(arrays), squeeze=False, sharex=True)
        for row, one in zip(panels, found, strict=True):
            order = np.argsort(-one.f.mean(0), kind="stable") if sort else np.arange(one.f.shape[1])
            for axes, name in zip(row, arrays, strict=True):
                values = one.arrays[name][:, order].T
                most = 1.0 if name != "c" else float(np.abs(values).max()) or 1.0
                colours: dict[str, Any] = {"cmap": "cividis", "vmin": 0, "vmax": 1}
                if name not in _GATES:
                    colours = {"cmap": "RdBu_r", "vmin": -most, "vmax": most}
                extent = (*sides, values.shape[0] + 0.5, 0.5)
                image = axes.imshow(values, aspect="auto", interpolation="nearest", extent=extent, **colours)
                figure.colorbar(image, ax=axes, pad=0.02)
                axes.set_title(TITLES[name], loc="left", fontsize=10)
                axes.yaxis.get_major_locator().set_params(integer=True)
            which = f"layer {one.layer + 1}" + (", backwards" if one.direction == "backwards" else "")
            row[0].set_ylabel(f"{which}\nunit" + (", longest memory first" if sort else ""))
        for axes in panels[-1]:
            axes.set_xlabel("frame" if times is None else "time in s")
    return figure
