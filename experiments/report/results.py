"""What a run leaves for others to read: predictions, metrics, history."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lstmcore.experiments.datasets import Dataset
from lstmcore.experiments.files import write_json
from lstmcore.experiments.jobs.job import Job, Result
from lstmcore.experiments.scoring.ensemble import Choice
from lstmcore.experiments.scoring.metrics import Score
from lstmcore.experiments.scoring.systems import Predictions
from lstmcore.experiments.training.folds import Split

if TYPE_CHECKING:  # takes as long to import as all else together, and training doesn't need it
    import pandas as pd


def predictions_table(predictions: list[Predictions], targets: Sequence[str]) -> pd.DataFrame:
    """Make the table of predictions: one row per song, time stamp and system.

    Returns
    -------
    DataFrame
        song_id, time (s), system, each of the targets, and the spread of each over the
        networks averaged (empty for a baseline).
    """
    import pandas as pd

    parts = []
    for p in predictions:
        for k, song in enumerate(p.songs):
            columns: dict[str, Any] = {"song_id": song.song_id, "time": song.times, "system": p.system}
            for n, target in enumerate(targets):
                columns[target] = p.values[k][:, n]
            for n, target in enumerate(targets):
                columns[f"{target}_spread"] = np.nan if p.spread is None else p.spread[k][:, n]
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def history_table(jobs: list[Job], results: list[Result]) -> pd.DataFrame:
    """Make the table of errors: one row per epoch of every training."""
    import pandas as pd

    parts = []
    for job, result in zip(jobs, results, strict=True):
        frame = pd.DataFrame(result.facts["history"])
        frame.insert(0, "job", job.title)
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def ensemble_facts(
    choices: dict[str, Choice], networks: list[Result], dataset: Dataset, split: Split
) -> dict[str, Any]:
    """Return which networks were chosen, and which songs are in which set."""

    def place(member: int) -> dict[str, int]:
        return {name: networks[member].facts[name] for name in ("fold", "trial")}

    return {
        "ensembles": {
            system: {
                "features": dataset.feature_set,
                "criterion": choice.criterion,
                "value_on_team_test": choice.value,
                "networks": [place(member) for member in choice.members],
            }
            for system, choice in choices.items()
        },
        "folds": [[song.song_id for song in fold] for fold in split.folds],
        "team_test_fold": split.team_test,
        **({"fold_groups": split.fold_groups} if split.groups else {}),
        **({} if split.labelled is None else {"labelled": [song.song_id for song in split.others(None)]}),
        "official_test": [song.song_id for song in dataset.official_test],
        "unlabelled_songs": len(dataset.unlabelled),
        "notes": dataset.notes,
    }


def write_metrics(path: Path, scores: list[Score]) -> None:
    """Write ``metrics.json``, a list of rows."""
    write_json(path, [s.as_row() for s in scores])
