"""Tables of features in files: one a song, or one for all; CSV as in the DEAM data set, or Parquet."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol

import numpy as np

from experiments.errors import InputError
from experiments.extraction.inputs import table_names
from experiments.files import write_whole

if TYPE_CHECKING:
    import pandas

Format = Literal["csv", "parquet"]

_GROUP_ROWS = 50_000  # of a Parquet file: some 50 MB, and few enough groups for the file's table of contents


class Tables(Protocol):
    """Where the tables of songs go."""

    @property
    def in_order(self) -> bool:
        """Whether tables must come in the order of the songs."""

    def add(self, path: Path, table: pandas.DataFrame) -> None:
        """Write the table of a song."""


def is_one_table(out: Path) -> bool:
    """Tell whether a name stands for one table for all songs, not for a folder."""
    return _said(out) in ("csv", "parquet") and not out.is_dir()


def _said(out: Path) -> str:
    return out.suffix.lower().removeprefix(".")


@contextmanager
def open_tables(
    out: Path, songs: dict[str, str], columns: tuple[str, ...], wanted: Format | None
) -> Iterator[Tables]:
    """Open a folder or file for the tables of songs.

    Parameters
    ----------
    out
        A name that ends in ``.csv`` or ``.parquet``: one table for all songs, with their
        paths in a first column ``file``.  Any other, or an existing folder: a table a song.
    songs
        From `experiments.extraction.find_songs`.
    columns
        Of the tables.
    wanted
        Format; None: what the name says, else CSV.

    Returns
    -------
    context manager of Tables
        One table for all is written whole or, if the block ends in an error, not at all.

    Raises
    ------
    InputError
        If names and format don't go together, if two songs would have one table, or if
        pyarrow is needed and missing.
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
        with _replaced(out) as file:
            table = (_OneParquet if chosen == "parquet" else _OneCsv)(file, columns)
            yield table
            table.close()
        return
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; expected a folder, or a name that ends in .csv or .parquet")
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


@contextmanager
def _replaced(target: Path) -> Iterator[BinaryIO]:
    """Give a temporary file that becomes the target in the end, or vanishes on an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(".tmp", f".{target.name}.", target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except OSError as error:
        raise OSError(error.errno, error.strerror, error.filename or str(target)) from error
    finally:
        Path(name).unlink(missing_ok=True)


@dataclass(frozen=True)
class _Folder:
    """A file a song."""

    folder: Path
    names: dict[str, str]
    content: Callable[[pandas.DataFrame], bytes]
    in_order: bool = False

    def add(self, path: Path, table: pandas.DataFrame) -> None:
        write_whole(self.folder / self.names[str(path)], self.content(table))


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


def _printable(path: str | Path) -> str:
    """Write a path so that it is valid text: bytes that aren't UTF-8 as numbers."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _quoted(path: str) -> str:
    line = io.StringIO()
    csv.writer(line, delimiter=";", lineterminator="").writerow([path])
    return line.getvalue()


class _OneCsv:
    """All songs below each other."""

    in_order = True

    def __init__(self, file: BinaryIO, columns: tuple[str, ...]) -> None:
        self._file = file
        file.write((";".join(("file", *columns)) + "\n").encode())

    def add(self, path: Path, table: pandas.DataFrame) -> None:
        self._file.write(_csv_rows(table, f"{_quoted(_printable(path))};").encode())

    def close(self) -> None:
        """Everything is written."""


class _OneParquet:
    """All songs below each other; groups of rows are gathered in one array, then written."""

    in_order = True

    def __init__(self, file: BinaryIO, columns: tuple[str, ...]) -> None:
        import pyarrow
        import pyarrow.parquet

        self._arrow = pyarrow
        types = [pyarrow.string(), pyarrow.float64(), *[pyarrow.float32()] * (len(columns) - 1)]
        self._schema = pyarrow.schema(list(zip(("file", *columns), types, strict=True)))
        self._writer: Any = pyarrow.parquet.ParquetWriter(file, self._schema)
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
            self._files += [_printable(path)] * taken
            times, values = times[taken:], values[taken:]
            if len(self._files) == _GROUP_ROWS:
                self._write_group()

    def close(self) -> None:
        if self._files:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        rows = len(self._files)
        features = [self._arrow.array(column) for column in self._values[:rows].T]
        arrays = [self._arrow.array(self._files), self._arrow.array(self._times[:rows]), *features]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        self._files.clear()
