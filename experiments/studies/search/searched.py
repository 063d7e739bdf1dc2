"""What a search is made of and what comes out: shared by those who run, write and draw it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from lstmcore.experiments.config import Experiment, in_words
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

    def leaders(self) -> dict[int | None, int]:
        """Return, by step, the row of the best that was found until its end; of equals the later step's."""
        found: dict[int | None, int] = {}
        leader: int | None = None
        for step in dict.fromkeys(t.step for t in self.tried):
            best = self._best_of(step)
            if best is not None and (leader is None or self._goodness(best) >= self._goodness(leader)):
                leader = best
            if leader is not None:
                found[step] = leader
        return found

    def kept(self) -> list[str]:
        """Say of each step none of whose values is as good as what was there before it."""
        said = []
        for step, row in self.leaders().items():
            best, leader = self._best_of(step), self.tried[row]
            if step is None or best is None or leader.step == step:
                continue
            name, key = self.search.steps[step].name, self.search.steps[step].keys[0]
            before = in_words(leader.values[key])
            said.append(
                f"{name} stays {before}: no value of step {step + 1} is as good as what was "
                f"found before it ({self.tried[best].score:.4f} at best; {leader.score:.4f} before)."
            )
        return said

    def _best_of(self, step: int | None) -> int | None:
        rows = [n for n, t in enumerate(self.tried) if t.step == step and t.score is not None]
        return max(rows, key=lambda n: (self._goodness(n), -n), default=None)

    def _goodness(self, row: int) -> float:
        score = self.tried[row].score
        assert score is not None
        return -score if self.search.criterion == "rmse" else score


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
