"""The source ``table``: features that are there already, and annotations beside them or in other files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lstmcore.experiments.config import TABLE, Data, TableData, is_meant
from lstmcore.experiments.datasets.own_data import Features
from lstmcore.experiments.datasets.ratings import Rating, RatingColumns, ratings_of, read_ratings
from lstmcore.experiments.datasets.song_rows import Files, Rows, check_rows_once, find_files, read_rows
from lstmcore.experiments.datasets.table_file import TableFile
from lstmcore.experiments.errors import InputError, did_you_mean


class Tables:
    """Features and annotations of tables.

    Parameters
    ----------
    root
        Folder that files are relative to.
    config
        The ``data`` section.

    Raises
    ------
    InputError
        If a table can't be used; file and line are named.
    """

    name = TABLE

    def __init__(self, root: Path, config: Data) -> None:
        own = config.table
        assert own is not None  # the configuration has seen to it
        texts = tuple(own.metadata) if isinstance(own.metadata, list) else ()
        self._own = own
        files = find_files(root, own.file, "data.table.file")
        wanted = RatingColumns(own, (config.scale[0], config.scale[1]), texts=texts)
        together = own.annotations is None
        targets = list(own.column_of.values())
        self.names = _features(files, own, [*targets, *texts] if together else [])
        self.ratings: dict[str, Rating]
        if together:
            everything = [*([] if own.rater is None else [own.rater]), *texts]
            rows = read_rows(files, own, [*targets, *self.names], everything)
            width = len(targets)
            self.ratings = ratings_of(
                {song: _columns(one, slice(width)) for song, one in rows.items()}, wanted
            )
            self._rows: Mapping[str, Rows] = {s: _columns(one, slice(width, None)) for s, one in rows.items()}
        else:
            assert own.annotations is not None
            self._rows = read_rows(files, own, self.names, [])
            self.ratings = read_ratings(root, own.annotations, wanted)
        if not self.ratings:
            raise InputError(
                f"{files.paths[0]}: no song has annotations; expected some in {', '.join(targets)}"
            )

    def songs(self) -> set[str]:
        """Songs that there are rows of."""
        return set(self._rows)

    def features(self, song: str) -> Features:
        """Features of a song, or an InputError."""
        rows = self._rows[song]
        empty = np.isnan(rows.numbers)
        if empty.any():
            row, column = np.argwhere(empty)[0]
            raise InputError(
                f"{rows.where(int(row))}: song {song}: column {self.names[column]} is empty; expected "
                "a finite number"
            )
        check_rows_once(song, rows, self._own)
        return Features(rows.times, rows.numbers)

    def beyond(self, song: str, rating: Rating, frame: int, features: Features) -> InputError:
        """Return the error for an annotated frame without features: it names both."""
        assert rating.times is not None
        assert features.times is not None
        time = rating.times[frame]
        near = int(np.abs(features.times - time).argmin())
        return InputError(
            f"{rating.where(frame)}: song {song} is annotated at {time:g} s, and its features nearest "
            "to that are of "
            f"{features.times[near]:g} s ({self._rows[song].where(near)}); expected some within half a hop"
        )


def _columns(rows: Rows, which: slice) -> Rows:
    return Rows(rows.times, rows.numbers[:, which], rows.texts, rows.files, rows.places)


def _features(files: Files, own: TableData, others: list[str]) -> list[str]:
    """Names of the feature columns, in the order of the first table."""
    file = TableFile(files.paths[0])
    taken = {*own.song, *own.time, *others} | ({own.rater} if own.rater else set())
    named: set[str] = set()
    for pattern in own.features:
        if pattern in file.columns and pattern in taken:
            raise InputError(
                f"data.table.features has {pattern!r}, which is the song, the time or a target; "
                "expected another column"
            )
        found = [name for name in file.columns if name not in taken and is_meant(name, pattern)]
        if not found:
            raise InputError(
                f"{file.path}, line 1: no column {pattern!r}, which data.table.features names; found "
                f"{', '.join(file.columns[:8])}{did_you_mean(pattern, file.columns)}"
            )
        named |= set(found)
    return [name for name in file.columns if name in named]
