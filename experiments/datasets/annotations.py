"""Reading DEAM's dynamic annotations: ``song_id,sample_15000ms,sample_15500ms,…``."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.datasets.deam_layout import sample_column, sample_stamp
from lstmcore.experiments.errors import InputError, unreadable
from lstmcore.experiments.files import check_file, whole_in

_ROUNDING_MS = 1  # of time stamps in whole milliseconds

LARGEST = float(np.finfo(np.float32).max)
"""A larger number counts as infinite: networks compute in single precision."""

# Milliseconds to value: time stamps are compared as whole numbers.
Curve = dict[int, float]

_MISSING = {"", "nan", "na"}


class Raters(NamedTuple):
    """What the raters of a song answered on one target."""

    stamps: list[int]
    """Milliseconds of the frames."""
    answers: NDArray[np.float64]
    """Shape (raters, frames), NaN where a rater didn't answer."""
    names: tuple[str, ...] = ()
    """Who they are; empty where nothing tells it: a row is then no one who is met in other songs."""


def read_dynamic(path: Path, scale: Sequence[float] | None = None) -> dict[int, Curve]:
    """Read one target's averaged dynamic annotations.

    Parameters
    ----------
    path
        CSV with one row per song, empty cells after a song's end.
    scale
        Lowest and highest value that there can be; None: any.

    Returns
    -------
    dict
        Song number to its curve (milliseconds to value).

    Raises
    ------
    InputError
        If the file is missing, empty or malformed, a value is not a finite number or outside the scale,
        there is a gap within a song, a song appears twice, or one has no value.
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
        curves[song] = _curve(path, line, song, row[1:], stamps, scale)
    return curves


def _time_stamps(path: Path, header: list[str]) -> list[int]:
    if header[0] != "song_id":
        raise InputError(f"{path}, line 1: first column is {header[0]!r}; expected 'song_id'")
    stamps: list[int] = []
    for name in header[1:]:
        stamp = sample_stamp(name)
        if stamp is None:
            raise InputError(f"{path}, line 1: column {name!r}; expected a name like 'sample_15000ms'")
        if stamps and stamp <= stamps[-1]:
            raise InputError(f"{path}, line 1: column {name!r} comes after {sample_column(stamps[-1])}")
        stamps.append(stamp)
    return stamps


def _curve(
    path: Path, line: int, song: int, cells: list[str], stamps: list[int], scale: Sequence[float] | None
) -> Curve:
    filled = [k for k, cell in enumerate(cells) if cell.strip()]
    if not filled:
        raise InputError(f"{path}, line {line}: song {song} has no annotated frames; expected at least 1")
    curve = {}
    for k in range(filled[0], filled[-1] + 1):
        where = f"song {song}, column {sample_column(stamps[k])}"
        curve[stamps[k]] = value = finite_number(path, line, where, cells[k])
        if scale is not None and not _inside(value, scale):
            raise _outside(path, line, where, cells[k], scale)
    return curve


def _outside(path: Path, line: int, where: str, cell: str, scale: Sequence[float]) -> InputError:
    return InputError(
        f"{path}, line {line}: {where} is {cell.strip()}; expected {scale[0]:g} to {scale[1]:g}, "
        "the scale of annotations that data.scale says"
    )


def _inside(value: float, scale: Sequence[float]) -> bool:
    rounding = 1e-9 * (scale[1] - scale[0])
    return scale[0] - rounding <= value <= scale[1] + rounding


def read_raters(path: Path, scale: Sequence[float] | None = None) -> Raters:
    """Read what each rater of a song answered on one target.

    Parameters
    ----------
    path
        CSV with one row per rater and columns ``sample_15000ms,…``; the first of other columns names
        the raters.
    scale
        Lowest and highest value that there can be; None: any.

    Returns
    -------
    Raters
        Raters who never answered are left out.

    Raises
    ------
    InputError
        If the file is missing or malformed, or a value is outside the scale.
    """
    header, *rows = read_csv(path)
    columns = {k: stamp for k, name in enumerate(header) if (stamp := sample_stamp(name)) is not None}
    if not columns:
        raise InputError(f"{path}, line 1: no column with a name like 'sample_15000ms'")
    answers = np.full((len(rows), len(columns)), np.nan)
    for line, row in enumerate(rows, 2):
        if len(row) > len(header):
            raise InputError(f"{path}, line {line}: {len(row)} columns; the header has {len(header)}")
        for n, k in enumerate(columns):
            if k < len(row) and row[k].strip().lower() not in _MISSING:
                where = f"column {header[k]}"
                answers[line - 2, n] = value = finite_number(path, line, where, row[k])
                if scale is not None and not _inside(value, scale):
                    raise _outside(path, line, where, row[k], scale)
    there = ~np.isnan(answers).all(1)
    naming = next((k for k, name in enumerate(header) if k not in columns and _says_who(name)), None)
    names = () if naming is None else tuple(row[naming].strip() if naming < len(row) else "" for row in rows)
    known = tuple(name for name, some in zip(names, there, strict=False) if some)
    return Raters([*columns.values()], answers[there], known if all(known) else ())


def _says_who(column: str) -> bool:
    """Whether a column isn't merely the number of the row."""
    return column.strip().lower() not in ("", "index", "row") and not column.startswith("Unnamed")


def hop_of(path: Path, curves: dict[int, Curve]) -> float | None:
    """Milliseconds from a frame to the next, which are the same in all songs.

    Returns
    -------
    float or None
        None if no song has two frames.

    Raises
    ------
    InputError
        If there are several hops.
    """
    steps = Counter(b - a for curve in curves.values() for a, b in pairwise(curve))
    if not steps:
        return None
    usual = steps.most_common(1)[0][0]
    for song, curve in curves.items():
        for a, b in pairwise(curve):
            if abs(b - a - usual) > _ROUNDING_MS:
                raise InputError(
                    f"{path}: song {song}: {sample_column(b)} comes {b - a} ms after the frame before it, "
                    f"and most {usual} ms; expected the same between all frames of all songs"
                )
    longest = max((list(curve) for curve in curves.values()), key=len)
    return (longest[-1] - longest[0]) / (len(longest) - 1)  # of thirds of a second, say, the exact one


def same_hop(one: float, other: float) -> bool:
    """Whether two hops, in milliseconds, differ by no more than the rounding of time stamps."""
    return abs(one - other) <= _ROUNDING_MS


def read_csv(path: Path, delimiter: str = ",") -> list[list[str]]:
    """Read a table as text: a header and at least one row, blank lines left out.

    Raises
    ------
    InputError
        If the file is missing, can't be read, or has no row below its header.
    """
    check_file(path, once=True)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file, delimiter=delimiter) if any(row)]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, csv.Error) as error:
        raise unreadable(path, error, "CSV in UTF-8") from None
    if len(rows) < 2:
        found = "the file is empty" if not rows else "there is a header and nothing below it"
        raise InputError(f"{path}: {found}; expected a header and at least one row")
    return rows


def whole_number(path: Path, line: int, what: str, cell: str) -> int:
    """Read a cell as a whole number, or raise an InputError."""
    found = whole_in(cell.strip().removeprefix("-"))
    if found is None:
        raise InputError(f"{path}, line {line}: {what} is {cell!r}; expected a whole number")
    return -found if cell.strip().startswith("-") else found


def finite_number(path: Path, line: int, what: str, cell: str) -> float:
    """Read a cell as a finite number, or raise an InputError."""
    try:
        value = math.nan if "_" in cell else float(cell)
    except ValueError:
        value = math.nan
    if not abs(value) <= LARGEST:
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
