"""The training of a run for its report: learning curves, what ensembles took, what was slow."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from lstmcore.experiments.prediction.outputs.page.packing import short
from lstmcore.experiments.terminal.progress import duration
from lstmcore.experiments.training.pretraining import TITLES as PRETRAINING

_POINTS = 80  # of a learning curve
_PLACE = re.compile(r"(?:^|, )(fold|trial) (\d+)")
_SLOWEST = 5


def learning_data(history: pd.DataFrame) -> list[dict[str, Any]]:
    """Put learning curves into panels: pre-training, then the trials of each fold.

    Parameters
    ----------
    history
        All epochs, as ``history.csv`` has them.

    Returns
    -------
    list of dict
        ``title`` of a kind of training, ``error`` that is drawn, and ``panels`` of it: a title, and of each
        training its trial, best epoch, epochs and errors.
    """
    kinds: dict[str, dict[str, Any]] = {}
    for name, part in history.groupby("job", sort=False):
        job = str(name)
        place = {what: int(number) for what, number in _PLACE.findall(job)}
        kind = _PLACE.sub("", job).strip(", ") or "networks"
        before = job.startswith(PRETRAINING)
        known = "validation" if part["validation_error_per_frame"].notna().all() else "training"
        group = kinds.setdefault(
            kind if before or kind == "networks" else f"networks, {kind}",
            {"error": f"{known} error a frame", "panels": {}},
        )
        fold = place.get("fold")
        panel = group["panels"].setdefault("all" if fold is None else f"fold {fold}", [])
        errors = part[f"{known}_error_per_frame"].to_numpy()
        epochs = part["epoch"].to_numpy()
        best = int(part["best_epoch"].iloc[-1])
        kept = np.unique(np.linspace(0, len(part) - 1, min(_POINTS, len(part))).astype(int))
        kept = np.unique([*kept, *np.flatnonzero(epochs == best)])
        curve = [[int(epochs[n]), short(float(errors[n]))] for n in kept]
        panel.append([place.get("trial", 0), best, curve])
    return [
        {"title": title, "error": kind["error"], "panels": [*kind["panels"].items()]}
        for title, kind in kinds.items()
    ]


def slow_sentence(history: pd.DataFrame) -> str:
    """Say which trainings took longest."""
    seconds = history.groupby("job", sort=False)["seconds"].sum().sort_values(ascending=False)
    if seconds.empty:
        return ""
    named = [f"{name} ({duration(float(value))})" for name, value in seconds.head(_SLOWEST).items()]
    return f"Trainings that took longest, of {len(seconds)}: {'; '.join(named)}."


def ensemble_grids(facts: dict[str, Any], history: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return for each ensemble that chooses which networks it took, fold by trial, with their own errors.

    Returns
    -------
    dict
        By ensemble: ``trials``, and ``rows`` of a fold's number and, for each trial, its best validation
        error as text and whether it was taken.
    """
    best: dict[tuple[str, int, int], float] = {}
    for name, part in history.groupby("job", sort=False):
        place = {what: int(number) for what, number in _PLACE.findall(str(name))}
        if len(place) == 2:
            errors = part["validation_error_per_frame"]
            kind = _PLACE.sub("", str(name)).strip(", ")
            best[kind, place["fold"], place["trial"]] = float(errors.min())
    grids = {}
    for system, ensemble in facts["ensembles"].items():
        if ensemble["criterion"] == "all":
            continue
        taken = {(n["fold"], n["trial"]) for n in ensemble["networks"]}
        kinds = {kind for kind, _, _ in best}
        known: str | None = (
            "" if kinds == {""} else ensemble["features"] if ensemble["features"] in kinds else None
        )
        places = {(fold, trial) for _, fold, trial in best} | taken
        folds, trials = sorted({f for f, _ in places}), sorted({t for _, t in places})

        def cell(
            fold: int, trial: int, kind: str | None = known, taken: set[Any] = taken
        ) -> tuple[str, bool]:
            error = None if kind is None else best.get((kind, fold, trial))
            return ("" if error is None else f"{error:.3g}", (fold, trial) in taken)

        grids[system] = {
            "trials": trials,
            "rows": [(fold, [cell(fold, trial) for trial in trials]) for fold in folds],
        }
    return grids
