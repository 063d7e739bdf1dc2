"""How the drop-in command prints: at once, on the standard output, as the original does.

A standard output that can't be written (a reader that has gone, a full disk) must cost nobody a
training: it never raises here. What is said afterwards is dropped, but for what has to be heard,
which goes to the standard error; the command looks at `lost` and decides how to end.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from lstmcore import SequenceSet
from lstmcore.experiments.currennt.console import DONE, SetSummary
from lstmcore.features.errors import legible

_losses: list[OSError] = []


def say(*lines: str, end: str = "\n") -> None:
    """Print lines at once."""
    text = legible("\n".join(lines)) + end
    if not _losses and sys.stdout is not None:
        _print(text)


def tell(*lines: str) -> None:
    """Print lines that must be heard: on the standard error if there is no standard output any more."""
    say(*lines)
    if _losses:
        warn(*lines)


def warn(*lines: str) -> None:
    """Print lines on the standard error, without buffers, so that signal handlers may call it."""
    with suppress(OSError, ValueError, AttributeError):  # there may be nobody left to read it
        os.write(sys.stderr.fileno(), (legible("\n".join(lines)) + "\n").encode(errors="backslashreplace"))


def lost() -> OSError | None:
    """Return why the standard output can't be written any more; None if it can."""
    return _losses[0] if _losses else None


def forget_losses() -> None:
    """Begin anew: what was lost was another call's output."""
    _losses.clear()


def _print(text: str) -> None:
    try:
        try:
            sys.stdout.write(text)
        except UnicodeEncodeError:  # a file's name that is no text
            encoding = sys.stdout.encoding
            sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    except OSError as error:
        _losses.append(error)
        _to_nowhere()


def _to_nowhere() -> None:
    """Drop what is still buffered, so that Python doesn't complain at its end."""
    with suppress(OSError):  # it may be no file of the system
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def note(*sentences: str) -> None:
    """Print what is worth knowing and no error."""
    if sentences:
        say(*(f"NOTE: {sentence}" for sentence in sentences))


def close_line() -> None:
    """Print that what the line began with is done."""
    say(DONE)


def set_summary(sequences: SequenceSet, fraction: float) -> SetSummary:
    """Sum up a set for `set_lines`."""
    lengths = sequences.lengths
    return SetSummary(fraction, len(sequences), int(lengths.min()), int(lengths.max()), sequences.frames)
