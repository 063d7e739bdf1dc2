"""Learning from sound itself beside learning from features, with few songs and with many: one table.

    python -m benchmarks.end_to_end EXPERIMENT --out FOLDER [--labelled 20 40 80 all] [--set KEY=VALUE …]

For each number of annotated songs (``data.labelled_songs``) the experiment is run on each of some feature
sets, in cross-validation on the same songs and folds.  What a set wants otherwise stands in `VARIANTS`:
features are normal scores with much noise on them, sound is neither.  With fewer songs an epoch has fewer
updates: ``max_epochs`` grows with the root of their share.

It leaves a folder of runs for each number and set, and ``end_to_end.csv``.  The same command again does
what is left.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import pandas as pd

from lstmcore.experiments.config import Experiment, load_experiment, with_values
from lstmcore.experiments.files import write_csv
from lstmcore.experiments.run import Session, run_experiment
from lstmcore.experiments.terminal.progress import Quiet

ALL = "all"
SYSTEMS = ("lstm_all", "ridge_memory", "global_mean")
SCORES = (("r", "pooled"), ("ccc", "pooled"), ("rmse", "per_song"), ("r", "per_song"))
FEATURES = {
    "data.normal_scores": True,
    "network.hidden": [30, 15],
    "training.input_noise": 1.0,
    "training.learning_rate": 1e-5,
    "training.max_epochs": 60,
    "training.patience": 15,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "FS2": FEATURES,
    "FS3": FEATURES,
    "log-mel": {},
    "waveform": {},
}


class Lines(Quiet):
    """Says which stage has begun."""

    def stage(self, name: str, total: int, unit: str = "") -> None:
        """Print the stage."""
        print(f"  {name}: {total}", flush=True)


def learning_curve(
    base: Experiment, labelled: list[str], sets: list[str], out: Path, workers: int
) -> pd.DataFrame:
    """Run all and return a row for each score.

    Parameters
    ----------
    base
        The experiment.
    labelled
        Numbers of annotated songs, or ``all``, which comes first: it says how many there are.
    sets
        Feature sets, of `VARIANTS`.
    out
        Folder of results.
    workers
        Trainings side by side.
    """
    rows: list[dict[str, Any]] = []
    songs = 0
    for count in labelled:
        for feature_set in sets:
            values: dict[str, Any] = {"data.features": feature_set} | VARIANTS[feature_set]
            if count != ALL:
                more = math.sqrt(songs / int(count))
                values["data.labelled_songs"] = int(count)
                for key in ("max_epochs", "patience"):
                    wanted = values.get(f"training.{key}", getattr(base.training, key))
                    values[f"training.{key}"] = math.ceil(wanted * more)
            print(f"{feature_set}, {count} songs", flush=True)
            run = run_experiment(
                with_values(base, values), Session(out / f"{feature_set}-{count}", workers, Lines())
            )
            for score in run.scores:
                if score.set == "cross_validation" and score.system in SYSTEMS:
                    songs = max(songs, score.songs)
                    if (score.metric, score.scope) in SCORES:
                        rows.append({"songs": count, "features": feature_set, **_told(score)})
            write_csv(out / "end_to_end.csv", pd.DataFrame(rows), 6)
    return pd.DataFrame(rows)


def _told(score: Any) -> dict[str, Any]:
    return {name: getattr(score, name) for name in ("system", "target", "metric", "scope", "mean")}


def as_text(table: pd.DataFrame) -> str:
    """Return a line for each system, its scores side by side."""
    table = table.assign(score=table["target"] + " " + table["metric"] + " " + table["scope"])
    wide = table.pivot(index=["songs", "features", "system"], columns="score", values="mean")
    order = [f"{t} {m} {s}" for t in table["target"].unique() for m, s in SCORES]
    return wide[order].round(3).to_string()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Learning from sound itself beside features.")
    parser.add_argument("experiment", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--labelled", nargs="+", default=["20", "40", "80", ALL])
    parser.add_argument("--sets", nargs="+", default=["FS2", "FS3", "log-mel"], choices=list(VARIANTS))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    a = parser.parse_args()
    if ALL not in a.labelled:
        parser.error("--labelled: expected 'all' among them: its number of songs says what a share is")
    counts = [ALL, *(count for count in a.labelled if count != ALL)]
    print(as_text(learning_curve(load_experiment(a.experiment, a.set), counts, a.sets, a.out, a.workers)))
