"""Keys of ``training`` against networks that take one target for another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field

from lstmcore.experiments.config.section import Section


class TargetCorrelation(Section):
    """What is done about targets that go together in the training songs.

    ``balance``: ``uncorrelated`` gives each training song the weight nearest to 1 with which no two targets
    correlate in the training set.  ``decorrelate``: how much is added to the squared errors for the
    correlation of each target's error with the predictions of the others (see `lstmcore.decorrelation`).
    """

    balance: Literal["none", "uncorrelated"] = "none"
    decorrelate: float = Field(default=0.0, ge=0, le=1e6)

    def check_training(self, objective: str, parallel_sequences: int) -> None:
        """Raise ValueError unless the rest of the section allows what is set."""
        if self.decorrelate and parallel_sequences == 1:
            raise ValueError(
                f"decorrelate is {self.decorrelate:g} and parallel_sequences 1, so that nothing is pooled; "
                "expected parallel_sequences from 2, or decorrelate = 0"
            )
        for key, value in self._set():
            if objective != "sse":
                raise ValueError(
                    f"{key} is {value!r} and objective {objective!r}; expected objective = 'sse'"
                )

    def check_experiment(self, targets: Sequence[str], networks: str, backend: str) -> None:
        """Raise ValueError unless targets, networks and backend allow what is set."""
        for key, value in self._set():
            if len(targets) < 2:
                raise ValueError(
                    f"training.{key} is {value!r}, and {targets[0]} is the only target; expected two or more"
                )
        if self.decorrelate and networks == "single":
            raise ValueError(
                f"training.decorrelate is {self.decorrelate:g} and network.targets 'single', whose networks "
                "know of one target each; expected targets = 'joint'"
            )
        if self.decorrelate and backend == "cuda":
            raise ValueError(
                f"training.decorrelate is {self.decorrelate:g}, and engine.backend 'cuda' hasn't that term; "
                "expected 'cpu'"
            )

    def _set(self) -> Iterator[tuple[str, Any]]:
        for key, field in TargetCorrelation.model_fields.items():
            if (value := getattr(self, key)) != field.default:
                yield key, value
