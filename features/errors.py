"""The errors of the audio side: what was found in which file, and what is expected."""

from __future__ import annotations

import os
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Of a message; more is no help to anybody.
_LONGEST_LINE, _LINES_BEGIN, _LINES_END = 2000, 1500, 400
_JOINERS = "\t\u200c\u200d"  # letters of some scripts, and emoji, are written with the latter two


def printable(path: str | os.PathLike[str]) -> str:
    r"""Write a path so that it is text, and of one line.

    Parameters
    ----------
    path
        Whatever a file can be called.

    Returns
    -------
    str
        Bytes that are not UTF-8, control characters and ends of lines are escapes: ``\xe9``, ``\n``.
    """
    return one_line(os.fsencode(path).decode("utf-8", "backslashreplace"))


def one_line(text: str) -> str:
    r"""Write a text so that it is of one line: controls, ends of lines and half characters are escapes."""
    return "".join(c.encode("unicode_escape").decode() if _breaks(c) else c for c in text)


def _breaks(character: str) -> bool:
    """Return whether a character is a control, ends a line or is none, by Unicode's categories."""
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def legible(message: str) -> str:
    r"""Write a message that quotes what stands in a file so that a terminal shows it, whatever that is.

    Parameters
    ----------
    message
        Of an error; it may have several lines.

    Returns
    -------
    str
        Controls, marks that turn the direction of writing, and all else that can't be seen are escapes:
        ``\x1b``, ``\u202e``; of a line of thousands of characters the middle is left out.  Bytes of a file's
        name that are no text stay: commands print them as they found them.
    """
    if message.isascii() and len(message) <= _LONGEST_LINE and message.replace("\n", "").isprintable():
        return message
    return "\n".join(_shortened("".join(map(_seen, line))) for line in message.split("\n"))


def _seen(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte of a name that is no UTF-8, which is printed as it is
        return character
    if character in _JOINERS or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return character
    return character.encode("unicode_escape").decode()


def _shortened(line: str) -> str:
    if len(line) <= _LONGEST_LINE:
        return line
    return f"{line[:_LINES_BEGIN]} … ({len(line)} characters) … {line[-_LINES_END:]}"


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
        return f"{printable(self.path)}: {legible(self.reason)}"


class TooShortError(AudioError):
    """A sound is shorter than the window that a row of features describes.

    Parameters
    ----------
    path, reason
        As in `AudioError`.
    seconds
        How long the sound is.
    longest_window
        The longest window that has a row of it, in seconds; it may be none that there can be.
    """

    def __init__(
        self, path: str | os.PathLike[str], reason: str, seconds: float, longest_window: float
    ) -> None:
        super().__init__(path, reason)
        self.args = (os.fspath(path), reason, seconds, longest_window)
        self.seconds, self.longest_window = seconds, longest_window


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
