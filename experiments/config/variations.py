"""What an experiment's file may say of other experiments like it: a search, and ablations.

Neither changes what ``lstmcore-run`` computes.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any, Literal

from pydantic import Field, model_validator

from lstmcore.experiments.config.explanations import ONE_LINE
from lstmcore.experiments.config.section import Section

SECTIONS = ("network", "training", "pretraining", "predictions")
"""Sections of which a search and an ablation may change any key."""
SEARCHED = (
    *SECTIONS,
    "data.annotation_delay",
    "data.features",
    "data.lead_in",
    "data.leave_out",
    "data.normal_scores",
)
"""Sections and keys that a search may change: songs, folds and the score are the same for all candidates."""
ABLATED = (
    *SECTIONS,
    "data.also",
    "data.annotation_delay",
    "data.features",
    "data.labelled_songs",
    "data.lead_in",
    "data.leave_out",
    "data.normal_scores",
    "data.quality",
    "data.unlabelled",
    "data.unlabelled_folder",
    "data.window_seconds",
    "folds.group",
)
"""Sections and keys that an ablation may change."""


class Range(Section):
    """All numbers from ``low`` to ``high``; whole ones if both are.  ``log``: evenly by their logarithm."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _rises(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"low is {self.low} and high {self.high}; expected a low below high")
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low} with log = true; expected a number above 0")
        return self


class SearchStep(Section):
    """One thing to choose: ``key``, or several keys that have the same value, and what to try."""

    key: str | list[str]
    values: list[Any] | None = None
    range: Range | None = None

    @model_validator(mode="after")
    def _has_candidates(self) -> SearchStep:
        if not self.keys:
            raise ValueError("key is empty; expected a key, such as network.hidden")
        if (self.values is None) == (self.range is None):
            raise ValueError("expected either values or range")
        if self.values is not None and not self.values:
            raise ValueError("values is empty; expected what to try")
        for a, b in combinations(self.values or [], 2):
            if a == b and type(a) is type(b):
                raise ValueError(f"values has {a!r} twice; expected each once")
        return self

    @property
    def keys(self) -> list[str]:
        """The keys, of which there may be one."""
        return [self.key] if isinstance(self.key, str) else self.key

    @property
    def name(self) -> str:
        """The keys as people read them: ``learning_rate (training, pretraining)``."""
        sections, _, last = zip(*(key.rpartition(".") for key in self.keys), strict=True)
        if len(self.keys) > 1 and len(set(last)) == 1:
            return f"{last[0]} ({', '.join(sections)})"
        return ", ".join(self.keys)

    def examples(self) -> dict[str, Any]:
        """Every value, or the ends of the range, by their place in the section."""
        if self.range is not None:
            return {"range.low": self.range.low, "range.high": self.range.high}
        return {f"values.{n}": value for n, value in enumerate(self.values or [])}


class Search(Section):
    """How to choose settings by cross-validation.

    Parameters
    ----------
    method
        ``sequential``, the paper's: a step after the other, each with what was chosen before;
        or ``optuna``: all at once by Optuna's tree-structured Parzen estimator.
    steps
        What to choose, in order.
    criterion, scope
        The score: RMSE or CCC, of all frames of a fold or the mean over its songs, and the mean
        of both targets; then the mean over folds.
    folds, trials
        The first so many folds of the cross-validation, and trials of each; all if left out.
    optuna_trials
        Configurations that Optuna tries.
    seed
        Of Optuna's proposals; the experiment's if left out.
    """

    method: Literal["sequential", "optuna"] = "sequential"
    steps: list[SearchStep]
    criterion: Literal["rmse", "ccc"] = "rmse"
    scope: Literal["pooled", "per_song"] = "pooled"
    folds: int | None = Field(default=None, ge=2)
    trials: int | None = Field(default=None, ge=1, le=10_000)
    optuna_trials: int = Field(default=30, ge=1)
    seed: int | None = Field(default=None, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _method_can(self) -> Search:
        if not self.steps:
            raise ValueError("steps is empty; expected at least one [[search.steps]]")
        if self.method == "sequential":
            for n, step in enumerate(self.steps):
                if step.range is not None:
                    raise ValueError(
                        f"steps.{n} has a range, and the sequential method tries values; expected values, "
                        "or method = 'optuna'"
                    )
        keys = [key for step in self.steps for key in step.keys]
        twice = [key for key in keys if keys.count(key) > 1]
        if self.method == "optuna" and twice:
            raise ValueError(f"steps have {twice[0]!r} twice; expected each key once")
        return self


class Ablation(Section):
    """One thing changed: keys with other values, and keys or sections that are left away."""

    name: str = Field(pattern=ONE_LINE)
    set: dict[str, Any] = Field(default={})
    unset: list[str] = Field(default=[])

    @model_validator(mode="after")
    def _changes_something(self) -> Ablation:
        if not self.set and not self.unset:
            raise ValueError(f"ablation {self.name!r} changes nothing; expected set or unset")
        return self
