"""Reading DEAM's dynamic annotations: ``song_id,sample_15000ms,sample_15500ms,…``."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.errors import InputError

_COLUMN = re.compile(r"sample_(\d+)ms$")

# Milliseconds to value: time stamps are compared as whole numbers.
Curve = dict[int, float]


def read_dynamic(path: Path) -> dict[int, Curve]:
    """Read one target's averaged dynamic annotations.

    Parameters
    ----------
    path
        CSV with a row a song, empty cells after a song's end.

    Returns
    -------
    dict
        Song number to its curve (milliseconds to value).

    Raises
    ------
    InputError
        If the file is missing, empty or malformed, a value is not a finite number, there
        is a gap within a song, a song appears twice, or one has no or just one value.
    """
    rows = read_csv(path)
    stamps = _time_stamps(path, rows[0])
    curves: dict[int, Curve] = {}
    for line, row in enumerate(rows[1:], 2):
        song = whole_number(path, line, "song_id", row[0])
        if song in curves:
            raise InputError(f"{path}, line {line}: song {song} appears a second time")
        if len(row) > len(rows[0]):
            raise InputError(
                f"{path}, line {line}: song {song} has {len(row)} columns; the header has {len(rows[0])}"
            )
        curves[song] = _curve(path, line, song, row[1:], stamps)
    return curves


def _time_stamps(path: Path, header: list[str]) -> list[int]:
    if header[0] != "song_id":
        raise InputError(f"{path}, line 1: first column is {header[0]!r}; expected 'song_id'")
    stamps = []
    for name in header[1:]:
        match = _COLUMN.match(name.strip())
        if match is None:
            raise InputError(f"{path}, line 1: column {name!r}; expected a name like 'sample_15000ms'")
        stamps.append(int(match[1]))
    return stamps


def _curve(path: Path, line: int, song: int, cells: list[str], stamps: list[int]) -> Curve:
    filled = [k for k, cell in enumerate(cells) if cell.strip()]
    if len(filled) < 2:
        raise InputError(
            f"{path}, line {line}: song {song} has {len(filled) or 'no'} annotated "
            f"frame{'s' if not filled else ''}; expected at least 2"
        )
    curve = {}
    for k in range(filled[0], filled[-1] + 1):
        where = f"song {song}, column sample_{stamps[k]}ms"
        curve[stamps[k]] = finite_number(path, line, where, cells[k])
    return curve


def read_csv(path: Path, delimiter: str = ",") -> list[list[str]]:
    """Read a table as text: a header and at least one row, blank lines left out.

    Raises
    ------
    InputError
        If the file is missing, can't be read, or has no row below its header.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file, delimiter=delimiter) if any(row)]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: can't be read: {error}") from None
    if len(rows) < 2:
        found = "the file is empty" if not rows else "there is a header and nothing below it"
        raise InputError(f"{path}: {found}; expected a header and at least one row")
    return rows


def whole_number(path: Path, line: int, what: str, cell: str) -> int:
    """Read a cell as a whole number, or raise an InputError."""
    try:
        return int(cell)
    except ValueError:
        raise InputError(f"{path}, line {line}: {what} is {cell!r}; expected a whole number") from None


def finite_number(path: Path, line: int, what: str, cell: str) -> float:
    """Read a cell as a finite number, or raise an InputError."""
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{path}, line {line}: {what} is {cell!r}; expected a finite number")
    return value


def joined_targets(arousal: Curve, valence: Curve) -> tuple[list[int], NDArray[np.float64]]:
    """Join a song's two curves by time stamp; a frame that only one of them has is left out.

    Returns
    -------
    stamps, targets
        Milliseconds, and arousal and valence, shape (frames, 2).
    """
    stamps = sorted(arousal.keys() & valence.keys())
    return stamps, np.array([(arousal[s], valence[s]) for s in stamps], np.float64).reshape(-1, 2)
