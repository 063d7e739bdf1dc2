"""The errors of the audio side: what was found in which file, and what is expected."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class AudioError(ValueError):
    """An audio file cannot be used.  Its text is one line, ``PATH: what was found; what is expected``.

    Parameters
    ----------
    path
        The file as the caller named it.
    reason
        What was found and what is expected, without the path.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(os.fspath(path), reason)  # both, so that the error survives pickling
        self.path = Path(path)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class ExtractionStopped(RuntimeError):
    """The extraction was asked to stop before it was done; nothing was computed or kept."""


def raise_if_stopped(stop: threading.Event | None) -> None:
    """Raise `ExtractionStopped` if `stop` is set; loops over blocks of a signal call it in each."""
    if stop is not None and stop.is_set():
        raise ExtractionStopped("the extraction was stopped")


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Give an OSError that names no file (a full disk, say) the name of the file being written.

    Parameters
    ----------
    path
        The file that the block writes.

    Raises
    ------
    OSError
        The one raised inside, with ``filename`` set.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = os.fspath(path)
        raise
