"""What a person sees while an experiment runs: a live display, plain lines, or nothing."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Protocol

from lstmcore import EpochReport
from lstmcore.features.errors import legible

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import TaskID


_BARS = 8  # stages shown; a search has more than a terminal has lines
_WIDE = 100  # columns of a terminal that has room for a long bar
_SILENT_SECONDS = 60.0  # that lines may be away in a stage whose pieces have a unit
_LINES = 12  # networks shown; on a GPU all are trained at once


class Progress(Protocol):
    """Shows stages, what is done in them, and epochs; its methods may be called from any thread."""

    def stage(self, name: str, total: int, unit: str = "") -> None:
        """Begin a stage of `total` pieces of work; of those that have a unit it is told how many a second."""

    def advance(self, text: str = "", *, fresh: bool = True) -> None:
        """One more piece is done; `fresh` says that it was computed now, not found done."""

    def epoch(self, job: str, report: EpochReport) -> None:
        """Note that a network has trained for one epoch more."""

    def note(self, text: str) -> None:
        """Show a note that the user should read."""

    def close(self) -> None:
        """Take the display away."""


class Quiet:
    """Says nothing."""

    def stage(self, name: str, total: int, unit: str = "") -> None:
        """Say nothing."""

    def advance(self, text: str = "", *, fresh: bool = True) -> None:
        """Say nothing."""

    def epoch(self, job: str, report: EpochReport) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Do nothing."""


class PlainLines:
    """A line a finished job, for logs and pipes; work without a text is summed up by stage."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._name, self._total, self._done, self._fresh, self._unit = "", 0, 0, 0, ""
        self._running: set[str] = set()
        self._started = self._told = time.monotonic()

    def stage(self, name: str, total: int, unit: str = "") -> None:
        """Print the stage and how much there is to do."""
        with self._lock:
            self._name, self._total, self._done, self._fresh, self._unit = name, total, 0, 0, unit
            self._running.clear()
            self._started = self._told = time.monotonic()
            self._print(f"{name}: {total} to do" if total else f"{name}: nothing to do")

    def advance(self, text: str = "", *, fresh: bool = True) -> None:
        """Print what is done, with the time left."""
        with self._lock:
            self._done += 1
            self._fresh += fresh
            self._running.discard(_job_of(text))
            tenth = max(1, self._total // 10)
            late = bool(self._unit) and time.monotonic() - self._told > _SILENT_SECONDS
            if text or self._done == self._total or self._done % tenth == 0 or late:
                self._told = time.monotonic()
                detail = f" {text}" if text else ""
                remaining = self._total - self._done
                left = time_left(self._started, self._fresh, remaining, len(self._running))
                said = [part for part in (left, pace(self._started, self._fresh, self._unit)) if part]
                self._print(f"  {self._done}/{self._total}{detail}{'; ' if said else ''}{', '.join(said)}")

    def epoch(self, job: str, report: EpochReport) -> None:
        """Note who is in training; epochs are too many for lines."""
        with self._lock:
            self._running.add(job)

    def note(self, text: str) -> None:
        """Print a line."""
        with self._lock:
            self._print(text)

    def close(self) -> None:
        """Nothing to take away."""

    @staticmethod
    def _print(text: str) -> None:
        print(legible(text), file=sys.stderr, flush=True)


class Live:
    """One bar per stage with the time left, and one line per network in training with its current errors."""

    def __init__(self) -> None:
        from rich import progress
        from rich.console import Console
        from rich.live import Live as Display
        from rich.table import Column

        from lstmcore.experiments.terminal.sheet import disarmed

        console = disarmed(Console(stderr=True))
        self._lock = threading.Lock()
        self._bars = progress.Progress(
            # Where there is little room the name takes two lines; the numbers are never cut.
            progress.TextColumn("{task.description}", markup=False, table_column=Column(overflow="fold")),
            progress.BarColumn(bar_width=30 if console.width >= _WIDE else 10),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("{task.fields[left]}"),
        )
        self._started, self._fresh, self._remaining, self._unit = time.monotonic(), 0, 0, ""
        self._running: dict[str, str] = {}
        self._task: TaskID | None = None
        self._display = Display(console=console, get_renderable=self._renderable, refresh_per_second=4)
        self._display.start()

    def _renderable(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        with self._lock:
            lines = [f"  {job}: {text}" for job, text in self._running.items()]
        if len(lines) > _LINES:
            lines[_LINES - 1 :] = [f"  and {len(lines) - _LINES + 1} more"]
        return Group(self._bars, *(Text(line, no_wrap=True, overflow="ellipsis") for line in lines))

    def stage(self, name: str, total: int, unit: str = "") -> None:
        """Begin a new bar."""
        with self._lock:
            self._running.clear()
            self._task = self._bars.add_task(name, total=total, left="")
            for old in self._bars.task_ids[:-_BARS]:
                self._bars.update(old, visible=False)
            self._started, self._fresh, self._remaining = time.monotonic(), 0, total
            self._unit = unit

    def advance(self, text: str = "", *, fresh: bool = True) -> None:
        """Move the bar; a finished job loses its line."""
        with self._lock:
            self._running.pop(_job_of(text), None)
            if self._task is not None:
                self._fresh += fresh
                self._remaining -= 1
                left = time_left(self._started, self._fresh, self._remaining, len(self._running))
                said = [part for part in (left, pace(self._started, self._fresh, self._unit)) if part]
                self._bars.update(self._task, advance=1, left=", ".join(said))

    def epoch(self, job: str, report: EpochReport) -> None:
        """Show the errors of a network in training."""
        with self._lock:
            self._running[job] = describe(report)

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        from rich.text import Text

        self._display.console.print(Text(text), soft_wrap=True)

    def close(self) -> None:
        """Stop the display and leave the bars."""
        with self._lock:
            self._running.clear()
        self._display.stop()


def new_progress(quiet: bool) -> Progress:
    """Choose the display: none if quiet, live on a terminal, else plain lines."""
    if quiet:
        return Quiet()
    return Live() if sys.stderr.isatty() else PlainLines()


def describe(report: EpochReport) -> str:
    """Return one line on a training: its epoch and errors by frame."""
    text = f"epoch {report.epoch}, training error {report.training_error_per_frame:.4f}"
    if report.validation_error_per_frame is not None:
        text += (
            f", validation error {report.validation_error_per_frame:.4f} (best: epoch {report.best_epoch})"
        )
    return text


def _job_of(text: str) -> str:
    """Name of the job that a finished job's text begins with."""
    return text.partition(":")[0]


def time_left(started: float, fresh: int, remaining: int, running: int = 0) -> str:
    """Estimate from the work done since `started` (monotonic) how long the rest takes: "about 40 s left".

    Nothing is said where all that remains is `running`: how far it is, what is done doesn't tell.
    """
    if not fresh or not remaining or remaining <= running:
        return ""
    return f"about {duration((time.monotonic() - started) / fresh * remaining)} left"


def pace(started: float, fresh: int, unit: str) -> str:
    """Say how many pieces of work were done a second since `started` (monotonic): "1.5 songs/s"."""
    seconds = time.monotonic() - started
    return f"{fresh / seconds:.2g} {unit}/s" if unit and fresh and seconds else ""


def duration(seconds: float) -> str:
    """Write a time as a person would: "40 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
