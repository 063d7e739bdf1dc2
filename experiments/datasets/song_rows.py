"""Rows of tables by song: which files, which columns, and where each row stands."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.config import Columns
from lstmcore.experiments.datasets.table_file import Array, Part, TableFile
from lstmcore.experiments.errors import InputError

_LONGEST_SONG = 1e6  # in seconds
_MAGIC = ("*", "?", "[")


@dataclass(frozen=True)
class Files:
    """Tables that are read as one.

    Parameters
    ----------
    paths
        The files, at least one.
    named_by_song
        Whether files are called as their songs where they have no column that names it.
    """

    paths: list[Path]
    named_by_song: bool


def find_files(root: Path, names: Sequence[str], key: str) -> Files:
    """Find the files that names and patterns stand for.

    Parameters
    ----------
    root
        Folder that names are relative to.
    names
        Files, and patterns with ``*``, ``?``, ``[…]`` and ``**``.
    key
        Of the configuration, for errors.

    Raises
    ------
    InputError
        If there is no such file.
    """
    paths: dict[Path, None] = {}
    for name in names:
        path = root / name
        if path.is_dir():
            raise InputError(
                f"{path}: is a folder; {key} names files: expected such as '{name.rstrip('/')}/*.csv'"
            )
        if path.exists() or not any(sign in name for sign in _MAGIC):
            paths[path] = None
            continue
        found = glob.glob(name, root_dir=root, recursive=True)  # noqa: PTH207  (the folder's own name is no pattern)
        if not found:
            raise InputError(f"{path}: there are no such files, which {key} names; expected at least one")
        paths |= dict.fromkeys(root / name for name in sorted(found))
    patterns = any(sign in name for name in names for sign in _MAGIC)
    return Files(list(paths), patterns or len(paths) > 1)


@dataclass(frozen=True)
class Rows:
    """All rows of a song, in the order of their times.

    Parameters
    ----------
    times
        Seconds, shape (rows,); None if the tables have no time.
    numbers
        Shape (rows, columns); NaN where a cell is empty.
    texts
        Columns of text.
    files
        The tables.
    places
        Table and row, of each row, shape (rows, 2).
    """

    times: Array | None
    numbers: Array
    texts: dict[str, NDArray[np.object_]]
    files: list[TableFile] = field(repr=False)
    places: NDArray[np.int64] = field(repr=False)

    def __len__(self) -> int:
        return len(self.numbers)

    def where(self, row: int) -> str:
        """File and line of a row."""
        return self.files[int(self.places[row, 0])].where(int(self.places[row, 1]))

    def path(self, row: int) -> Path:
        """File of a row."""
        return self.files[int(self.places[row, 0])].path

    def some(self, rows: NDArray[np.intp]) -> Rows:
        """Return some of the rows."""
        times = None if self.times is None else self.times[rows]
        texts = {name: column[rows] for name, column in self.texts.items()}
        return Rows(times, self.numbers[rows], texts, self.files, self.places[rows])


@dataclass(frozen=True)
class _Piece:
    places: NDArray[np.int64]
    numbers: Array
    texts: dict[str, NDArray[np.object_]]


class _Reader:
    """Deals the rows of tables out to songs."""

    def __init__(self, files: Files, columns: Columns, numbers: list[str], texts: list[str]) -> None:
        self._columns, self._numbers, self._texts = columns, numbers, texts
        self._named = files.named_by_song
        self._files = [TableFile(path) for path in files.paths]
        self._pieces: dict[str, list[_Piece]] = {}
        self._time = [self._time_of(file) for file in self._files]
        timed = [time is not None for time in self._time]
        if any(timed) and not all(timed):
            raise self._files[timed.index(False)].no_column(columns.time[0], f"{columns.section}.time")

    def read(self) -> dict[str, Rows]:
        for number, file in enumerate(self._files):
            self._read(number, file)
        return {song: self._song(song, self._pieces.pop(song)) for song in sorted(self._pieces)}

    def _key(self, name: str) -> str:
        return f"{self._columns.section}.{name}"

    def _named_by(self, column: str) -> str:
        """Return which key names a column."""
        own = self._columns
        if column in own.column_of.values():
            return "columns" if column in own.columns.values() else "targets"
        if column in (own.rater, own.value):
            return "rater" if column == own.rater else "value"
        return "metadata" if column in self._texts else "features"

    def _song_of(self, file: TableFile) -> str | None:
        names = self._columns.song
        found = file.chosen(names, self._key("song"))
        if found is None and not (self._named and Columns().song[0] in names):
            raise file.no_column(names[0], self._key("song"))
        return found

    def _time_of(self, file: TableFile) -> str | None:
        names = self._columns.time
        found = file.chosen(names, self._key("time"))
        if found is None and Columns().time[0] not in names:
            raise file.no_column(names[0], self._key("time"))
        return found

    def _read(self, number: int, file: TableFile) -> None:
        import pandas as pd

        song, time = self._song_of(file), self._time[number]
        for name in (*self._numbers, *self._texts):
            if name not in file.columns:
                raise file.no_column(name, self._key(self._named_by(name)))
        texts = [*([] if song is None else [song]), *self._texts]
        numbers = [*([] if time is None else [time]), *self._numbers]

        def deal(part: Part) -> None:
            rows = np.arange(part.first, part.first + len(part.numbers), dtype=np.int64)
            if song is None:
                codes, names = np.zeros(len(rows), np.int64), [file.path.stem]
            else:
                codes, found = pd.factorize(part.texts[song])
                names = [str(name) for name in found]
            if "" in names:
                row = part.first + int((codes == names.index("")).argmax())
                raise InputError(f"{file.where(row)}: column {song} is empty; expected which song it is")
            order = np.argsort(codes, kind="stable")
            for name, own in zip(names, np.split(order, np.cumsum(np.bincount(codes))[:-1]), strict=True):
                places = np.column_stack([np.full(len(own), number), rows[own]])
                words = {word: part.texts[word][own] for word in self._texts}
                self._pieces.setdefault(name, []).append(_Piece(places, part.numbers[own], words))

        file.read(texts, numbers, deal)

    def _song(self, song: str, pieces: list[_Piece]) -> Rows:
        places = np.concatenate([piece.places for piece in pieces])
        numbers = np.concatenate([piece.numbers for piece in pieces])
        texts = {name: np.concatenate([piece.texts[name] for piece in pieces]) for name in self._texts}
        if self._time[0] is None:
            return Rows(None, numbers, texts, self._files, places)
        times, numbers = numbers[:, 0], numbers[:, 1:]
        if self._columns.time_unit == "ms":
            times = times / 1000
        wrong = ~((times >= 0) & (times <= _LONGEST_SONG))
        rows = Rows(times, numbers, texts, self._files, places)
        if wrong.any():
            row = int(wrong.argmax())
            found = "empty" if np.isnan(times[row]) else f"{times[row]:g} s"
            raise InputError(
                f"{rows.where(row)}: the time of song {song} is {found}; expected 0 to {_LONGEST_SONG:g} s"
            )
        order = np.argsort(times, kind="stable")
        ordered = {name: column[order] for name, column in texts.items()}
        return Rows(times[order], numbers[order], ordered, self._files, places[order])


def read_rows(files: Files, columns: Columns, numbers: list[str], texts: list[str]) -> dict[str, Rows]:
    """Read tables song by song.

    Parameters
    ----------
    files
        The tables.
    columns
        What the columns of song and time are called.
    numbers, texts
        Columns to read.

    Returns
    -------
    dict
        Song, as it is written, to its rows.

    Raises
    ------
    InputError
        If a table can't be read, a column is missing, or a cell is wrong; file and line are named.
    """
    return _Reader(files, columns, numbers, texts).read()


def twice(song: str, rows: Rows, times: Array, first: int, of: str = "") -> InputError:
    """Return the error for two rows of one time stamp, the first of which is given."""
    both = f"{rows.where(first)} and {rows.where(first + 1).removeprefix(str(rows.path(first)) + ', ')}"
    return InputError(f"{both}: song {song} has two rows of {times[first]:g} s{of}; expected one")


def check_rows_once(song: str, rows: Rows, columns: Columns, of: str = "") -> None:
    """Raise InputError if a song has two rows of one time stamp, or several without a time."""
    if rows.times is None:
        if len(rows) > 1:
            file = rows.files[rows.places[0, 0]]
            raise InputError(
                f"{file.no_column(columns.time[0], f'{columns.section}.time')}; without it there is a row "
                f"per song, and song {song} has {len(rows)}{of}: {rows.where(0)}; {rows.where(1)}"
            )
        return
    same = np.flatnonzero(np.diff(rows.times) <= 0)
    if len(same):
        raise twice(song, rows, rows.times, int(same[0]), of)
