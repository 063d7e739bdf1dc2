"""What is known of songs beside their sound and ratings: a table with a row per song."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from lstmcore.experiments.datasets.annotations import read_csv, whole_number
from lstmcore.experiments.datasets.song import Metadata, SongId
from lstmcore.experiments.errors import InputError, did_you_mean


def read_metadata(
    path: Path,
    key: str = "song_id",
    song_of: Callable[[Path, int, str, str], SongId] = whole_number,
) -> Metadata:
    """Read a table of metadata.

    Parameters
    ----------
    path
        CSV with a header; a cell that is missing at the end of a row is empty.
    key
        The column that names the song.
    song_of
        Reads a cell of it: from the file, the line, the column and the cell.

    Returns
    -------
    dict
        Every column of every song, white space around it taken away.

    Raises
    ------
    InputError
        If the file is missing or malformed, or a song has two rows.
    """
    header, *rows = read_csv(path)
    names = [name.strip() for name in header]
    if key not in names:
        raise InputError(
            f"{path}, line 1: no column {key!r}, which names the songs{did_you_mean(key, names)}"
        )
    found: Metadata = {}
    for line, row in enumerate(rows, 2):
        if len(row) > len(names):
            raise InputError(f"{path}, line {line}: {len(row)} columns; the header has {len(names)}")
        cells = [cell.strip() for cell in row] + [""] * (len(names) - len(row))
        song = song_of(path, line, key, cells[names.index(key)])
        if song in found:
            raise InputError(f"{path}, line {line}: song {song} appears a second time")
        found[song] = dict(zip(names, cells, strict=True))
    return found


def check_groups(path: Path, metadata: Metadata, column: str, songs: Iterable[SongId]) -> None:
    """See that the column that ``folds.group`` names says a group of each song.

    Parameters
    ----------
    path
        The metadata's file.
    metadata
        Its content.
    column
        The column.
    songs
        Those that are dealt out to folds.

    Raises
    ------
    InputError
        If there is no such column, or songs have no value there; file and column are named.
    """
    columns = list(next(iter(metadata.values())))
    if column not in columns:
        raise InputError(
            f"{path}: no column {column!r}, which folds.group names; expected one of "
            f"{', '.join(columns)}{did_you_mean(column, columns)}"
        )
    without = [song for song in songs if not metadata.get(song, {}).get(column)]
    if without:
        what = "no value" if without[0] in metadata else "no row"
        more = f" ({len(without)} such songs)" if len(without) > 1 else ""
        raise InputError(
            f"{path}: song {without[0]} has {what} in column {column!r}{more}; expected the group of every "
            "development song, since folds.group names this column"
        )
