"""The baseline ``ridge`` on the songs' means, trained on all other folds or on those of a network.

    python -m benchmarks.ridge EXPERIMENT.toml [--set KEY=VALUE …]

Each song is one row, its mean features, and gets a flat line: what networks must beat that are given one row
of features a song.  Each fold is predicted by a regression on all the other folds, as a run's baselines are,
and by one on the folds that a network is trained on: one less where another fold stops the training.
Official test songs are predicted by one that is trained on all folds but the team's.
"""

from __future__ import annotations

import argparse
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.config import load_experiment
from lstmcore.experiments.datasets import Song, load_dataset
from lstmcore.experiments.scoring.metrics import Score, score
from lstmcore.experiments.scoring.regression import Frames
from lstmcore.experiments.terminal.progress import Quiet
from lstmcore.experiments.training.folds import Split, split

Array = NDArray[np.float64]


def mean_of(song: Song) -> Song:
    """Make one frame of a song."""
    features, targets = song.features.mean(0)[None], song.annotation.mean(0)[None]
    return replace(song, times=song.times[:1], features=features, targets=targets, lead_in=None)


def predicted(training: list[Song], songs: list[Song]) -> list[Array]:
    """Predict songs by a regression on the means of others."""
    fitted = Frames([mean_of(song) for song in training]).ridge()
    return [np.tile(fitted.predict(mean_of(song)), (song.frames, 1)) for song in songs]


def cross_validated(cut: Split, as_networks: bool) -> tuple[list[Song], list[Array]]:
    """Predict each song by a regression that wasn't trained on its fold."""
    songs: list[Song] = []
    values: list[Array] = []
    for fold in cut.cross_validation:
        training = cut.training(fold) if as_networks else cut.others(fold)
        songs += cut.validation(fold)
        values += predicted(training, cut.validation(fold))
    return songs, values


def report(what: str, rows: list[Score]) -> None:
    """Print scores, one line per target."""
    for target in dict.fromkeys(row.target for row in rows):
        found = {(r.metric, r.scope): r for r in rows if r.target == target}
        pooled = " / ".join(f"{found[m, 'pooled'].mean:.3f}" for m in ("r", "rmse", "ccc"))
        by_song = found["rmse", "per_song"]
        print(f"{what}, {target}: pooled r / RMSE / CCC {pooled}, ", end="")
        print(f"RMSE by song {by_song.mean:.3f} ± {by_song.std:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Ridge regression in the folds of an experiment.")
    parser.add_argument("experiment", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    experiment = load_experiment(arguments.experiment, arguments.set)
    data = load_dataset(experiment.data, workers=1, progress=Quiet(), stop=threading.Event())
    cut = split(data.development, experiment.folds)
    for trained_on, as_networks in (("all other folds", False), ("the networks' folds", True)):
        rows = score("ridge", "cross_validation", data.targets, *cross_validated(cut, as_networks))
        report(f"trained on {trained_on}", rows)
    if songs := data.official_test:
        rows = score("ridge", "official_test", data.targets, songs, predicted(cut.others(None), songs))
        report(f"official test set, {len(songs)} songs", rows)
