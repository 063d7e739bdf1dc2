"""Several models on the songs of another experiment: what each is worth, and the difference to the first.

    python -m benchmarks.borrowing EXPERIMENT MODEL MODEL … [--set KEY=VALUE …] [--out FILE.csv]

For each model and target pooled r and RMSE by song, and the difference of both to the first model's with a
95 % percentile interval over songs, which are drawn alike for all.  For each two targets r of the two curves,
r of the second's error with the first's prediction, and r of the predicted difference with the rated one,
with their intervals.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.run.session import Session
from lstmcore.experiments.run.transfer import Applied, apply_model
from lstmcore.experiments.scoring.carried_correlation import carried, pairs_of
from lstmcore.experiments.scoring.metrics import rmse
from lstmcore.experiments.scoring.statistics import (
    LEVEL,
    RESAMPLES,
    Array,
    correlation,
    percentile_interval,
    pooled_sums,
    resamples,
)
from lstmcore.experiments.scoring.told_apart import told_apart


def drawn_scores(applied: Applied, weights: Array) -> dict[tuple[str, str], Array]:
    """Score samples of songs.

    Parameters
    ----------
    applied
        The model's predictions.
    weights
        How often each sample has each song, shape (samples, songs).

    Returns
    -------
    dict
        By target and metric, shape (samples,).
    """
    songs, curves = applied.predictions.songs, applied.predictions.values
    found = {}
    for k, target in enumerate(applied.targets):
        pairs = [(c[:, k], song.annotation[:, k]) for c, song in zip(curves, songs, strict=True)]
        sums = np.array([pooled_sums(*pair) for pair in pairs])
        found[target, "r pooled"] = correlation(weights @ sums)
        found[target, "RMSE by song"] = weights @ np.array([rmse(*pair) for pair in pairs]) / weights.sum(1)
    return found


def table(models: list[Applied], seed: int) -> pd.DataFrame:
    """Put all figures into rows: which model, what it is, its value, the difference to the first model."""
    count = len(models[0].predictions.songs)
    whole = np.ones((1, count))
    drawn = resamples(count, RESAMPLES, np.random.default_rng(seed))
    first = drawn_scores(models[0], drawn)
    at_first = drawn_scores(models[0], whole)
    rows: list[dict[str, Any]] = []
    for n, applied in enumerate(models):
        values, samples = drawn_scores(applied, whole), drawn_scores(applied, drawn)
        for key, value in values.items():
            row = {"model": applied.name, "what": ": ".join(key), "value": value[0]}
            if n:
                row["difference"] = value[0] - at_first[key][0]
                interval = percentile_interval(samples[key] - first[key], LEVEL)
                row["difference_low"], row["difference_high"] = interval or (np.nan, np.nan)
            rows.append(row)
        for pair in pairs_of(applied.targets):
            rows += _of_pair(applied, pair, seed)
    return pd.DataFrame(rows)


def _of_pair(applied: Applied, pair: Any, seed: int) -> list[dict[str, Any]]:
    generator = np.random.default_rng(seed)
    row = carried(applied.predictions, pair, generator).row
    apart = told_apart(applied.predictions, pair, "these songs", generator)
    first, second = pair.names
    return [
        {"model": applied.name, "what": f"curves of {first} and {second}", "value": row.predicted},
        {
            "model": applied.name,
            "what": f"error of {second} with predicted {first}",
            "value": row.error,
            "low": row.low,
            "high": row.high,
        },
        {
            "model": applied.name,
            "what": f"{first} less {second}, told apart",
            "value": apart.difference,
            "low": apart.low,
            "high": apart.high,
        },
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Compare models on the songs of another experiment.")
    parser.add_argument("experiment", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    experiment = load_experiment(arguments.experiment, arguments.set)
    models = [apply_model(model, experiment, session=Session(workers=1)) for model in arguments.models]
    found = table(models, experiment.seed)
    print(found.round(4).to_string(index=False, na_rep=""))
    if arguments.out is not None:
        found.to_csv(arguments.out, index=False, float_format="%.6g", lineterminator="\n")
