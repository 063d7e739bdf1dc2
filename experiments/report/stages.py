"""What was slow in a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lstmcore.experiments.terminal.progress import duration


@dataclass(frozen=True)
class Stage:
    """A row of ``stages.csv``: how long a stage took, and how much of it was computed then."""

    name: str
    pieces: int
    computed: int
    seconds: float


def slow_sheet(stages: Sequence[Stage]) -> list[list[str]]:
    """Return rows of what took how long, all runs in the folder together, the longest first."""
    found: dict[str, list[float]] = {}
    for stage in stages:
        row = found.setdefault(stage.name, [0, 0, 0.0])
        row[0], row[1], row[2] = max(row[0], stage.pieces), row[1] + stage.computed, row[2] + stage.seconds
    whole = sum(row[2] for row in found.values()) or 1.0
    return [
        [name, f"{row[0]:.0f}", f"{row[1]:.0f}", duration(row[2]), f"{row[2] / whole:.0%}"]
        for name, row in sorted(found.items(), key=lambda item: -item[1][2])
    ]
