"""What ``--out`` and ``--format`` mean together, and the files that predictions are written to."""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

import pandas as pd

from lstmcore.experiments.errors import InputError, did_you_mean
from lstmcore.experiments.extraction.inputs import table_names
from lstmcore.experiments.files import check_writable, replacing, write_json, write_whole
from lstmcore.experiments.prediction.outputs.facts import Facts
from lstmcore.experiments.prediction.outputs.songs import WRITERS
from lstmcore.experiments.prediction.outputs.tables import (
    TABLES,
    csv_metadata,
    csv_text,
    dumped,
    song_as_json,
)
from lstmcore.features.errors import printable

Format = Literal["csv", "json", "jsonl", "srt", "textgrid", "eaf", "svl"]
FORMATS: tuple[Format, ...] = ("csv", "json", "jsonl", "srt", "textgrid", "eaf", "svl")
SUFFIXES = {".TextGrid" if name == "textgrid" else f".{name}": name for name in FORMATS}
_BY_SUFFIX = {suffix.lower(): name for suffix, name in SUFFIXES.items()}
_SPOOLED_BYTES = 1 << 24  # of what is printed: more lies in a file until the end


class Output(Protocol):
    """Where the predictions of songs go, in their order."""

    def add(self, path: Path, table: pd.DataFrame) -> None:
        """Write those of a song."""


@dataclass(frozen=True)
class Destination:
    """Where predictions go, and how they are written.

    Parameters
    ----------
    format
        Which format.
    out
        File or folder; None: printed.
    folder
        Whether `out` is a folder, with a file for each song.
    """

    format: Format
    out: Path | None
    folder: bool = False

    @property
    def of_one_song(self) -> bool:
        """Whether a file of this format holds one song."""
        return self.format in WRITERS


def destination(out: Path | None, wanted: Format | None, songs: int, *, summary: bool = False) -> Destination:
    """Understand ``--out`` and ``--format``.

    Parameters
    ----------
    out
        A name with one of the formats' suffixes: a file. An existing folder or a name without a suffix: a
        folder with a file for each song. None: printed.
    wanted
        Format; None: what the suffix says, else CSV.
    songs
        How many there are.
    summary
        Whether each song is one row.

    Raises
    ------
    InputError
        If the two don't go together or don't suit so many songs.
    """
    folder = out is not None and (out.is_dir() or not out.suffix)
    said = None
    if out is not None and folder and out.exists() and not out.is_dir():
        known = ", ".join(SUFFIXES)
        raise InputError(
            f"{printable(out)}: is a file; expected a folder, or a file's name that ends in {known}"
        )
    if out is not None and not folder:
        said = _BY_SUFFIX.get(out.suffix.lower())
        if said is None:
            known = ", ".join(SUFFIXES)
            hint = did_you_mean(out.suffix, list(SUFFIXES))
            raise InputError(
                f"{printable(out)}: unknown suffix {out.suffix!r}; expected {known}, or a folder's name{hint}"
            )
        if wanted not in (None, said):
            expected = next(suffix for suffix, name in SUFFIXES.items() if name == wanted)
            raise InputError(
                f"--out {printable(out)} with --format {wanted}; expected a name that ends in {expected}"
            )
    place = Destination(wanted or said or "csv", out, folder)
    if summary and (folder or place.of_one_song):
        found = f"--format {place.format}" if place.of_one_song else f"--out {printable(str(out))}, a folder"
        raise InputError(f"--summary with {found}; expected one table of all songs: .csv, .json or .jsonl")
    if place.of_one_song and not folder and songs != 1:
        raise InputError(
            f"--format {place.format}: a file holds one song and {songs} are given; expected --out FOLDER, "
            f"for one file each"
        )
    return place


@contextmanager
def open_output(place: Destination, songs: Mapping[Path, str], facts: Facts) -> Iterator[Output]:
    """Open the files that predictions go to, before there are any.

    Parameters
    ----------
    place
        From `destination`.
    songs
        From `lstmcore.experiments.extraction.find_songs`.
    facts
        Of all songs.

    Returns
    -------
    context manager of Output
        One file for all is there, whole, when the block ends, unless no song came; what is printed is
        printed then.  With CSV and subtitles, which have no place for it, a file beside says what the
        numbers are.

    Raises
    ------
    InputError
        If two songs would be written to one file.
    OSError
        If a file can't be written.
    """
    if place.folder:
        assert place.out is not None
        suffix = next(suffix for suffix, name in SUFFIXES.items() if name == place.format)
        names = table_names(dict(songs), suffix, one_holds_all=place.format not in WRITERS)
        output = _Folder(place.out, place.format, names, facts)
        check_writable(place.out / f"song{suffix}")
        yield output
        output.finish()
    elif place.out is None:
        with tempfile.SpooledTemporaryFile(_SPOOLED_BYTES) as file:
            one = _OneFile(file, place.format, facts)  # type: ignore[arg-type]
            yield one
            one.finish()
            file.seek(0)
            with io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
                shutil.copyfileobj(text, sys.stdout)
    else:
        with replacing(place.out, even_empty=False) as file:
            one = _OneFile(file, place.format, facts)
            yield one
            one.finish()
        if one.columns:
            one.describe(place.out)


class _OneFile:
    """All songs, or the only one."""

    def __init__(self, file: BinaryIO, wanted: Format, facts: Facts) -> None:
        self._file, self._format, self._facts = file, wanted, facts
        self._table = None if wanted in WRITERS else TABLES[wanted](file, facts)
        self.columns: list[str] = []

    def add(self, path: Path, table: pd.DataFrame) -> None:
        self.columns = [str(name) for name in table.columns]
        if self._table is not None:
            self._table.add(table)
        else:
            self._file.write(WRITERS[self._format](path, table, self._facts))

    def finish(self) -> None:
        if self._table is not None:
            self._table.finish()

    def describe(self, out: Path) -> None:
        """Write the file beside it that says what the numbers are, where its format doesn't."""
        if self._format == "csv":
            content = csv_metadata([out.name], self.columns, self._facts)
            write_json(out.with_name(f"{out.name}-metadata.json"), content)
        elif self._format == "srt":
            write_json(out.with_name(f"{out.name}-metadata.json"), self._facts.as_json())


@dataclass
class _Folder:
    """One file for each song."""

    folder: Path
    format: Format
    names: Mapping[Path, str]
    facts: Facts
    columns: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)

    def add(self, path: Path, table: pd.DataFrame) -> None:
        self.columns = [str(name) for name in table.columns]
        write_whole(self.folder / self.names[path], self._content(path, table))
        self.written.append(printable(self.names[path]))

    def _content(self, path: Path, table: pd.DataFrame) -> bytes:
        if self.format in WRITERS:
            return WRITERS[self.format](path, table, self.facts)
        if self.format == "csv":
            return csv_text(table).encode()
        return dumped(song_as_json(table) | self.facts.as_json())

    def finish(self) -> None:
        if not self.written or self.format not in ("csv", "srt"):
            return
        about = self.facts.as_json()
        if self.format == "csv":
            about = csv_metadata(self.written, self.columns, self.facts)
        write_json(self.folder / f"{self.format}-metadata.json", about)
