"""How long each stage of a run took: ``stages.csv`` in the run's folder, one row per stage.

A run that is resumed adds its rows; ``computed`` is how many of the stage's pieces were computed
then, the others having been there.
"""

from __future__ import annotations

import csv
import io
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from lstmcore import EpochReport
from lstmcore.experiments.files import write_text
from lstmcore.experiments.report.stages import Stage
from lstmcore.experiments.terminal.progress import Progress

_COLUMNS = ("started", "stage", "pieces", "computed", "seconds", "workers")


class Stopwatch:
    """Passes on all calls to another progress display, and times the stages.

    Parameters
    ----------
    listener
        The display that everything is passed on to.
    workers
        Jobs side by side, for the record.
    """

    def __init__(self, listener: Progress, workers: int) -> None:
        self._listener, self._workers = listener, workers
        self._lock = threading.Lock()
        self._rows: list[list[str | int]] = []
        self._begun = 0.0

    def stage(self, name: str, total: int, unit: str = "") -> None:
        """Begin a stage, which ends the one before."""
        with self._lock:
            self._end()
            now = datetime.now(UTC).isoformat(timespec="seconds")
            self._rows.append([now, name, total, 0, "", self._workers])
            self._begun = time.monotonic()
        self._listener.stage(name, total, unit)

    def _end(self) -> None:
        if self._rows and not self._rows[-1][4]:
            self._rows[-1][4] = f"{time.monotonic() - self._begun:.1f}"

    def note(self, text: str) -> None:
        """Pass it on."""
        self._listener.note(text)

    def advance(self, text: str = "", *, fresh: bool = True) -> None:
        """Count what was computed now."""
        with self._lock:
            if self._rows:
                self._rows[-1][3] = int(self._rows[-1][3]) + fresh
        self._listener.advance(text, fresh=fresh)

    def epoch(self, job: str, report: EpochReport) -> None:
        """Pass it on."""
        self._listener.epoch(job, report)

    def close(self) -> None:
        """Pass it on."""
        self._listener.close()

    def stages(self, path: Path) -> list[Stage]:
        """Return the stages of a file and, until now, those that aren't in it yet."""
        with self._lock:
            rows = [[str(value) for value in row] for row in self._rows]
            if rows and not rows[-1][4]:
                rows[-1][4] = f"{time.monotonic() - self._begun:.1f}"
        try:
            before = [*csv.reader(io.StringIO(_text(path)))][1:]
        except (OSError, csv.Error):
            before = []
        found = []
        for row in (*before, *rows):
            with suppress(ValueError, IndexError):  # somebody has written into the file
                found.append(Stage(row[1], int(row[2]), int(row[3]), float(row[4])))
        return found

    def write(self, path: Path) -> None:
        """Add the stages to a CSV file; OSError if it can't be written."""
        with self._lock:
            self._end()
            text = io.StringIO(newline="")
            writer = csv.writer(text, lineterminator="\n")
            before = _text(path) if path.exists() else ""
            if not before:
                writer.writerow(_COLUMNS)
            elif not before.endswith("\n"):  # it was cut off
                before += "\n"
            writer.writerows(self._rows)
            self._rows = []
        write_text(path, before + text.getvalue())


def _text(path: Path) -> str:
    """Read a file of which a disk may have changed bytes: it is for people, and ends no run."""
    return path.read_text(encoding="utf-8", errors="replace")
