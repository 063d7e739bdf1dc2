"""A model of a run made small enough to come with a package: one system, some networks, fewer digits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.jobs.job import Tensors
from lstmcore.experiments.prediction.description import QUANTILES, STACKED, Description
from lstmcore.experiments.prediction.model import Model, in_single

Array = NDArray[np.float64]

MOST_CHANGE = 1e-3
"""Of a prediction, in a scale that is two units wide, by what is left out of the digits."""

_POINTS = (101, 251, 501)  # of the quantiles that values are ranked by, where all aren't needed


@dataclass(frozen=True)
class Small:
    """A model that was made small.

    Parameters
    ----------
    model
        What it predicts with, as it will be read again.
    stored
        Its arrays as they are to be written: weights perhaps in half precision.
    change
        The largest change of a prediction by that, for songs that it was tried on.
    """

    model: Model
    stored: Tensors
    change: float


def chosen(model: Model, system: str | None = None, networks: int | None = None) -> Model:
    """Keep one system of a model, or some of its networks, evenly from the first to the last.

    Parameters
    ----------
    model
        The model.
    system
        Which system; the first if None.
    networks
        How many of its networks (with single targets, of each target); None: all.

    Raises
    ------
    InputError
        If there is no such system, or it hasn't as many networks.
    """
    name = system or next(iter(model.about.systems))
    share = model.about.networks_a_member
    of_each = np.array(model.members(name)).reshape(share, -1)
    count = of_each.shape[1] if networks is None else networks
    if not 1 <= count <= of_each.shape[1]:
        raise InputError(f"{count} networks of {name}; expected 1 to {of_each.shape[1]}, as many as it has")
    kept = of_each[:, np.arange(count) * of_each.shape[1] // count].ravel()
    used = sorted({*kept.tolist()})
    values = model.description
    values["networks"] = [values["networks"][k] for k in used]
    values["systems"] = {name: [used.index(k) for k in kept.tolist()]}
    tensors = {key: array[used] if key in STACKED else array for key, array in model.tensors.items()}
    return Model(Description.model_validate(values), tensors)


def made_small(model: Model, songs: Sequence[Array]) -> Small:
    """Store a model in as few bytes as change no prediction of some songs by `MOST_CHANGE` or more.

    Weights in half precision if that will do; all else in single; as few quantiles as will do.

    Parameters
    ----------
    model
        The model, of which the first system is looked at.
    songs
        Features as they are computed, shape (frames, features) each.

    Raises
    ------
    InputError
        If single precision is not enough.
    """
    low, high = model.about.target_range or (-1.0, 1.0)
    most = MOST_CHANGE * (high - low) / 2
    before = [model.predict(song)[0] for song in songs]
    found = []
    for stored in _candidates(model.tensors):
        small = Model(model.about, in_single(stored))
        change = max(
            float(np.abs(small.predict(song)[0] - was).max()) for song, was in zip(songs, before, strict=True)
        )
        found.append(Small(small, stored, change))
        if change < most:
            return found[-1]
    raise InputError(f"single precision changes a prediction by {found[-1].change:.2g}; expected {most:g}")


def _candidates(tensors: Tensors) -> Iterator[Tensors]:
    """Yield ways to store a model, the smallest first."""
    kinds: tuple[Any, ...] = (np.float16, np.float32)
    ways = [_stored(tensors, kind, points) for kind in kinds for points in _points(tensors)]
    possible = [way for way in ways if np.isfinite(way["weights"]).all()]
    yield from sorted(possible, key=lambda way: sum(array.nbytes for array in way.values()))


def _points(tensors: Tensors) -> list[int]:
    known = len(tensors.get(QUANTILES, ()))
    return [*(points for points in _POINTS if points < known), known]


def _stored(tensors: Tensors, weights: Any, points: int) -> Tensors:
    stored = {name: array.astype(np.float32) for name, array in tensors.items()}
    with np.errstate(over="ignore"):  # such a way is left out
        stored["weights"] = tensors["weights"].astype(weights)
    if QUANTILES in tensors and points < len(tensors[QUANTILES]):
        shares = np.linspace(0, len(tensors[QUANTILES]) - 1, points)
        known = np.arange(len(tensors[QUANTILES]))
        thinned = [np.interp(shares, known, column) for column in tensors[QUANTILES].T]
        stored[QUANTILES] = np.stack(thinned, axis=1).astype(np.float32)
    return stored
