"""Messages of a command when something is wrong, and the exit code it ends with."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lstmcore.experiments.terminal.process import exit_code
from lstmcore.features.errors import legible

if TYPE_CHECKING:
    from lstmcore.experiments.terminal.progress import Progress


@contextmanager
def errors_told(
    folder: Path | str | None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
    *,
    stores: bool = True,
) -> Iterator[None]:
    """Turn what a user can cause into a message and an exit code: 2, or 130 after Ctrl-C, 143 after SIGTERM.

    Whatever happens, the display has ended afterwards.

    ``stores``: whether the same command finds what it has done; without, it can't go on.
    """
    from lstmcore import EngineError
    from lstmcore.experiments.errors import InputError, Interrupted
    from lstmcore.experiments.terminal.entry import work_begins
    from lstmcore.features import AudioError, SmileError

    kept = f"what is finished is kept in {folder}" if folder else "nothing was written"
    work_begins()
    try:
        yield
    except (KeyboardInterrupt, Interrupted) as interrupt:
        if stop is not None:
            stop.set()
        again = "Run the same command again to go on" if stores else "With --no-store it begins anew"
        _end(progress, f"interrupted; {kept}. {again}.")
        os._exit(exit_code(interrupt))  # at once: threads in a kernel can't be waited for
    except (InputError, EngineError, AudioError, SmileError) as error:
        _end(progress, f"error: {error}")
        raise typer.Exit(2) from None
    except MemoryError as error:
        _end(progress, f"error: not enough memory{f': {error}' if str(error) else ''}; {kept}")
        raise typer.Exit(2) from None
    except BrokenPipeError:  # nobody reads our output any more
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _end(progress, f"error: {where}{error.strerror or error}; {kept}")
        raise typer.Exit(2) from None
    finally:
        if progress is not None:
            progress.close()


def say(text: str, *, error: bool = False) -> None:
    """Print text that quotes what came from elsewhere: what a terminal would obey is printed as an escape."""
    print(legible(text), file=sys.stderr if error else None, flush=True)


def tell_of_songs(errors: Sequence[Exception], songs: int) -> None:
    """Name the songs that can't be used; if there are any, end with exit code 1."""
    for error in errors:
        say(f"error: {error}", error=True)
    if errors:
        written = "" if len(errors) < songs else "; nothing was written"
        print(f"{len(errors)} of {songs} songs can't be used{written}", file=sys.stderr)
        raise typer.Exit(1)


def _end(progress: Progress | None, message: str) -> None:
    if progress is not None:
        progress.close()
    say(message, error=True)
