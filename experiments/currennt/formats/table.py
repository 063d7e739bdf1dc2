"""Sequences as a table (CSV) that any program reads, and back.

One row per frame: ``tag``, ``sequence`` and ``frame`` (both from 0), ``input_0`` …, then ``target_0`` … or
``class``. Numbers have as many digits as read back exactly. What a table has no place for, means and standard
deviations, is in a second file beside it: ``songs.csv`` has ``songs.scalers.json``, if there are any.
"""

from __future__ import annotations

import csv
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lstmcore.experiments.currennt.formats.json_file import from_json, json_text
from lstmcore.experiments.currennt.formats.netcdf import NetcdfData, opened, read_opened, write_netcdf
from lstmcore.experiments.currennt.formats.netcdf_check import check_data
from lstmcore.experiments.currennt.formats.netcdf_classic import ClassicFile
from lstmcore.experiments.currennt.formats.network_check import number_list
from lstmcore.experiments.currennt.formats.reading import file_size
from lstmcore.experiments.currennt.numerics.numerals import numbers
from lstmcore.experiments.errors import InputError, did_you_mean
from lstmcore.experiments.files import whole_in, write_text

SCALERS = {
    "inputMeans": "input_means",
    "inputStdevs": "input_stdevs",
    "outputMeans": "output_means",
    "outputStdevs": "output_stdevs",
}
_FIRST = ["tag", "sequence", "frame"]


def scalers_file(table: Path) -> Path:
    """File beside a table that holds the means and standard deviations."""
    return table.with_suffix(".scalers.json")


def data_to_table(source: Path, target: Path) -> list[str]:
    """Write NetCDF data as a table.

    Parameters
    ----------
    source
        NetCDF file.
    target
        CSV file.

    Returns
    -------
    list of str
        What is worth saying: of a file beside the table, of labels that the table doesn't tell, and of what
        it has no place for.

    Raises
    ------
    InputError
        If the data can't be read, or means of other data lie beside the table.
    OSError
        If a file can't be written.
    """
    with opened(source) as file:
        data, notes = read_opened(file), _no_place(file)
    notes += data.notes
    found = {name: getattr(data, field) for name, field in SCALERS.items()}
    scalers = {name: values for name, values in found.items() if values is not None}
    beside = scalers_file(target)
    if scalers:
        write_text(beside, json_text(scalers) + "\n")
        notes.append(f"{', '.join(scalers)} are in {beside}; it is read again with the table")
    elif beside.exists():
        raise InputError(f"{beside}: means of other data ({source} has none); remove or rename it first")
    write_text(target, _table_text(data))
    if data.classes is not None and data.labels != (seen := int(data.classes.max()) + 1):
        notes.append(
            f"{source} has {data.labels} labels, of which the table shows {seen}; "
            f"back to NetCDF with --labels {data.labels}"
        )
    return notes


def table_to_data(source: Path, target: Path, labels: int | None) -> None:
    """Write a table as NetCDF data.

    Parameters
    ----------
    source
        CSV file; means and standard deviations are taken from the file beside it, if it is there.
    target
        NetCDF file.
    labels
        Number of classes; the largest class + 1 if None.

    Raises
    ------
    InputError
        With file, line and column, what was found and what is expected.
    OSError
        If the file can't be written.
    """
    rows = _read_rows(source)
    if labels is not None and not rows.has_class:
        raise InputError(f"{source}: no column 'class'; --labels is the number of classes")
    with np.errstate(over="ignore"):  # becomes infinite, which is reported with its place
        values = np.array(rows.values).reshape(sum(rows.lengths), -1).astype(np.float32)
    data = NetcdfData(
        rows.tags,
        np.array(rows.lengths, np.int64),
        np.ascontiguousarray(values[:, : rows.inputs]),
        np.ascontiguousarray(values[:, rows.inputs :]) if rows.targets else None,
        np.array(rows.classes, np.int32) if rows.has_class else None,
        (labels or max(rows.classes) + 1) if rows.has_class else None,
        **_read_scalers(scalers_file(source), rows),
    )
    check_data(str(source), data)
    write_netcdf(target, data)


def _no_place(file: ClassicFile) -> list[str]:
    known = {"seqTags", "seqLengths", "inputs", "targetPatterns", "targetClasses", *SCALERS}
    notes = []
    if others := [name for name in file.variables if name not in known]:
        notes.append(f"{file.name}: variables that a table has no place for: {', '.join(others)}")
    doubles = [n for n in ("inputs", "targetPatterns") if n in file.variables and _is_double(file, n)]
    if doubles:
        notes.append(f"{file.name}: doubles are rounded to single precision: {', '.join(doubles)}")
    return notes


def _is_double(file: ClassicFile, name: str) -> bool:
    dtype = file.variables[name].dtype
    return dtype.kind == "f" and dtype.itemsize > np.dtype(np.float32).itemsize


def _table_text(data: NetcdfData) -> str:
    targets = np.empty((len(data.inputs), 0), np.float32) if data.targets is None else data.targets
    lines = [",".join(_names(data.inputs.shape[1], targets.shape[1], data.classes is not None))]
    values, start = np.hstack([data.inputs, targets]), 0
    width = values.shape[1]
    for sequence, (tag, length) in enumerate(zip(data.tags, data.lengths.tolist(), strict=True)):
        texts = numbers(values[start : start + length])
        for frame in range(length):
            row = [_quoted(tag), str(sequence), str(frame), *texts[frame * width : (frame + 1) * width]]
            if data.classes is not None:
                row.append(str(data.classes[start + frame]))
            lines.append(",".join(row))
        start += length
    return "\n".join([*lines, ""])


def _quoted(tag: str) -> str:
    """Quote a tag where it needs it; the csv module leaves a lone carriage return bare."""
    return '"' + tag.replace('"', '""') + '"' if set(tag) & set('",\r\n') or not tag else tag


def _names(inputs: int, targets: int, has_class: bool) -> list[str]:
    numbered = [f"input_{k}" for k in range(inputs)] + [f"target_{k}" for k in range(targets)]
    return [*_FIRST, *numbered, *(["class"] if has_class else [])]


@dataclass
class _Rows:
    """What the rows of a table hold; its columns are known first."""

    inputs: int
    targets: int
    has_class: bool
    tags: list[str] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    values: array[float] = field(default_factory=lambda: array("d"))
    classes: array[int] = field(default_factory=lambda: array("q"))

    names: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.names = _names(self.inputs, self.targets, self.has_class)

    def add(self, place: str, row: list[str]) -> None:
        """Take a row; the place is for messages."""
        if len(row) != len(self.names):
            raise InputError(f"{place}: {len(row)} cells; expected {len(self.names)}, as in the first line")
        self._add_frame(place, row)
        end = len(row) - self.has_class
        try:
            self.values.extend(map(float, row[len(_FIRST) : end]))
        except ValueError:
            k = next(k for k in range(len(_FIRST), end) if not _is_number(row[k]))
            raise _wrong_cell(place, self.names[k], row[k], "a number") from None
        if self.has_class:
            found = -1 if row[-1] == "-1" else whole_in(row[-1])
            if found is None or found >= 2**31 - 1:
                raise _wrong_cell(place, "class", row[-1], "a whole number from 0, or -1")
            self.classes.append(found)

    def _add_frame(self, place: str, row: list[str]) -> None:
        tag, here = row[0], tuple(row[1:3])
        following = (str(len(self.lengths) - 1), str(self.lengths[-1])) if self.lengths else None
        if here == (str(len(self.lengths)), "0"):
            self.tags.append(tag)
            self.lengths.append(1)
        elif here == following and tag == self.tags[-1]:
            self.lengths[-1] += 1
        else:
            after = f"{following[0]}, {following[1]} of {self.tags[-1]!r}, or " if following else ""
            raise InputError(
                f"{place}: sequence, frame = {here[0]}, {here[1]} of {tag!r}; "
                f"expected {after}{len(self.lengths)}, 0"
            )


def _read_rows(path: Path) -> _Rows:
    file_size(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        try:
            rows = _columns(path, next(reader, []))
            for row in reader:
                if row:
                    rows.add(f"{path}, line {reader.line_num}", row)
        except UnicodeDecodeError:
            raise InputError(f"{path}: not UTF-8; expected a text file (CSV)") from None
        except csv.Error as error:
            raise InputError(f"{path}, line {reader.line_num}: not CSV: {error}") from None
    if not rows.lengths:
        raise InputError(f"{path}: no rows; expected one for each frame")
    return rows


def _columns(path: Path, header: list[str]) -> _Rows:
    inputs = sum(name.startswith("input_") for name in header)
    targets = sum(name.startswith("target_") for name in header)
    rows = _Rows(max(1, inputs), targets, targets == 0 and "class" in header)
    if header != rows.names:
        found = [*header, *["nothing"] * len(rows.names)]
        expected = [*rows.names, *["nothing"] * len(header)]
        k = next(k for k in range(len(expected)) if found[k] != expected[k])
        raise InputError(
            f"{path}: column {k + 1} is {found[k]!r}; expected {expected[k]!r} "
            "(tag, sequence, frame, input_0 …, then target_0 … or class, or neither)"
        )
    return rows


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _wrong_cell(place: str, column: str, found: str, expected: str) -> InputError:
    return InputError(f"{place}, column {column!r}: found {found!r}; expected {expected}")


def _read_scalers(path: Path, rows: _Rows) -> dict[str, Any]:
    if not path.exists():
        return {}
    found = {}
    for name, values in from_json(path).items():
        if name not in SCALERS:
            hint = did_you_mean(name, list(SCALERS))
            raise InputError(f"{path}: unknown key {name!r}; expected {', '.join(SCALERS)}{hint}")
        size = rows.inputs if name.startswith("input") else rows.targets
        if not size and isinstance(values, list):
            size = len(values) or 1  # without targets, their means still undo a network's outputs
        vector = number_list(f"{path}: {name!r}", values, size)
        found[SCALERS[name]] = vector.astype(np.float32)
    return found
