"""Sections ``[[systems]]``: models of one's own, by their import path, beside the networks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from lstmcore.experiments.config.explanations import IMPORT_PATH, RUN
from lstmcore.experiments.config.section import Section


class OwnSystem(Section):
    """A model of one's own: trained in the same folds on the same frames as the regressions.

    ``estimator``: a class with ``fit(X, y)`` and ``predict(X)``, or a function that makes such an object, as
    ``module:Name``; ``parameters`` are what it is called with.  Reading the section imports nothing.
    ``sees``: ``frame``, rows of standardised features; ``memory``, what ``ridge_memory`` sees: the frame, the
    mean of the last 10 s and that since the start; ``song``, a list with a matrix of each song.
    ``targets``: ``single``, one model a target, whose ``y`` has one column less; ``joint``, one for all.
    """

    # Without an underscore: it is called like no network and no baseline, of which only ridge has none.
    name: str = Field(pattern=RUN)
    estimator: str = Field(pattern=IMPORT_PATH)
    parameters: dict[str, Any] = Field(default={})
    sees: Literal["frame", "memory", "song"] = "frame"
    targets: Literal["single", "joint"] = "single"

    @property
    def note(self) -> str:
        """Say what stands behind the name."""
        given = ", ".join(f"{key} = {json.dumps(value)}" for key, value in self.parameters.items())
        sees = {"frame": "single frames", "memory": "frames with memory", "song": "whole songs"}[self.sees]
        of = "one model for all targets" if self.targets == "joint" else "one model a target"
        return f"{self.name} is {self.estimator}{f' with {given}' if given else ''}: it sees {sees}, {of}."

    @model_validator(mode="after")
    def _can_be_written_down(self) -> OwnSystem:
        try:
            json.dumps(self.parameters, allow_nan=False)
        except (TypeError, ValueError):
            raise ValueError(
                f"parameters of {self.name!r} have a date, or a number that is not finite; expected numbers, "
                "text, true, false, lists and tables"
            ) from None
        return self


def check_systems(systems: Sequence[OwnSystem], runs: Iterable[str]) -> None:
    """Raise ValueError if two systems of an experiment would have one name in its tables."""
    taken = {"ridge": "the baseline"} | dict.fromkeys(runs, "one of [[runs]]")
    for system in systems:
        if system.name in taken:
            raise ValueError(
                f"systems: {system.name!r} is the name of {taken[system.name]}; expected another name"
            )
        taken[system.name] = "another of [[systems]]"
