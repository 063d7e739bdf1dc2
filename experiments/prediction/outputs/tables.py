"""Predictions of any number of songs in one file: CSV, JSON, or a line of JSON for each song."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pandas as pd

from lstmcore.experiments.files import from_json, read_plain
from lstmcore.experiments.prediction.outputs.facts import FILE, LABEL, NOVELTY, TIME, Facts

DECIMALS = 6


def csv_text(table: pd.DataFrame, *, header: bool = True) -> str:
    """Rows as CSV that any program reads with its defaults: commas, points, no comments."""
    text = table.to_csv(index=False, header=header, float_format=f"%.{DECIMALS}f", lineterminator="\n")
    return str(text)


def csv_metadata(urls: Sequence[str], columns: Iterable[str], facts: Facts) -> dict[str, Any]:
    """Describe CSV files, which have no place for it, as the recommendation "CSV on the Web" has it.

    Parameters
    ----------
    urls
        Names of the files, from the folder of the metadata.
    columns
        Of each of them.
    facts
        Of all of them; under ``notes``.
    """
    described = [
        {"titles": name, "datatype": "number", "dc:description": facts.meaning(name)} for name in columns
    ]
    for column in described:
        if column["titles"] in (FILE, LABEL):
            column["datatype"] = "string"
    head: dict[str, Any] = {"@context": "http://www.w3.org/ns/csvw"}
    files: dict[str, Any] = {"url": urls[0]} if len(urls) == 1 else {"tables": [{"url": url} for url in urls]}
    return head | files | {"tableSchema": {"columns": described}, "notes": [facts.as_json()]}


def scale_of_csv(path: Path) -> tuple[float, float] | None:
    """Return the scale of a CSV of predictions that the metadata beside it tell, or None without these."""
    for beside in (path.with_name(f"{path.name}-metadata.json"), path.with_name("csv-metadata.json")):
        try:
            content = from_json(read_plain(beside))
            if path.name in [table["url"] for table in content.get("tables", [content])]:
                low, high = content["notes"][0]["scale"]
                return float(low), float(high)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue
    return None


def song_as_json(table: pd.DataFrame) -> dict[str, Any]:
    """One song: a list of numbers for each column; of what belongs to the whole song the number.

    What isn't finite is null.
    """
    columns = {str(name): [_plain(value) for value in table[name]] for name in table.columns}
    of_song = [name for name in columns if name in (FILE, NOVELTY) or TIME not in table]
    return columns | {name: columns[name][0] for name in of_song}


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return round(float(value), DECIMALS) if math.isfinite(value) else None


class Table(Protocol):
    """A file that songs are added to, in their order."""

    def __init__(self, file: BinaryIO, facts: Facts) -> None: ...

    def add(self, table: pd.DataFrame) -> None:
        """Write a song."""

    def finish(self) -> None:
        """Write the end."""


class CsvTable:
    """All songs below each other."""

    def __init__(self, file: BinaryIO, facts: Facts) -> None:
        self._file, self._header = file, True

    def add(self, table: pd.DataFrame) -> None:
        """Write the rows of a song."""
        self._file.write(csv_text(table, header=self._header).encode())
        self._header = False

    def finish(self) -> None:
        """Everything is written."""


class JsonLines:
    """A line for each song, which says all that must be known of it."""

    def __init__(self, file: BinaryIO, facts: Facts) -> None:
        self._file, self._facts = file, facts.as_json()

    def add(self, table: pd.DataFrame) -> None:
        """Write the line of a song."""
        self._file.write(dumped(song_as_json(table) | self._facts) + b"\n")

    def finish(self) -> None:
        """Everything is written."""


class JsonDocument:
    """One object: what must be known, and the list of songs."""

    def __init__(self, file: BinaryIO, facts: Facts) -> None:
        self._file = file
        self._before = dumped(facts.as_json())[:-1] + b', "songs": [\n'

    def add(self, table: pd.DataFrame) -> None:
        """Write a song."""
        self._file.write(self._before + dumped(song_as_json(table)))
        self._before = b",\n"

    def finish(self) -> None:
        """Write the end, if there is a beginning."""
        if self._before == b",\n":
            self._file.write(b"\n]}\n")


def dumped(content: Any) -> bytes:
    """Write JSON on one line; what is not finite is a ValueError."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()


TABLES: dict[str, type[Table]] = {"csv": CsvTable, "json": JsonDocument, "jsonl": JsonLines}
