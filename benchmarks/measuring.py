"""What all benchmarks share: timing in turn, the table, the JSON file, the machine's description."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table

from lstmcore.experiments.files import write_json
from lstmcore.experiments.terminal.environment import environment, version_of

RESULTS = Path(os.environ.get("LSTMCORE_RESULTS", Path(__file__).parent / "results"))


@dataclass(frozen=True)
class Timing:
    """How long one candidate took.

    Parameters
    ----------
    seconds
        One call each, in the order of the rounds.
    """

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median time of a call, s."""
        return statistics.median(self.seconds)

    def ratio(self, other: Timing) -> float:
        """Median over the rounds of the other's time by this one's: how many times faster this is."""
        return statistics.median(b / a for a, b in zip(self.seconds, other.seconds, strict=True))

    def spread(self, other: Timing) -> tuple[float, float]:
        """Lower and upper quartile over the rounds of the ratio."""
        ratios = [b / a for a, b in zip(self.seconds, other.seconds, strict=True)]
        low, _, high = statistics.quantiles(ratios, n=4)
        return low, high


class Timed(Protocol):
    """A candidate that takes its own time: in another process, or without what isn't to be counted."""

    def seconds(self, repeats: int) -> float:
        """Return the time that so many calls took, s."""


def alternate(
    candidates: Mapping[str, Callable[[], object] | Timed],
    rounds: int = 9,
    least_seconds: float = 0.05,
    pause: float = 0.0,
) -> dict[str, Timing]:
    """Time candidates in turn, so that what else the machine does meets all alike.

    Parameters
    ----------
    candidates
        Name and what is to be timed, here or by itself.  Each is called once before,
        to be warm.
    rounds
        How often each has its turn, at least 2.
    least_seconds
        A turn repeats the call until about this much time is filled, and counts the mean.
    pause
        Seconds before each turn: a process with real-time priority is stopped now and then unless it rests.

    Returns
    -------
    dict of str to Timing
        By name, a value a round.
    """
    repeats = {}
    for name, call in candidates.items():
        _seconds(call, 1)
        repeats[name] = max(1, round(least_seconds / max(_seconds(call, 1), 1e-9)))
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(rounds):
        names = list(candidates)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            time.sleep(pause)
            taken[name].append(_seconds(candidates[name], repeats[name]) / repeats[name])
    return {name: Timing(tuple(seconds)) for name, seconds in taken.items()}


def _seconds(call: Callable[[], object] | Timed, repeats: int) -> float:
    if not callable(call):
        return call.seconds(repeats)
    started = time.perf_counter()
    for _ in range(repeats):
        call()
    return time.perf_counter() - started


def machine(packages: Sequence[str] = ()) -> dict[str, Any]:
    """Describe machine and versions, those of further packages too; None for one that is absent."""
    described = environment()
    described["processors"] = os.cpu_count()
    described["load"] = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    described["packages"] |= {name: version_of(name) for name in packages}
    return described


def publish(
    name: str,
    title: str,
    rows: Sequence[Mapping[str, Any]],
    packages: Sequence[str] = (),
    more: Mapping[str, Any] | None = None,
) -> Path:
    """Print rows as a table and write them with the machine to ``benchmarks/results/NAME.json``.

    Parameters
    ----------
    name
        Of the benchmark and its file.
    title
        Over the table.
    rows
        All with the same keys, which head the columns; numbers are printed with four digits.
    packages
        Whose versions matter besides our own requirements.
    more
        What else describes the machine.

    Returns
    -------
    Path
        The file.
    """
    table = Table(title=title, title_justify="left")
    for key in rows[0]:
        table.add_column(key, justify="left" if isinstance(rows[0][key], str) else "right", overflow="fold")
    for row in rows:
        table.add_row(*(_shown(value) for value in row.values()))
    Console(width=None if os.isatty(1) else 140).print(table)
    path = RESULTS / f"{name}.json"
    described = machine(packages) | dict(more or {})
    write_json(path, {"title": title, "machine": described, "rows": [dict(row) for row in rows]})
    print(f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    return path


def with_earlier(
    name: str, rows: Sequence[Mapping[str, Any]], keys: Sequence[str]
) -> list[Mapping[str, Any]]:
    """Return rows after those of other cases in ``benchmarks/results/NAME.json``; `keys` tell a case."""
    path = RESULTS / f"{name}.json"
    earlier = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.exists() else []
    measured = {tuple(row[key] for key in keys) for row in rows}
    return [*(row for row in earlier if tuple(row[key] for key in keys) not in measured), *rows]


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
