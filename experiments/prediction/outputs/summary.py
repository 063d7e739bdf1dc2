"""One row per song: mean, slope and peaks of each target."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lstmcore.experiments.prediction.outputs.facts import FILE, TIME, Facts, value_columns

OF_A_TARGET = {
    "mean": "mean over the song",
    "deviation": "standard deviation over the song",
    "slope_per_minute": "slope of the straight line nearest to the curve, per minute",
    "highest": "highest value",
    "highest_time": "time stamp of the highest value in seconds",
    "lowest": "lowest value",
    "lowest_time": "time stamp of the lowest value in seconds",
    "spread": "standard deviation over the networks, mean over the song",
}


def summary_row(table: pd.DataFrame, facts: Facts) -> pd.DataFrame:
    """Sum a song up.

    Parameters
    ----------
    table
        Predictions of one song: file, time, and a column for each target and its spread; of any other
        column the mean is taken.
    facts
        Of the table.

    Returns
    -------
    pandas.DataFrame
        One row: file, seconds (from the beginning to the end of the last window), and for each
        target the columns of `OF_A_TARGET`, with its name before them.
    """
    times = table[TIME].to_numpy(np.float64)
    row: dict[str, Any] = {FILE: table[FILE].iloc[0], "seconds": times[-1] + facts.window_seconds}
    spreads = [f"{target}_spread" for target in facts.targets]
    for target, spread in zip(facts.targets, spreads, strict=True):
        values = table[target].to_numpy(np.float64)
        high, low = int(values.argmax()), int(values.argmin())
        row |= {
            f"{target}_mean": values.mean(),
            f"{target}_deviation": values.std(),
            f"{target}_slope_per_minute": 60 * _slope(times, values),
            f"{target}_highest": values[high],
            f"{target}_highest_time": times[high],
            f"{target}_lowest": values[low],
            f"{target}_lowest_time": times[low],
        }
        if spread in table:
            row[spread] = table[spread].mean()
    for name in value_columns(table):
        if name not in (*facts.targets, *spreads):
            row[name] = table[name].mean()
    return pd.DataFrame([row])


def _slope(times: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> float:
    """Least squares; none of a single value."""
    centred = times - times.mean()
    squares = float(centred @ centred)
    return float(centred @ values) / squares if squares else float("nan")
