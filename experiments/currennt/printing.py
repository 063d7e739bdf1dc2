"""How the drop-in command prints: at once, on the standard output, as the original does."""

from __future__ import annotations

import os
import sys

from experiments.currennt.messages import DONE, SetSummary
from lstmcore import SequenceSet


def say(*lines: str, end: str = "\n") -> None:
    """Print lines at once; when nobody reads them any more (``| head``), the work still goes on."""
    try:
        print("\n".join(lines), end=end, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # where Python's last words go, too


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
