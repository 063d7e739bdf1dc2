"""Whether networks tell two targets apart, or say the same of both.

Two curves that are nearly one fit both targets where these go together.  What a network knows of one target
alone shows in the difference of its two curves: Pearson's r of that with the annotated difference is 0, but
for chance, where it knows nothing that isn't common to both.  Before they are subtracted all curves are
brought to mean 0 and standard deviation 1 over the set, for a copy of a curve on another scale tells nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lstmcore import Standardiser
from lstmcore.experiments.scoring.carried_correlation import Frames, Pair
from lstmcore.experiments.scoring.metrics import pearson
from lstmcore.experiments.scoring.statistics import (
    FEWEST_SONGS,
    LEVEL,
    bootstrap_correlations,
    percentile_interval,
)
from lstmcore.experiments.scoring.systems import Predictions

NEARLY_ONE = 0.9
"""r of two curves that say much the same."""


@dataclass(frozen=True)
class ApartRow:
    """How much one system tells two targets apart in a set of songs, over all frames.

    ``annotated`` and ``predicted`` are r of the first target with the second; ``difference`` is r of the
    predicted difference of the two, standardised, with the annotated one, and ``low`` and ``high`` bound its
    95 % bootstrap interval over songs.  ``apart`` says whether that lies above 0 and the curves aren't nearly
    one where the annotations are not.  None: not defined.
    """

    system: str
    set: str
    songs: int
    first: str
    second: str
    annotated: float | None
    predicted: float | None
    difference: float | None
    low: float | None
    high: float | None
    apart: bool | None
    sentence: str


def told_apart(predictions: Predictions, pair: Pair, title: str, generator: np.random.Generator) -> ApartRow:
    """Measure one system's predictions of a set.

    Parameters
    ----------
    predictions
        What it says of the songs.
    pair
        The two targets.
    title
        Name of the set for people.
    generator
        Draws the songs of the bootstrap.

    Returns
    -------
    ApartRow
        The figures and their sentence.
    """
    songs, system = predictions.songs, predictions.system
    annotated = [song.annotation[:, pair.columns] for song in songs]
    predicted = [values[:, pair.columns] for values in predictions.values]
    differences = [
        np.column_stack(both) for both in zip(_difference(predicted), _difference(annotated), strict=True)
    ]
    low, high = percentile_interval(bootstrap_correlations(differences, generator), LEVEL) or (None, None)
    r_annotated, r_predicted, r = (
        pearson(*np.concatenate(parts).T) for parts in (annotated, predicted, differences)
    )
    one = r_predicted is not None and r_predicted >= NEARLY_ONE > (r_annotated or 0)
    shown = None if low is None else low > 0
    if r is None and one and len(songs) >= FEWEST_SONGS:  # nothing is left of the difference
        shown = False
    first, second = pair.names
    found = (
        f"{title}: the curves of {first} and {second} by {system} correlate with r = {_number(r_predicted)}, "
        f"the annotations with {_number(r_annotated)}; the difference of the two curves goes with that of the"
        f" annotations with r = {_number(r)}"
    )
    if shown is None:
        said = f"{found}; whether it tells the two apart can't be told."
    else:
        verdict = "it tells the two apart" if shown else "that it tells the two apart isn't shown"
        if one and shown:
            verdict = "its curves are nearly one, though the little by which they differ is more than chance"
        bounds = "" if low is None else f" ({_number(low)} to {_number(high)})"
        said = f"{found}{bounds}: {verdict}."
    return ApartRow(
        system,
        predictions.group,
        len(songs),
        first,
        second,
        r_annotated,
        r_predicted,
        r,
        low,
        high,
        None if shown is None else shown and not one,
        said,
    )


def _difference(curves: list[Frames]) -> list[Frames]:
    """Difference of a set's two standardised curves, song by song."""
    units = Standardiser.fit(np.concatenate(curves))
    return [np.subtract(*units.apply(curve).T) for curve in curves]


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{round(value, 2) + 0.0:.2f}"
