"""What a person sees while an experiment runs: a live display, plain lines, or nothing."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Protocol

from lstmcore import EpochReport

if TYPE_CHECKING:
    from rich.progress import TaskID


class Progress(Protocol):
    """Hears of stages, of what is done in them, and of epochs; may be called from any thread."""

    def stage(self, name: str, total: int) -> None:
        """Begin a stage of `total` pieces of work."""

    def advance(self, text: str = "", *, fresh: bool = True) -> None:
        """One more piece is done; `fresh` says that it was computed now, not found done."""

    def epoch(self, job: str, report: EpochReport) -> None:
        """Note that a network has trained for one epoch more."""

    def close(self) -> None:
        """Take the display away."""


class Quiet:
    """Says nothing."""

    def stage(self, name: str, total: int) -> None:
        """Say nothing."""

    def advance(self, text: str = "", *, fresh: bool = True) -> None:
        """Say nothing."""

    def epoch(self, job: str, report: EpochReport) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Do nothing."""


class PlainLines:
    """A line a finished job, for logs and pipes; work without a text is summed up by stage."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._name, self._total, self._done, self._fresh = "", 0, 0, 0
        self._started = time.monotonic()

    def stage(self, name: str, total: int) -> None:
        """Print the stage and how much there is to do."""
        with self._lock:
            self._name, self._total, self._done, self._fresh = name, total, 0, 0
            self._started = time.monotonic()
            self._print(f"{name}: {total} to do" if total else f"{name}: nothing to do")

    def advance(self, text: str = "", *, fresh: bool = True) -> None:
        """Print what is done, with the time left."""
        with self._lock:
            self._done += 1
            self._fresh += fresh
            tenth = max(1, self._total // 10)
            if text or self._done == self._total or self._done % tenth == 0:
                detail = f" {text}" if text else ""
                self._print(f"  {self._done}/{self._total}{detail}{self._left()}")

    def epoch(self, job: str, report: EpochReport) -> None:
        """Epochs are too many for lines."""

    def close(self) -> None:
        """Nothing to take away."""

    def _left(self) -> str:
        if not self._fresh or self._done == self._total:
            return ""
        seconds = (time.monotonic() - self._started) / self._fresh * (self._total - self._done)
        return f"; about {duration(seconds)} left"

    @staticmethod
    def _print(text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class Live:
    """A bar with the time left and, for each network in training, its current errors."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress

        self._lock = threading.Lock()
        self._display = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            speed_estimate_period=600,
        )
        self._running: dict[str, TaskID] = {}
        self._task: TaskID | None = None
        self._display.start()

    def stage(self, name: str, total: int) -> None:
        """Begin a new bar."""
        with self._lock:
            self._forget_jobs()
            self._task = self._display.add_task(name, total=total)

    def advance(self, text: str = "", *, fresh: bool = True) -> None:
        """Move the bar."""
        with self._lock:
            job = text.partition(":")[0]
            if job in self._running:
                self._display.remove_task(self._running.pop(job))
            if self._task is not None:
                self._display.advance(self._task)

    def epoch(self, job: str, report: EpochReport) -> None:
        """Show the errors of a network in training."""
        with self._lock:
            if job not in self._running:
                self._running[job] = self._display.add_task(job, total=None)
            self._display.update(self._running[job], description=f"  {job}: {describe(report)}")

    def close(self) -> None:
        """Stop the display and leave the finished bars."""
        with self._lock:
            self._forget_jobs()
            self._display.stop()

    def _forget_jobs(self) -> None:
        for task in self._running.values():
            self._display.remove_task(task)
        self._running.clear()


def new_progress(quiet: bool) -> Progress:
    """Choose the display: none if quiet, live on a terminal, else plain lines."""
    if quiet:
        return Quiet()
    return Live() if sys.stderr.isatty() else PlainLines()


def describe(report: EpochReport) -> str:
    """Say where a training stands, errors by frame."""
    text = f"epoch {report.epoch}, training error {report.training_error_per_frame:.4f}"
    if report.validation_error_per_frame is not None:
        text += (
            f", validation error {report.validation_error_per_frame:.4f} (best: epoch {report.best_epoch})"
        )
    return text


def duration(seconds: float) -> str:
    """Write a time as a person would: "40 s", "3 min 20 s", "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
