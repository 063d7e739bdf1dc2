"""A ridge regression in the folds of an experiment: the baseline that networks on song means must beat.

    python -m benchmarks.ridge EXPERIMENT.toml [--set KEY=VALUE …]

Each song is one row, its mean features, and gets a flat line.  The penalty is chosen for each fold among
the songs that are trained on, by a cross-validation over their folds.  It is trained on all the other folds,
or on those that a network is trained on, which are one less where another fold stops the training.
Official test songs are predicted by one that is trained on all folds but the team's.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.config import load_experiment
from experiments.datasets import TARGETS, Song, load_dataset
from experiments.folds import Split, split
from experiments.progress import Quiet
from experiments.score import Score, score

Array = NDArray[np.float64]
PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


def ridge(songs: list[Song], penalty: float) -> Callable[[Song], Array]:
    """Fit to the means of songs; returns what predicts a song."""
    x = np.array([song.features.mean(0) for song in songs])
    y = np.array([song.annotation.mean(0) for song in songs])
    mean, scale, level = x.mean(0), np.maximum(x.std(0), 1e-12), y.mean(0)
    z = (x - mean) / scale
    weights = np.linalg.solve(z.T @ z + penalty * np.eye(z.shape[1]), z.T @ (y - level))
    return lambda song: np.tile((song.features.mean(0) - mean) / scale @ weights + level, (song.frames, 1))


def best_penalty(folds: list[list[Song]]) -> float:
    """Choose by the squared error of songs left out, fold by fold."""

    def error(penalty: float) -> float:
        total = 0.0
        for k, left_out in enumerate(folds):
            predict = ridge([s for n, fold in enumerate(folds) if n != k for s in fold], penalty)
            total += sum(float(((predict(s) - s.annotation) ** 2).mean()) for s in left_out)
        return total

    return min(PENALTIES, key=error)


def cross_validated(cut: Split, as_networks: bool) -> tuple[list[Song], list[Array]]:
    """Predict each song by a regression that wasn't trained on its fold."""
    songs: list[Song] = []
    values: list[Array] = []
    for fold in cut.cross_validation:
        training = cut.training(fold) if as_networks else cut.others(fold)
        chosen = {song.song_id for song in training}
        inner = [[s for s in cut.folds[k] if s.song_id in chosen] for k in cut.cross_validation]
        predict = ridge(training, best_penalty([part for part in inner if part]))
        songs += cut.validation(fold)
        values += [predict(song) for song in cut.validation(fold)]
    return songs, values


def official(cut: Split, songs: list[Song]) -> list[Array]:
    """Predict the official test songs by a regression on the songs of cross-validation."""
    penalty = best_penalty([list(cut.folds[k]) for k in cut.cross_validation])
    predict = ridge(cut.others(None), penalty)
    return [predict(song) for song in songs]


def report(what: str, rows: list[Score]) -> None:
    """Print scores, a line a target."""
    for target in TARGETS:
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
        rows = score("ridge", "cross_validation", *cross_validated(cut, as_networks))
        report(f"trained on {trained_on}", rows)
    if songs := data.official_test:
        rows = score("ridge", "official_test", songs, official(cut, songs))
        report(f"official test set, {len(songs)} songs", rows)
