"""Songs longer than those that networks learnt from: what predictions are worth by the time into a song.

    python -m benchmarks.long_songs EXPERIMENT [--set KEY=VALUE …] --out FOLDER
        [--excerpt 30] [--together 240] [--hold SECONDS]

Networks learn from an excerpt in the middle of each song, and songs are scored whole in cross-validation: at
once; in windows as long as the excerpts; the first window's mean held; by networks that learnt from excerpts
put one after the other; and by networks that learnt from all of each song.  The table has RMSE by song over
whole songs and over their first and last thirds; differences have interval and test of `lstmcore ablate`.
With ``--hold``, of features that are constant along a song, a song goes on at its level before and after what
is rated of it, so long in all: a right prediction doesn't move.  What is done is found again in FOLDER.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lstmcore.experiments.config import Experiment, load_experiment, with_values
from lstmcore.experiments.datasets import Dataset, Song
from lstmcore.experiments.jobs.runner import JobRunner
from lstmcore.experiments.run.folder import reusable
from lstmcore.experiments.run.session import Session
from lstmcore.experiments.scoring.metrics import score
from lstmcore.experiments.scoring.systems import Predictions, cross_validated_networks
from lstmcore.experiments.studies.ablation.compare import compare, corrected, scores_of
from lstmcore.experiments.terminal.progress import PlainLines
from lstmcore.experiments.training.folds import Split, groups_of, split
from lstmcore.experiments.training.stages import train_stages

Array = NDArray[np.float64]

AT_ONCE = "at once"


@dataclass(frozen=True)
class Plan:
    """Lengths in seconds: of excerpts, of sequences that these are put together to, and of songs held."""

    excerpt: float
    together: float
    hold: float | None

    def variants(self, experiment: Experiment, mean: float) -> dict[str, dict[str, Any]]:
        """Return what is changed, by name, of songs of so many seconds; others are compared with the first.

        The learning rate is that for excerpts: the error is a sum over frames, and with all of a song it is
        less, so that steps are as large.
        """
        # As many frames an update as without: sequences are longer, and fewer stand side by side.
        fewer = max(1, round(experiment.training.parallel_sequences * self.excerpt / self.together))
        joined = {"training.sequence_seconds": self.together, "training.parallel_sequences": fewer}
        found: dict[str, dict[str, Any]] = {
            AT_ONCE: {},
            "in windows": {"predictions.window": "training"},
            "put together": joined,
            "put together, in windows": joined | {"predictions.window": self.excerpt},
        }
        if self.hold is None:
            rate = experiment.training.learning_rate * self.excerpt / mean
            all_learnt = {"training.excerpt_seconds": 0.0, "training.learning_rate": rate}
            found["all of each song learnt"] = all_learnt
            found["all learnt, in windows"] = all_learnt | {"predictions.window": self.excerpt}
        return found


def held(song: Song, seconds: float, hop: float) -> Song:
    """Let a song go on at its level before and after what is rated of it."""
    frames = round(seconds / hop)
    before = (frames - song.frames) // 2
    after = frames - song.frames - before
    level = np.tile(song.annotation.mean(0), (frames, 1))
    level[before : before + song.frames] = song.annotation
    times = song.times[0] + (np.arange(frames) - before) * hop
    rows = np.pad(song.features, ((before, after), (0, 0)), "edge")
    return replace(song, times=times, features=rows, targets=level)


def prepared(dataset: Dataset, plan: Plan) -> Dataset:
    """Return the songs that are scored; no test song is looked at."""
    songs, hop = dataset.development, dataset.hop_seconds
    if plan.hold is not None:
        assert hop is not None
        songs = [held(song, plan.hold, hop) for song in songs]
    return replace(dataset, development=songs, official_test=[])


def first_held(found: Predictions, frames: int) -> Predictions:
    """Hold the mean of the first frames of each prediction."""
    return replace(found, values=[np.tile(v[:frames].mean(0), (len(v), 1)) for v in found.values])


def moved(found: Predictions, frames: int) -> Array:
    """How far the last third lies from the second half of the first frames: root mean square over songs."""
    away = [v[2 * len(v) // 3 :].mean(0) - v[frames // 2 : frames].mean(0) for v in found.values]
    return np.sqrt(np.square(away).mean(0))


def third(found: Predictions, number: int) -> Predictions:
    """Return the first, second or last third of each song, from 0."""

    def part(length: int) -> slice:
        return slice(number * length // 3, (number + 1) * length // 3)

    songs = [
        replace(s, times=s.times[p], features=s.features[p], targets=s.annotation[p])
        for s in found.songs
        for p in [part(s.frames)]
    ]
    return replace(found, songs=songs, values=[v[part(len(v))] for v in found.values])


def rows_of(name: str, found: Predictions, targets: tuple[str, ...]) -> list[dict[str, Any]]:
    """Score one way of predicting: whole songs, then thirds."""
    places = {"whole": found, "first third": third(found, 0), "last third": third(found, 2)}
    rows = [
        (place, s)
        for place, part in places.items()
        for s in score(name, "", targets, part.songs, part.values)
    ]
    return [
        {"way": name, "part": place} | s.as_row()
        for place, s in rows
        if place == "whole" or s.metric == "rmse"
    ]


def measured(
    experiment: Experiment, dataset: Dataset, runner: JobRunner, plan: Plan
) -> dict[str, Predictions]:
    """Train what isn't trained yet, and predict in every way."""
    cut = split(dataset.development, experiment.folds, groups_of(dataset, experiment.folds))
    found: dict[str, Predictions] = {}
    mean = float(np.mean([song.frames for song in dataset.development])) * (dataset.hop_seconds or 1)
    for name, changes in plan.variants(experiment, mean).items():
        changed = with_values(experiment, {"training.excerpt_seconds": plan.excerpt} | changes)
        trained = train_stages(changed, dataset, cut, runner, which=name)
        found[name] = cross_validated_networks(trained.data, trained.networks)
    assert dataset.hop_seconds is not None
    return found | {
        "first window held": first_held(found[AT_ONCE], round(plan.excerpt / dataset.hop_seconds))
    }


def compared(found: dict[str, Predictions], cut: Split, targets: tuple[str, ...], seed: int) -> pd.DataFrame:
    """Compare every way with songs predicted at once, over songs."""
    share = float(np.mean([len(cut.validation(k)) / len(cut.training(k)) for k in cut.cross_validation]))
    scores = {name: scores_of(one, cut, targets) for name, one in found.items()}
    rows = [
        row
        for name, one in scores.items()
        if name != AT_ONCE
        for row in compare(name, scores[AT_ONCE], one, share, seed)
    ]
    return pd.DataFrame([asdict(row) for row in corrected(rows)])


def main(experiment: Experiment, out: Path, plan: Plan) -> None:
    """Measure, print, and write ``scores.csv`` and ``compared.csv``."""
    session = Session(out, workers=1, progress=PlainLines())
    config = experiment.to_toml() + f"# {plan}\n"
    with session.opened(experiment, out, config, reusable(experiment)) as place:
        dataset = prepared(place.load(experiment), plan)
        found = measured(experiment, dataset, place.job_runner(), plan)
        targets = dataset.targets
        table = pd.DataFrame([row for name, one in found.items() for row in rows_of(name, one, targets)])
        cut = split(dataset.development, experiment.folds, groups_of(dataset, experiment.folds))
        pairs = compared(found, cut, targets, experiment.seed)
    table.to_csv(out / "scores.csv", index=False, float_format="%.6f")
    pairs.to_csv(out / "compared.csv", index=False, float_format="%.6f")
    hop = dataset.hop_seconds or 0
    seconds = np.array([song.frames for song in found[AT_ONCE].songs]) * hop
    print(
        f"{len(seconds)} songs of {seconds.min():g} to {seconds.max():g} s, median {np.median(seconds):g} s"
    )
    far = {name: moved(one, round(plan.excerpt / hop)) for name, one in found.items()}
    for k, target in enumerate(targets):
        print(f"\n{target}: pooled r, r by song, RMSE by song (whole, first, last third), moved, difference")
        for name in found:
            ours = table[(table["way"] == name) & (table["target"] == target)]
            means = ours.set_index(["part", "metric", "scope"])["mean"]
            line = [means["whole", "r", "pooled"], means["whole", "r", "per_song"]]
            line += [means[part, "rmse", "per_song"] for part in ("whole", "first third", "last third")]
            text = f"{name:25}" + " ".join(f"{value:.3f}" for value in [*line, far[name][k]])
            chosen = (pairs["ablation"] == name) & (pairs["target"] == target) & (pairs["metric"] == "rmse")
            for pair in pairs[chosen].itertuples():
                text += f"  {pair.difference:+.4f} ({pair.low:+.4f} to {pair.high:+.4f}), p {pair.p:.3f}"
            print(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Predictions of songs longer than those learnt from.")
    parser.add_argument("experiment", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--excerpt", type=float, default=30.0, help="seconds that are learnt of a song")
    parser.add_argument("--together", type=float, default=240.0, help="seconds of sequences put together")
    parser.add_argument("--hold", type=float, default=None, help="seconds that songs are held at their level")
    arguments = parser.parse_args()
    main(
        load_experiment(arguments.experiment, arguments.set),
        arguments.out,
        Plan(arguments.excerpt, arguments.together, arguments.hold),
    )
