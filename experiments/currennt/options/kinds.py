"""What the value of an option may be: how it is read from text, written, and what is expected."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lstmcore.experiments.errors import InputError

LARGEST_UNSIGNED = 2**32 - 1
LARGEST_SIGNED = 2**31 - 1
_YES = ("true", "1", "yes", "on")
_NO = ("false", "0", "no", "off")
# Python's own readers would also take 1_000, nan, and digits of other scripts.
_WHOLE = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class OptionError(InputError):
    """An option is unknown, repeated, incomplete, or its value can't be used."""


@dataclass(frozen=True)
class Kind:
    """A kind of value.

    Parameters
    ----------
    argument
        What stands for a value in the list of options.
    expected
        What a wrong value is told.
    read
        From text to value; a ValueError says that the text is none.
    write
        From value to text that `read` turns into the same value.
    complaint
        What stands before the rest of the message about a wrong value.
    """

    argument: str
    expected: str
    read: Callable[[str], Any]
    write: Callable[[Any], str] = str
    complaint: str = ""


def _read_boolean(text: str) -> bool:
    word = text.lower()
    if word not in _YES + _NO:
        raise ValueError(text)
    return word in _YES


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(text)
    return text


def _within(value: Any, right: bool) -> Any:
    if not right:
        raise ValueError(value)
    return value


def write_number(value: float) -> str:
    """Return the shortest text that reads back as the same number; whole ones without ".0"."""
    return repr(float(value)).removesuffix(".0")


def whole(low: int, high: int = LARGEST_UNSIGNED) -> Kind:
    """Return the kind of whole numbers from `low` to `high`."""

    def read(text: str) -> int:
        value = int(_matching(_WHOLE, text))
        return int(_within(value, low <= value <= high))

    return Kind("N", f"a whole number from {low} to {high}", read)


def number(expected: str, accepts: Callable[[float], bool]) -> Kind:
    """Return the kind of finite numbers that `accepts` accepts."""

    def read(text: str) -> float:
        value = float(_matching(_NUMBER, text))
        return float(_within(value, math.isfinite(value) and accepts(value)))

    return Kind("X", expected, read, write_number)


def word(*choices: str) -> Kind:
    """Return the kind of one of several words."""

    def read(text: str) -> str:
        return str(_within(text, text in choices))

    return Kind("WORD", " or ".join((", ".join(choices[:-1]), choices[-1])), read)


def _signed(low: int, negative: Callable[[int], int | None]) -> Callable[[str], int | None]:
    """Read whole numbers from `low` to 2³² − 1 and, as the original does, those from −2³¹ on below 0."""

    def read(text: str) -> int | None:
        value = int(_matching(_WHOLE, text))
        if -LARGEST_SIGNED - 1 <= value < 0:
            return negative(value)
        return int(_within(value, low <= value <= LARGEST_UNSIGNED))

    return read


_read_limit_number = _signed(1, lambda _: None)


def _read_limit(text: str) -> int | None:
    value = None if text == "inf" else _read_limit_number(text)
    return None if value == LARGEST_UNSIGNED else value


def _read_files(text: str) -> tuple[str, ...]:
    # Blanks belong to the names: the original doesn't trim them either; separators may be several.
    names = tuple(re.split("[,;]+", text)) if text else ()
    return tuple(_within(names, all(names)))


def _read_optimizer(text: str) -> str:
    return str(_within(text, text == "steepest_descent"))


BOOLEAN = Kind("BOOL", "true, false, 1, 0, yes, no, on or off", _read_boolean, lambda on: str(int(on)))
TEXT = Kind("TEXT", "text", str)
FILE = Kind("FILE", "the name of a file", lambda text: _within(text, bool(text)))
FILES = Kind("FILES", "names of files with , or ; between them, not at the ends", _read_files, ",".join)
SWITCH = Kind("", "no value", _read_boolean)
OPTIMIZER = Kind("WORD", "steepest_descent", _read_optimizer, complaint="Unknown optimizer type: ")
# "No limit" is written as the largest number, which the original reads as well.
LIMIT = Kind(
    "N",
    f'"inf", a whole number from 1 to {LARGEST_UNSIGNED}, or one below 0, which means "inf"',
    _read_limit,
    lambda limit: str(LARGEST_UNSIGNED if limit is None else limit),
)
# The original keeps the bits: −1 is the largest number.
SEED = Kind(
    "N", f"a whole number from 0 to {LARGEST_UNSIGNED}, or one below 0", _signed(0, lambda n: n + 2**32)
)
PIECES = Kind(
    "N",
    f"a whole number from 0 to {LARGEST_UNSIGNED}, or one below 0, which means 0",
    _signed(0, lambda _: 0),
)
# Differences of such numbers are finite in float32.
NUMBER = number("a number from -1e30 to 1e30", lambda value: abs(value) <= 1e30)
NOT_NEGATIVE = number("a number from 0", lambda value: value >= 0)
POSITIVE = number("a number above 0", lambda value: value > 0)
FRACTION = number("a number above 0, at most 1", lambda value: 0 < value <= 1)
BELOW_ONE = number("a number from 0 to below 1", lambda value: 0 <= value < 1)
