"""Errors about what a person has given: input that can't be used."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from reprlib import Repr

from lstmcore.features.errors import legible

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80


class InputError(ValueError):
    """Something the user gave is wrong; the message says where, what was found and what is expected.

    It may quote what it found as it is: what a terminal would obey is made legible when it's told.
    """

    def __str__(self) -> str:
        return legible(super().__str__())


class Diverged(InputError):
    """A training diverged; the message names it."""


class Interrupted(Exception):
    """The run was asked to stop; what is finished is kept."""


def all_told(errors: list[str], what: str) -> InputError:
    """Return one error for what is wrong with several songs or files, one line for each."""
    if len(errors) == 1:
        return InputError(errors[0])
    return InputError("\n  ".join([f"{len(errors)} {what}:", *errors]))


def unreadable(path: Path, error: Exception, expected: str = "text in UTF-8") -> InputError:
    """Return the error for a file that can't be read: what the system says, or that it isn't text."""
    if isinstance(error, UnicodeDecodeError):
        return InputError(f"{path}: can't be read: not text in UTF-8; expected {expected}")
    return InputError(f"{path}: can't be read: {getattr(error, 'strerror', None) or error}")


def shown(value: object) -> str:
    """Write what was found so that it fits into a sentence, whatever it is: quoted, and not too long."""
    return _SHORT.repr(value)


def listed(words: Sequence[str]) -> str:
    """Write words one after the other: ``a``; ``a and b``; ``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def did_you_mean(word: str, known: list[str]) -> str:
    """Return "; did you mean 'x'?" for the known word nearest to a misspelt one, or nothing."""
    near = get_close_matches(word, known, 1, 0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
