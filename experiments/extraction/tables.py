"""Tables of features in files: one per song, or one for all; CSV as in the DEAM data set, or Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol

import numpy as np

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.extraction.inputs import table_names
from lstmcore.experiments.files import replacing, write_whole
from lstmcore.features.errors import printable

if TYPE_CHECKING:
    import pandas

Format = Literal["csv", "parquet"]

# Suffixes of files that hold tables: a folder of such a name is nobody's wish.
_OTHER_FORMATS = {".arff", ".feather", ".gz", ".h5", ".hdf5", ".json", ".npy", ".npz", ".ods", ".pkl"}
_OTHER_FORMATS |= {".tsv", ".txt", ".xls", ".xlsx", ".zip"}
_GROUP_ROWS = 50_000  # of a Parquet file: some 50 MB, and few enough groups for the file's table of contents


class Tables(Protocol):
    """Where the tables of songs go."""

    @property
    def in_order(self) -> bool:
        """Whether tables must come in the order of the songs."""

    def add(self, path: Path, table: pandas.DataFrame) -> None:
        """Write the table of a song."""


def is_one_table(out: Path) -> bool:
    """Return whether a name stands for one table for all songs, not for a folder."""
    return _said(out) in ("csv", "parquet") and not out.is_dir()


def _said(out: Path) -> str:
    return out.suffix.lower().removeprefix(".")


@contextmanager
def open_tables(
    out: Path, songs: dict[Path, str], columns: tuple[str, ...], wanted: Format | None
) -> Iterator[Tables]:
    """Open a folder or file for the tables of songs.

    Parameters
    ----------
    out
        A name that ends in ``.csv`` or ``.parquet``: one table for all songs, with their
        paths in a first column ``file``.  Any other, or an existing folder: one table per song.
    songs
        From `lstmcore.experiments.extraction.find_songs`.
    columns
        Of the tables.
    wanted
        Format; None: what the name says, else CSV.

    Returns
    -------
    context manager of Tables
        One table for all is written whole or, if the block ends in an error or no song came, not at all.

    Raises
    ------
    InputError
        If names and format don't go together, if two songs would have one table, if a format is named
        that is none of ours, or if pyarrow is needed and missing.
    OSError
        If `out` can't be written to.
    """
    said, single = _said(out), is_one_table(out)
    if single and wanted not in (None, said):
        raise InputError(f"--out {out} with --format {wanted}; a name that ends in .{wanted} is expected")
    chosen = said if single else wanted or "csv"
    if chosen == "parquet":
        _require_pyarrow()
    if single:
        with replacing(out, even_empty=False) as file:
            table = (_OneParquet if chosen == "parquet" else _OneCsv)(file, columns)
            try:
                yield table
                table.finish()
            finally:
                table.let_go()
        return
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; expected a folder, or a name that ends in .csv or .parquet")
    if out.suffix.lower() in _OTHER_FORMATS and not out.is_dir():
        raise InputError(f"{out}: unknown suffix {out.suffix!r}; expected .csv, .parquet or a folder's name")
    names = table_names(songs, f".{chosen}")
    out.mkdir(parents=True, exist_ok=True)
    yield _Folder(out, names, parquet_bytes if chosen == "parquet" else deam_csv)


def _require_pyarrow() -> None:
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        from lstmcore.installing import install_extra

        how = install_extra("parquet")
        raise InputError(f"Parquet is written by pyarrow, which is not installed; {how}") from None


@dataclass(frozen=True)
class _Folder:
    """One file per song."""

    folder: Path
    names: dict[Path, str]
    content: Callable[[pandas.DataFrame], bytes]
    in_order: bool = False

    def add(self, path: Path, table: pandas.DataFrame) -> None:
        write_whole(self.folder / self.names[path], self.content(table))


def deam_csv(table: pandas.DataFrame) -> bytes:
    """Write a table of features as the DEAM data set has them.

    That is as openSMILE writes tables: ``;`` between, time with six decimals, features with
    seven digits, whole numbers without a point.
    """
    return f"{';'.join(table.columns)}\n{_csv_rows(table)}".encode()


def _csv_rows(table: pandas.DataFrame, before: str = "") -> str:
    rows = table.to_numpy().tolist()
    return "".join(f"{before}{time:.6f};{';'.join(map(_cell, features))}\n" for time, *features in rows)


def _cell(value: float) -> str:
    return f"{value:.0f}" if value.is_integer() else f"{value:.6e}"


def parquet_bytes(table: pandas.DataFrame) -> bytes:
    """Write a table as Parquet: time in double, features in single precision."""
    out = io.BytesIO()
    table.to_parquet(out, engine="pyarrow", index=False)
    return out.getvalue()


def _quoted(path: str) -> str:
    line = io.StringIO()
    csv.writer(line, delimiter=";", lineterminator="").writerow([path])
    return line.getvalue()


class _OneCsv:
    """All songs below each other."""

    in_order = True

    def __init__(self, file: BinaryIO, columns: tuple[str, ...]) -> None:
        self._file = file
        self._head = (";".join(("file", *columns)) + "\n").encode()

    def add(self, path: Path, table: pandas.DataFrame) -> None:
        self._file.write(self._head + _csv_rows(table, f"{_quoted(printable(path))};").encode())
        self._head = b""

    def finish(self) -> None:
        """Everything is written."""

    def let_go(self) -> None:
        """Nothing is held."""


class _OneParquet:
    """All songs below each other; groups of rows are gathered in one array, then written."""

    in_order = True

    def __init__(self, file: BinaryIO, columns: tuple[str, ...]) -> None:
        import pyarrow
        import pyarrow.parquet

        self._arrow, self._file = pyarrow, file
        types = [pyarrow.string(), pyarrow.float64(), *[pyarrow.float32()] * (len(columns) - 1)]
        self._schema = pyarrow.schema(list(zip(("file", *columns), types, strict=True)))
        self._writer: Any = None
        self._values = np.empty((_GROUP_ROWS, len(columns) - 1), np.float32)
        self._times = np.empty(_GROUP_ROWS)
        self._files: list[str] = []

    def add(self, path: Path, table: pandas.DataFrame) -> None:
        times, values = table.iloc[:, 0].to_numpy(), table.iloc[:, 1:].to_numpy(np.float32)
        while len(times):
            begin = len(self._files)
            taken = min(_GROUP_ROWS - begin, len(times))
            self._times[begin : begin + taken] = times[:taken]
            self._values[begin : begin + taken] = values[:taken]
            self._files += [printable(path)] * taken
            times, values = times[taken:], values[taken:]
            if len(self._files) == _GROUP_ROWS:
                self._write_group()

    def finish(self) -> None:
        """Write what is left and the end."""
        if self._files:
            self._write_group()
        if self._writer is not None:
            self._writer.close()

    def let_go(self) -> None:
        """Close the writer while its file is open: else the garbage collector does, when it is not."""
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()
            self._writer.is_open = False

    def _write_group(self) -> None:
        if self._writer is None:  # not before: it writes at once
            self._writer = self._arrow.parquet.ParquetWriter(self._file, self._schema)
        rows = len(self._files)
        features = [self._arrow.array(column) for column in self._values[:rows].T]
        arrays = [self._arrow.array(self._files), self._arrow.array(self._times[:rows]), *features]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        self._files.clear()
