"""What all ladders share: the check against the reference, the timing in turn, the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.measuring import Timing, alternate
from lstmcore.jit import FLAGS, UNCOUNTED

Array = NDArray[np.floating]


def plain(function: Callable[..., object]) -> Any:
    """Compile as Numba does unless told otherwise."""
    return njit(function)


def fast(function: Callable[..., object]) -> Any:
    """Compile with the engine's flags: no check for division by zero, a * b + c in one rounding."""
    return njit(**FLAGS, **UNCOUNTED)(function)


@dataclass(frozen=True)
class Rung:
    """One version of a kernel.

    Parameters
    ----------
    name
        What it is.
    why
        Why it is faster, or slower, than the one before.
    work
        Takes the ladder's operands and writes some of them.
    times
        How often a call does the work.
    beside
        Stands beside the ladder: the next rung is compared with the one before this.
    """

    name: str
    why: str
    work: Callable[..., object]
    times: int = 1
    beside: bool = False


@dataclass(frozen=True)
class Yardstick:
    """Something else that is timed in the same run.

    Parameters
    ----------
    name
        Heads the column of the shares.
    work
        What is timed.
    amount
        Of the ladder's unit in a call; a rung's share is its rate divided by this one's.
    """

    name: str
    work: Callable[[], object]
    amount: float


@dataclass(frozen=True)
class Ladder:
    """The versions of a kernel.

    Parameters
    ----------
    title
        Over the table.
    unit
        Of the speeds: ``GFLOP/s``, ``GB/s``, or a time, ``ns/unit``, ``us/frame``.
    amount
        Operations, bytes, units or frames of the work.
    operands
        What the work is given.
    expected
        For each operand that is written, its number and what it then holds, from the reference.
    tolerance
        Largest difference from that, relative to the largest value.
    rungs
        From the plainest to the last.
    yardstick
        To hold the speeds against.
    """

    title: str
    unit: str
    amount: float
    operands: tuple[Array, ...]
    expected: dict[int, Array]
    tolerance: float
    rungs: tuple[Rung, ...]
    yardstick: Yardstick | None = None

    def differences(self) -> dict[str, float]:
        """Return for each rung the largest difference from the reference, relative to the largest value.

        A rung that does the work several times is left out.
        """
        return {rung.name: self._difference(rung) for rung in self.rungs if rung.times == 1}

    def _difference(self, rung: Rung) -> float:
        operands = [operand.copy() for operand in self.operands]
        rung.work(*operands)
        pairs = [(operands[number], expected) for number, expected in self.expected.items()]
        return max((float(np.abs(a - e).max() / np.abs(e).max()) for a, e in pairs), default=0.0)

    def climb(self, rounds: int) -> list[dict[str, Any]]:
        """Check all rungs, then time them in turn; return a row each.

        Raises
        ------
        SystemExit
            If a rung computes something else.
        """
        for name, difference in self.differences().items():
            if not difference <= self.tolerance:
                raise SystemExit(f"{self.title}: {name} differs from the reference by {difference:.1e}")
        work = {rung.name: self._call(rung) for rung in self.rungs}
        if self.yardstick is not None:
            work[self.yardstick.name] = self.yardstick.work
        timings = alternate(work, rounds)
        rows: list[dict[str, Any]] = []
        before: Timing | None = None
        for rung in self.rungs:
            timing = Timing(tuple(s / rung.times for s in timings[rung.name].seconds))
            rows.append(self._row(rung, timing, before, timings))
            before = before if rung.beside else timing
        return rows

    def _call(self, rung: Rung) -> Callable[[], object]:
        operands = [operand.copy() for operand in self.operands]
        return lambda: rung.work(*operands)

    def _row(
        self, rung: Rung, timing: Timing, before: Timing | None, timings: dict[str, Timing]
    ) -> dict[str, Any]:
        row: dict[str, Any] = {
            "version": ("beside: " if rung.beside else "") + rung.name,
            self.unit: self._speed(timing.median),
            "times the one before": timing.ratio(before) if before else None,
        }
        yardstick = self.yardstick
        if yardstick is not None:
            relative = timing.ratio(timings[yardstick.name]) * self.amount / yardstick.amount
            row[yardstick.name] = relative
        return row | {"why": rung.why}

    def _speed(self, seconds: float) -> float:
        if self.unit.startswith("G"):
            return self.amount / seconds / 1e9
        return seconds / self.amount * {"ns": 1e9, "us": 1e6}[self.unit[:2]]


def table(title: str, rows: list[dict[str, Any]]) -> Table:
    """Make the table of a ladder."""
    made = Table(title=title, title_justify="left", show_lines=True)
    for key in rows[0]:
        text = key in ("version", "why")
        made.add_column(key, justify="left" if text else "right", overflow="fold", ratio=1 if text else None)
    for row in rows:
        cells = ("-" if value is None else value for value in row.values())
        made.add_row(*(cell if isinstance(cell, str) else f"{cell:.3g}" for cell in cells))
    return made
