"""Values of a curve at times that a person gives: bars, sentences, scenes."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lstmcore.experiments.errors import InputError, unreadable
from lstmcore.experiments.prediction.outputs.facts import END, FILE, LABEL, TIME, Facts, value_columns
from lstmcore.features.errors import printable

# Names of columns in a header, as spreadsheets, Audacity, Sonic Visualiser and BIDS have them.
_NAMES = {
    "time": ("time", "start", "begin", "onset", "seconds"),
    "end": ("end", "stop", "offset"),
    "duration": ("duration",),
    "label": ("label", "text", "name", "bar", "sentence"),
    "song": ("file", "song"),
}
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d+(?:\.\d*)?)")
_LEAST = 0.001  # seconds: time stamps of the formats with intervals are whole milliseconds


@dataclass(frozen=True)
class Moment:
    """A line of a file of times: a time, or an interval."""

    line: int
    begin: float
    end: float | None = None
    label: str = ""
    song: str = ""

    @property
    def last(self) -> float:
        """The latest time of it."""
        return self.begin if self.end is None else self.end


@dataclass(frozen=True)
class Times:
    """Times at which values are wanted.

    Parameters
    ----------
    source
        The file.
    moments
        Its lines.
    """

    source: Path
    moments: tuple[Moment, ...]

    def check_songs(self, songs: Iterable[Path]) -> None:
        """Refuse a song that isn't among those given.

        Raises
        ------
        InputError
            It names the line.
        """
        known = {name for path in songs for name in _names_of(path)}
        for moment in self.moments:
            if moment.song and moment.song not in known:
                raise InputError(
                    f"{self.source}, line {moment.line}: song {moment.song!r} is none of the songs given; "
                    "expected the name of one of them, with or without its folder and suffix"
                )

    def check_rising(self, wanted: str, *, overlaps: bool = False) -> None:
        """Refuse times that don't rise and intervals that overlap: some formats have no place for them.

        Parameters
        ----------
        wanted
            The format, for the message.
        overlaps
            Whether it has a place for intervals that overlap.

        Raises
        ------
        InputError
            It names the lines.
        """
        before: dict[str, Moment] = {}
        for moment in self.moments:
            last = before.get(moment.song)
            if last is not None:
                later = last.begin + _LEAST
                if moment.begin < (later if overlaps else max(later, last.last)):
                    until, expected = ("begins", "rise") if overlaps else ("ends", "rise and don't overlap")
                    raise InputError(
                        f"{self.source}, line {moment.line}: begins at {moment.begin:g} s, before line "
                        f"{last.line} {until}; for --format {wanted} times that {expected} are expected"
                    )
            before[moment.song] = moment

    def values(self, table: pd.DataFrame, facts: Facts, song: Path) -> pd.DataFrame:
        """Values of a song at the times.

        Parameters
        ----------
        table
            Predictions of the song.
        facts
            Of the table.
        song
            Its path as it was given.

        Returns
        -------
        pandas.DataFrame
            One row for each line, with the columns of `table` and, if there are any, ``end`` and ``label``.
            At a time a value lies on the straight line between its neighbours; of an interval it is the mean
            of that curve, with spreads averaged likewise.

        Raises
        ------
        InputError
            If a time is outside the song, or if the file has times of other songs only.
        """
        names = _names_of(song)
        wanted = [m for m in self.moments if not m.song or m.song in names]
        if not wanted:
            raise InputError(f"{self.source}: has no times of this song")
        times = table[TIME].to_numpy(np.float64)
        end = float(times[-1]) + facts.window_seconds + facts.hop_seconds
        for moment in wanted:
            if moment.last > end:
                raise InputError(
                    f"{self.source}, line {moment.line}: {moment.last:g} s is after the end of the song; "
                    f"expected 0 to {end:g} s"
                )
        found: dict[str, object] = {FILE: table[FILE].iloc[0], TIME: [m.begin for m in wanted]}
        if any(m.end is not None for m in self.moments):
            found[END] = [m.last for m in wanted]
        if any(m.label for m in self.moments):
            found[LABEL] = [m.label for m in wanted]
        for name in value_columns(table):
            curve = table[name].to_numpy(np.float64)
            found[name] = [_value(times, curve, moment) for moment in wanted]
        return pd.DataFrame(found)


def _names_of(path: Path) -> tuple[str, str, str]:
    return printable(path), printable(path.name), printable(path.stem)


def _value(times: NDArray[np.float64], curve: NDArray[np.float64], moment: Moment) -> float:
    """Value at a time, or mean over an interval; before the first time stamp and after the last it stays."""
    if moment.end is None:
        return float(np.interp(moment.begin, times, curve))
    inner = times[(times > moment.begin) & (times < moment.end)]
    knots = np.concatenate([[moment.begin], inner, [moment.end]])
    return float(np.trapezoid(np.interp(knots, times, curve), knots)) / (moment.end - moment.begin)


def read_times(path: Path) -> Times:
    """Read a file of times.

    Parameters
    ----------
    path
        Text with one time or interval on each line, in seconds or as minutes:seconds: ``12.5``; ``12.5,18``;
        ``12.5,18,chorus``, with commas, semicolons, tabs or spaces between (the labels that Audacity exports
        are such a file).  A header may name the columns: time or start, end or duration, label,
        and file for the song that a line is about.  Lines that begin with # are passed over.

    Raises
    ------
    InputError
        If it can't be read, holds no times, or a line is none; the line is named.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error, "times in seconds") from None
    rows = list(_rows(text))
    if not rows:
        raise InputError(f"{path}: no times; expected one on each line, in seconds")
    columns = _header(path, *rows[0])
    if columns is None:
        columns = {}
    else:
        rows = rows[1:]
        if not rows:
            raise InputError(f"{path}: no times below the header; expected one on each line, in seconds")
    return Times(path, tuple(_moment(path, line, cells, columns) for line, cells in rows))


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    for line, content in enumerate(text.splitlines(), 1):
        # A backslash begins what Audacity says of frequencies.
        if not content.strip() or content.startswith(("#", "\\")):
            continue
        between = next((mark for mark in "\t;," if mark in content), None)
        if between is None:
            cells = content.split(maxsplit=2)
        else:
            cells = next(csv.reader([content], delimiter=between))
        yield line, [cell.strip() for cell in cells]


def _header(path: Path, line: int, cells: list[str]) -> dict[str, int] | None:
    """Places of the columns, or None where the first row is no header."""
    names = [cell.lower() for cell in cells]
    known_names = {name for known in _NAMES.values() for name in known}
    if _seconds(cells[0]) is not None or known_names.isdisjoint(names):
        return None
    columns = {}
    for role, known in _NAMES.items():
        found = [place for place, name in enumerate(names) if name in known]
        if len(found) > 1:
            both = " and ".join(repr(cells[place]) for place in found[:2])
            raise InputError(f"{path}, line {line}: columns {both} are both a {role}; expected one of them")
        if found:
            columns[role] = found[0]
    if "time" not in columns:
        raise InputError(f"{path}, line {line}: no column time (or start); found {', '.join(cells)}")
    if "end" in columns and "duration" in columns:
        raise InputError(f"{path}, line {line}: columns end and duration; expected one of them")
    return columns


def _moment(path: Path, line: int, cells: list[str], columns: dict[str, int]) -> Moment:
    if columns:
        given = {role: cells[place] for role, place in columns.items() if place < len(cells)}
    elif len(cells) == 2 and _seconds(cells[1]) is None:
        given = {"time": cells[0], "label": cells[1]}
    else:
        given = dict(zip(("time", "end", "label"), cells, strict=False))
        given["label"] = ", ".join(cells[2:])
    where = f"{path}, line {line}"
    begin = _time(where, given.get("time", ""))
    label, song = printable(given.get("label", "")), given.get("song", "")
    if "song" in columns and not song:
        raise InputError(f"{where}: no song in its column; expected the name of one")
    if given.get("duration"):
        end = begin + _time(where, given["duration"])
    else:
        end = _time(where, given["end"]) if given.get("end") else begin
    if end == begin:  # as Audacity writes a label of one time
        return Moment(line, begin, None, label, song)
    if end < begin + _LEAST:
        raise InputError(f"{where}: ends at {end:g} s and begins at {begin:g} s; expected an end after it")
    return Moment(line, begin, end, label, song)


def _time(where: str, text: str) -> float:
    seconds = _seconds(text)
    if seconds is None:
        raise InputError(f"{where}: {text!r}; expected a time in seconds, such as 12.5, or 1:02.5")
    if seconds < 0:
        raise InputError(f"{where}: {text} is before the beginning of the song; expected 0 or more")
    return seconds


def _seconds(text: str) -> float | None:
    clock = _CLOCK.fullmatch(text)
    if clock is not None:
        hours, minutes, seconds = clock.groups()
        return 3600 * int(hours or 0) + 60 * int(minutes) + float(seconds)
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
