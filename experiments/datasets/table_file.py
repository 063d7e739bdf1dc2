"""Tables of people's own: CSV or Parquet, read in parts, with the line of whatever is wrong."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.datasets.annotations import LARGEST
from lstmcore.experiments.errors import InputError, did_you_mean, unreadable
from lstmcore.experiments.files import check_file
from lstmcore.installing import install_extra

Array = NDArray[np.float64]

CELLS = 2_000_000  # read at once
ROWS = 1000  # at least
_BLANKS = " \t\r\n"  # a line of these alone is blank to pandas; one of other white space isn't
_BEST_COMPRESSION = 1000  # of tables of numbers; what claims more than this and that is made to fill memory
_CLAIMED_AT_LEAST = 256 << 20  # bytes
_SEPARATORS = (",", ";", "\t")
_MISSING = ["", "nan", "NaN", "NAN", "na", "NA"]
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")


@dataclass(frozen=True)
class Part:
    """Some rows of a table, one after the other.

    Parameters
    ----------
    first
        Number of the first row, from 0, of those below the header.
    texts
        Columns of text, by name.
    numbers
        Columns of numbers, shape (rows, columns); NaN where a cell is empty.
    """

    first: int
    texts: dict[str, NDArray[np.object_]]
    numbers: Array


class TableFile:
    """A table on the disk.

    Parameters
    ----------
    path
        A file that ends in .parquet, or else CSV in UTF-8 with a header, whose columns are separated by
        commas, semicolons or tabs.

    Raises
    ------
    InputError
        If it can't be read, is a pipe or device, or has no header or two columns of one name.
    """

    def __init__(self, path: Path) -> None:
        check_file(path)
        self.path = path
        self.is_parquet = path.suffix.lower() in (".parquet", ".pq")
        self._separator = ","
        self._lines: NDArray[np.int64] | None = None
        self.columns = self._parquet_names() if self.is_parquet else self._header()
        for n, name in enumerate(self.columns):
            if name in self.columns[:n]:
                raise InputError(f"{path}, line 1: column {name!r} appears twice; expected each once")

    def where(self, row: int) -> str:
        """Name the place of a row: file and line."""
        if self.is_parquet:
            return f"{self.path}, row {row + 1}"
        if self._lines is None:  # one pass for all: of many songs all may be wrong
            self._lines = self._lines_of_records()
        return f"{self.path}, line {self._lines[row + 1]}"

    def chosen(self, names: Sequence[str], key: str) -> str | None:
        """Return the one of some names that the table has a column of; None if it has none of them.

        Raises
        ------
        InputError
            If it has several.
        """
        found = [name for name in names if name in self.columns]
        if len(found) > 1:
            raise InputError(
                f"{self.path}: columns {' and '.join(map(repr, found))}, both of which {key} names; "
                "expected one"
            )
        return found[0] if found else None

    def no_column(self, name: str, key: str) -> InputError:
        """Return the error for a column that isn't there."""
        shown = ", ".join(self.columns[:8]) + (", …" if len(self.columns) > 8 else "")
        return InputError(
            f"{self.path}, line 1: no column {name!r}, which {key} names; found {shown}"
            f"{did_you_mean(name, self.columns)}"
        )

    def head(self, rows: int) -> list[list[str]]:
        """Return the cells of the first rows as text, without reading the others.

        Raises
        ------
        InputError
            If the file can't be read.
        """
        if self.is_parquet:
            with self._parquet_read(), self._parquet() as file:
                frame = next((_frame(batch) for batch in file.iter_batches(rows)), None)
            if frame is None:
                return []
            columns = [_as_text(frame.iloc[:, k]) for k in range(frame.shape[1])]
            return [[str(cell) for cell in cells] for cells in zip(*columns, strict=True)]
        found: list[list[str]] = []

        def enough(_: int, cells: list[str]) -> bool:
            found.append([cell.strip() for cell in cells])
            return len(found) > rows

        self._find(enough)
        return found[1:]

    def read(self, texts: Sequence[str], numbers: Sequence[str], take: Callable[[Part], None]) -> None:
        """Read the columns of text and of numbers that are named, and hand them over some rows at a time.

        Raises
        ------
        InputError
            If the file can't be read, has no row, a row of more cells than the header, or a cell that
            should be a finite number and is none; the line is named.
        """
        rows = 0

        def split(frame: Any) -> None:
            nonlocal rows
            words = {name: _as_text(frame[name]) for name in texts}
            values = np.empty((len(frame), len(numbers)))
            for k, name in enumerate(numbers):
                values[:, k] = self._as_numbers(frame[name], name, rows)
            if len(frame):
                take(Part(rows, words, values))
            rows += len(frame)

        if self.is_parquet:
            self._read_parquet([*texts, *numbers], split)
        else:
            self._read_csv(numbers, split)
        if not rows:
            raise InputError(
                f"{self.path}: there is a header and nothing below it; expected at least one row"
            )

    def _as_numbers(self, column: Any, name: str, first: int) -> Array:
        import pandas as pd

        try:
            numbers = pd.to_numeric(column, errors="coerce")
        except OverflowError:  # a whole number of hundreds of digits
            numbers = column.map(_number)
        values: Array = numbers.to_numpy(np.float64, na_value=np.nan)
        empty = column.isna().to_numpy()
        wrong = ~empty & ~(np.abs(values) <= LARGEST)
        if column.dtype == bool:
            wrong[:] = True
        if wrong.any():
            row = int(wrong.argmax())
            cell = str(column.iloc[row])
            comma = ", with a point for the decimals" if _DECIMAL_COMMA.fullmatch(cell) else ""
            raise InputError(
                f"{self.where(first + row)}: column {name} is {cell!r}; expected a finite number{comma}"
            )
        return values

    # --- CSV ----------------------------------------------------------------------------

    def _header(self) -> list[str]:
        try:
            with self.path.open(newline="", encoding="utf-8-sig") as file:
                first = next((line for line in file if line.strip(_BLANKS)), "")
        except FileNotFoundError:
            raise InputError(f"{self.path}: no such file") from None
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from None
        self._separator = max(_SEPARATORS, key=first.count)
        header = self._find(lambda _line, _cells: True)
        if header is None:
            raise InputError(f"{self.path}: the file is empty; expected a header and at least one row")
        return [name.strip() for name in header[1]]

    def _lines_of_records(self) -> NDArray[np.int64]:
        """Return the line where each record begins, the header's first."""
        lines: list[int] = []

        def keep(line: int, _: list[str]) -> bool:
            lines.append(line)
            return False

        self._find(keep)
        return np.array(lines, np.int64)

    def _find(self, wanted: Callable[[int, list[str]], bool]) -> tuple[int, list[str]] | None:
        """Find the first record that is wanted, by the line where it begins and its cells."""
        before = 0
        try:
            with self.path.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.reader(file, delimiter=self._separator)
                for record in reader:
                    # A blank line is no record.
                    filled = len(record) > 1 or any(cell.strip(_BLANKS) for cell in record)
                    if filled and wanted(before + 1, record):
                        return before + 1, record
                    before = reader.line_num
        except (OSError, ValueError, csv.Error) as error:
            raise self._unreadable(error) from None
        return None

    def _unreadable(self, error: Exception) -> InputError:
        return unreadable(self.path, error, "CSV in UTF-8, or .parquet")

    def _read_csv(self, numbers: Sequence[str], take: Callable[[Any], None]) -> None:
        import pandas as pd

        kinds: dict[Any, Any] = {name: str for name in self.columns if name not in numbers}
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            try:
                with pd.read_csv(
                    self.path,
                    sep=self._separator,
                    names=self.columns,
                    header=0,
                    index_col=False,
                    dtype=kinds,
                    na_values=dict.fromkeys(numbers, _MISSING),
                    keep_default_na=False,
                    skipinitialspace=True,
                    encoding="utf-8-sig",
                    chunksize=max(ROWS, CELLS // len(self.columns)),
                    low_memory=False,
                ) as reader:
                    for frame in reader:
                        take(frame)
            except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
                found = self._find(lambda _, record: len(record) > len(self.columns))
                if found is None:
                    raise self._unreadable(error) from None
                line, cells = found[0], len(found[1])
                raise InputError(
                    f"{self.path}, line {line}: {cells} columns; the header has {len(self.columns)}"
                ) from None
            except (OSError, UnicodeDecodeError) as error:
                raise self._unreadable(error) from None

    # --- Parquet ------------------------------------------------------------------------

    def _parquet_names(self) -> list[str]:
        with self._parquet() as file:
            return list(file.schema_arrow.names)

    def _parquet(self) -> Any:
        """Open the file, for a block that closes it."""
        try:
            import pyarrow.parquet
        except ImportError:
            how = install_extra("parquet")
            raise InputError(
                f"{self.path}: Parquet is read by pyarrow, which is not installed; {how}"
            ) from None
        with self._parquet_read():
            file = pyarrow.parquet.ParquetFile(self.path)
        try:
            self._check_claims(file.metadata)
        except InputError:
            file.close()
            raise
        return file

    def _check_claims(self, about: Any) -> None:
        """Refuse a file that claims to hold more than its size can: few bytes may mean gigabytes."""
        groups = [about.row_group(k) for k in range(about.num_row_groups)]
        claimed = max(8 * about.num_rows * about.num_columns, sum(group.total_byte_size for group in groups))
        most = max(_CLAIMED_AT_LEAST, _BEST_COMPRESSION * self.path.stat().st_size)
        if claimed > most:
            raise InputError(
                f"{self.path}: claims {about.num_rows:,} rows of {about.num_columns} columns, "
                f"{claimed:,} bytes; expected at most {most:,} of a file of this size"
            )

    def _read_parquet(self, columns: list[str], take: Callable[[Any], None]) -> None:
        rows = max(ROWS, CELLS // max(1, len(columns)))
        with self._parquet_read(), self._parquet() as file:
            for batch in file.iter_batches(rows, columns=columns):
                take(_frame(batch))

    @contextmanager
    def _parquet_read(self) -> Iterator[None]:
        import pyarrow

        try:
            yield
        except FileNotFoundError:
            raise InputError(f"{self.path}: no such file") from None
        except (OSError, pyarrow.ArrowException, UnicodeDecodeError) as error:
            raise InputError(f"{self.path}: can't be read as Parquet: {error}") from None


def _number(cell: object) -> float:
    try:
        return float(str(cell))
    except ValueError:
        return np.nan


def _frame(batch: Any) -> Any:
    """Return the columns as they are called in the file; what pandas noted of its index may be damaged."""
    return batch.replace_schema_metadata().to_pandas()


def _as_text(column: Any) -> NDArray[np.object_]:
    """Return the cells of a column as text without white space around it; "" for an empty one."""
    if column.dtype.kind == "f":  # whole numbers, in Parquet files with empty cells
        whole = column.dropna() % 1 == 0
        if whole.all():
            column = column.astype("Int64")
    empty = column.isna().to_numpy()
    words = column.astype(str).str.strip().to_numpy(object)
    words[empty] = ""
    return np.asarray(words, object)
