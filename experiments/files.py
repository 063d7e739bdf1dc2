"""Files that are written whole or not at all (`lstmcore.features.files`), and text that others wrote."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmcore.experiments.errors import InputError
from lstmcore.features.errors import printable
from lstmcore.features.files import (
    check_writable,
    is_leftover,
    leftovers,
    make_folder,
    read_plain,
    remove_leftovers,
    replacing,
    write_whole,
)

if TYPE_CHECKING:
    import pandas

_GIVEN = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")
_MOST_DIGITS = 18  # so that it is a number of 64 bits

__all__ = [
    "check_file",
    "check_plain",
    "check_writable",
    "encoded",
    "from_json",
    "from_toml",
    "is_leftover",
    "leftovers",
    "make_folder",
    "read_plain",
    "remove_leftovers",
    "replacing",
    "whole_in",
    "write_csv",
    "write_json",
    "write_text",
    "write_whole",
]

# A dotted key of more parts than any section has: reading one takes time with the square of their number.
_LONG_KEY = re.compile(r"""(?<![\w.-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){64}""")


def check_file(path: Path, *, once: bool = False) -> None:
    """See that what a path leads to, if anything, is neither waited for when it is read nor without end.

    Parameters
    ----------
    path
        A file that somebody else may have made.
    once
        It is read once only: a pipe that the command was given open, as by ``<(…)``, will do.

    Raises
    ------
    InputError
        For a pipe, socket or device.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # whoever opens it says so
        return
    given = once and stat.S_ISFIFO(mode) and str(path).startswith(_GIVEN)
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or given):
        more = "" if once else ", which is read more than once"
        raise InputError(f"{printable(path)}: a pipe or device; expected a file{more}")


def check_plain(folder: Path) -> None:
    """See that a folder which is written to holds files and folders, and no way out of it.

    Raises
    ------
    InputError
        With the first link that leads elsewhere, or pipe, socket or device.
    """
    inside, left = folder.resolve(), [folder]
    while left:
        with suppress(FileNotFoundError), os.scandir(left.pop()) as entries:  # removed by somebody meanwhile
            for entry in entries:
                if entry.is_symlink():
                    meant = Path(os.path.realpath(entry.path))
                    if not meant.is_relative_to(inside):
                        found = f"a link to {printable(meant)}"
                        raise InputError(f"{printable(entry.path)}: {found}; expected none out of the folder")
                elif entry.is_dir():
                    left.append(Path(entry.path))
                elif not entry.is_file():
                    raise InputError(f"{printable(entry.path)}: a pipe or device; expected a file or folder")


def write_text(path: Path, text: str) -> None:
    """Write text in UTF-8, whole or not at all.

    Raises
    ------
    InputError
        If the text has a name that isn't UTF-8.
    OSError
        With the file's name, if the disk is full or the folder not writable.
    """
    write_whole(path, encoded(path, text))


def encoded(path: Path, text: str) -> bytes:
    """Return text as a file holds it; InputError, with the file's name, for a name that isn't UTF-8."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:  # the name of a folder, say
        line = text[: error.end].splitlines()[-1] + text[error.end :].partition("\n")[0]
        raise InputError(f"{printable(path)}: can't hold what isn't UTF-8: {printable(line)}") from None


def write_csv(path: Path, table: pandas.DataFrame, decimals: int) -> None:
    """Write a table as CSV, whole or not at all."""
    write_text(path, table.to_csv(index=False, float_format=f"%.{decimals}f", lineterminator="\n"))


def write_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all; what is not finite is a ValueError."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def whole_in(text: str) -> int | None:
    """Return the whole number from 0 on that a text is, in digits alone; None if it is something else.

    A number of more than 18 digits is a name.
    """
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else None


def from_json(text: str | bytes) -> Any:
    """Read JSON; whatever is wrong with it, lists in thousands of lists included, is a ValueError."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("lists or objects are nested too deeply") from None


def from_toml(text: str) -> dict[str, Any]:
    """Read TOML; whatever is wrong with it, lists in thousands of lists included, is a ValueError."""
    if long := _LONG_KEY.search(text):
        raise ValueError(f"a key of more than 64 parts (at line {text.count(chr(10), 0, long.start()) + 1})")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("lists or tables are nested too deeply") from None
