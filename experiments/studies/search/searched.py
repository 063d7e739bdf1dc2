"""What a search is made of and what comes out: shared by those who run, write and draw it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from lstmcore.experiments.config import Experiment
from lstmcore.experiments.config.variations import Search
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.run.folder import variations_folder


@dataclass(frozen=True)
class Tried:
    """One configuration and how it did.

    Parameters
    ----------
    step
        Number of the step, from 0; None where all are varied at once.
    values
        Of all keys that are searched.
    fold_scores
        The criterion on each fold, both targets' mean; empty if training diverged.
    networks, reused
        How many networks and auto-encoders it has, and how many of them were found done.
    epochs
        Mean over the networks of the epoch that was best.
    seconds
        What training them took, whenever that was.
    """

    step: int | None
    values: dict[str, Any]
    fold_scores: list[float]
    networks: int = 0
    reused: int = 0
    epochs: float | None = None
    seconds: float | None = None

    @property
    def score(self) -> float | None:
        """Mean of the criterion over folds; None if training diverged."""
        return float(np.mean(self.fold_scores)) if self.fold_scores else None

    @property
    def standard_error(self) -> float | None:
        """Standard error of the mean over folds, as if these were independent."""
        n = len(self.fold_scores)
        return float(np.std(self.fold_scores, ddof=1) / np.sqrt(n)) if n > 1 else None


@dataclass(frozen=True)
class Searched:
    """A finished search.

    Parameters
    ----------
    folder
        Where everything is.
    experiment
        With its ``search`` section.
    tried
        In the order they were tried.
    chosen
        Values of all keys that were searched.
    notes
        What a person should know about the data.
    """

    folder: Path
    experiment: Experiment
    tried: list[Tried]
    chosen: dict[str, Any]
    notes: list[str]

    @property
    def search(self) -> Search:
        """The section that asked for it."""
        return section_of(self.experiment)


def section_of(experiment: Experiment) -> Search:
    """Return the section ``search`` of an experiment; InputError if it has none."""
    if experiment.search is None:
        raise InputError(
            f"experiment {experiment.name!r}: no section [search]; expected one with [[search.steps]], each "
            "with a key and the values to try"
        )
    return experiment.search


def search_config(experiment: Experiment) -> str:
    """Write an experiment with its search, all defaults filled in."""
    section = section_of(experiment).model_dump(exclude_none=True)
    return experiment.to_toml() + "\n" + tomli_w.dumps({"search": section})


def search_folder(experiment: Experiment) -> Path:
    """Return the folder of a search that was given none: another configuration, another folder."""
    return variations_folder(experiment, "search", search_config(experiment))
