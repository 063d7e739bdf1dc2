"""Where the features of a DEAM song come from: its own CSV, its audio, or one row per song."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.datasets.annotations import LARGEST, finite_number, read_csv, whole_number
from lstmcore.experiments.datasets.deam_layout import AUDIO, FEATURES
from lstmcore.experiments.errors import InputError, unreadable
from lstmcore.experiments.files import check_file, whole_in
from lstmcore.features import FeatureSettings, columns, feature_names
from lstmcore.features.formats import MEDIA_SUFFIXES, SNDFILE_SUFFIXES, SOUND_SUFFIXES
from lstmcore.features.media import INSTALL, readable_suffixes
from lstmcore.features.sets import ALL, FEATURE_SETS, parts_of, set_of, set_with

# Milliseconds of each row, and the rows.
Table = tuple[list[int], NDArray[np.float64]]
# The same in the precision that features are computed in.
Computed = tuple[list[int], NDArray[np.float32]]

_LONGEST_SONG = 1e6  # in seconds


class FeatureSource(Protocol):
    """Gives the features of songs."""

    name: str
    names: list[str]

    def songs(self) -> set[int]:
        """Numbers of the songs there are features for."""

    def table(self, song: int, stamps: list[int] | None) -> Table:
        """Features of a song, at the time stamps given or else at its own."""


class SongMeans:
    """One row of features per song, repeated along the song (``song_mean_features.csv``).

    Parameters
    ----------
    path
        CSV with ``song_id`` and a column a feature.
    hop
        Milliseconds from a frame to the next, for songs without annotations; None: half a second.
    """

    name = "song_means"

    def __init__(self, path: Path, hop: float | None = None) -> None:
        # For a song whose length nobody knows: that of the 45 s excerpts, from 15 s on.
        hop = hop or 500.0
        self._default_stamps = [round(15_000 + k * hop) for k in range(max(1, round(30_000 / hop)))]
        rows = read_csv(path)
        if rows[0][0] != "song_id" or len(rows[0]) < 2:
            raise InputError(f"{path}, line 1: expected 'song_id' and a column a feature")
        self.names = rows[0][1:]
        self._rows: dict[int, NDArray[np.float64]] = {}
        for line, row in enumerate(rows[1:], 2):
            song = whole_number(path, line, "song_id", row[0])
            if song in self._rows:
                raise InputError(f"{path}, line {line}: song {song} appears a second time")
            self._rows[song] = numbers(path, line, f"song {song}", self.names, row[1:])

    def songs(self) -> set[int]:
        """Numbers of the songs in the file."""
        return set(self._rows)

    def table(self, song: int, stamps: list[int] | None) -> Table:
        """Repeat the song's row at the given time stamps."""
        used = list(stamps if stamps is not None else self._default_stamps)
        return used, np.repeat(self._rows[song][None], len(used), 0)


class FrameTables:
    """Features over time: ``features/<song_id>.csv`` where there is one, else from the audio.

    A file may hold some parts of the set only, as DEAM's own 260 of FS2's 264, or more: what it lacks is
    taken from the audio, at the same time stamps.

    Parameters
    ----------
    feature_set
        Name of the feature set.
    files
        Song to feature file.
    """

    def __init__(self, feature_set: str, files: dict[int, Path]) -> None:
        self.name, self.names = feature_set, list(feature_names(feature_set))
        self._files, self._held = files, {song: _set_in(file, feature_set) for song, file in files.items()}
        self._extracted: dict[int, tuple[str, Computed]] = {}
        self._failed: dict[int, str] = {}

    def held(self, song: int) -> str:
        """Name the set that the file of a song has."""
        return self._held[song]

    def lacking(self, songs: Iterable[int]) -> dict[int, str]:
        """Return what is to be taken from the audio, by song: the name of a set."""
        wanted = parts_of(self.name)
        lacks = {song: [p for p in wanted if p not in self._parts(song)] for song in songs}
        return {song: set_of(parts) for song, parts in lacks.items() if parts}

    def complete(self, feature_set: str, extracted: dict[int, Computed]) -> None:
        """Take the features of a set that were computed from the audio of songs."""
        self._extracted |= {song: (feature_set, table) for song, table in extracted.items()}

    def fail(self, reasons: dict[int, str]) -> None:
        """Note what is wrong with the files of songs."""
        self._failed |= reasons

    def _parts(self, song: int) -> tuple[str, ...]:
        return parts_of(self._held[song]) if song in self._held else ()

    def songs(self) -> set[int]:
        """Numbers of the songs with a feature file or audio."""
        return self._files.keys() | self._extracted.keys() | self._failed.keys()

    def table(self, song: int, stamps: list[int] | None) -> Table:
        """Features of the song at its own time stamps.

        Raises
        ------
        InputError
            If its files can't be used.
        """
        if song in self._failed:
            raise InputError(self._failed[song])
        parts: dict[str, Table] = {}
        if {*self._parts(song)} & {*parts_of(self.name)}:
            names = feature_names(self._held[song])
            parts |= _by_part(names, read_feature_file(self._files[song], list(names)))
        if song in self._extracted:
            feature_set, (own, values) = self._extracted[song]
            parts |= _by_part(feature_names(feature_set), (own, values.astype(np.float64)))
        return _side_by_side([parts[part] for part in parts_of(self.name)])


def _set_in(path: Path, wanted: str) -> str:
    """Name the set whose columns a file has, by their number if others are there; or else the one wanted."""
    header = _header(path)
    found = set_with(header) if {*header} & {*FEATURE_SETS[ALL]} else wanted
    if [*columns(found)] == header:
        return found
    return next((name for name in FEATURE_SETS if len(columns(name)) == len(header)), wanted)


def _header(path: Path) -> list[str]:
    check_file(path)
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            return file.readline().rstrip("\r\n").split(";")
    except OSError as error:
        raise unreadable(path, error) from None


def _by_part(names: Sequence[str], table: Table) -> dict[str, Table]:
    """Cut a table into the parts of its set."""
    stamps, rows = table
    parts: dict[str, Table] = {}
    first = 0
    for part in parts_of(set_with(names)):
        end = first + len(feature_names(part))
        parts[part] = stamps, rows[:, first:end]
        first = end
    return parts


def _side_by_side(tables: list[Table]) -> Table:
    """Put tables beside each other, at the time stamps that all have."""
    stamps = tables[0][0]
    if all(other == stamps for other, _ in tables):
        return stamps, np.hstack([rows for _, rows in tables])
    places = [{stamp: k for k, stamp in enumerate(own)} for own, _ in tables]
    common = [stamp for stamp in stamps if all(stamp in place for place in places)]
    rows = [values[[place[s] for s in common]] for place, (_, values) in zip(places, tables, strict=True)]
    return common, np.hstack(rows)


def feature_files(root: Path) -> dict[int, Path]:
    """Files ``features/<song_id>.csv`` by song."""
    return _numbered(root / FEATURES, (".csv",))


def audio_files(root: Path) -> dict[int, Path]:
    """Files ``MEMD_audio/<song_id>.mp3`` (or any other that can be decoded) by song."""
    folder = root / AUDIO
    return _numbered(folder, readable_suffixes()) | _numbered(folder, SNDFILE_SUFFIXES)  # rather than a video


def undecodable_files(root: Path) -> dict[int, Path]:
    """Files beside them that hold sound, too, but can't be decoded, by song."""
    return _numbered(root / AUDIO, tuple(set(SOUND_SUFFIXES) - set(readable_suffixes())))


def why_undecodable(files: Iterable[Path]) -> str:
    """Say that they can't be decoded, and what would help, if anything."""
    helps = any(path.suffix.lower() in MEDIA_SUFFIXES for path in files)
    return "can't be decoded" + (f" without FFmpeg ({INSTALL})" if helps else "")


def _numbered(folder: Path, suffixes: tuple[str, ...]) -> dict[int, Path]:
    if not folder.is_dir():
        return {}
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in suffixes)
    return {number: p for p in files if (number := whole_in(p.stem)) is not None}


def read_feature_file(path: Path, names: list[str]) -> Table:
    """Read a song's feature file in DEAM's format.

    Parameters
    ----------
    path
        ``;``-separated, ``frameTime`` in seconds and a column a feature.
    names
        The columns expected, in order.

    Returns
    -------
    stamps, rows
        Milliseconds, and features, shape (frames, features).

    Raises
    ------
    InputError
        If the file can't be read, has other columns, a value that is not a finite number,
        or time stamps that don't rise.
    """
    rows = read_csv(path, ";")
    header = ["frameTime", *names]
    if rows[0] != header:
        wrong = next((k for k, (a, b) in enumerate(zip(rows[0], header, strict=False)) if a != b), None)
        detail = "" if wrong is None else f"; column {wrong + 1} is {rows[0][wrong]!r}, not {header[wrong]!r}"
        raise InputError(
            f"{path}, line 1: {len(rows[0])} columns; expected the {len(header)} of the set{detail}"
        )
    stamps, values = [], np.empty((len(rows) - 1, len(names)))
    for k, row in enumerate(rows[1:]):
        stamps.append(_milliseconds(path, k + 2, row[0]))
        values[k] = numbers(path, k + 2, f"song {path.stem}, frame {row[0]} s", names, row[1:])
    if any(later <= earlier for earlier, later in pairwise(stamps)):
        raise InputError(f"{path}: the time stamps in column frameTime don't rise from row to row")
    return stamps, values


def _milliseconds(path: Path, line: int, cell: str) -> int:
    seconds = finite_number(path, line, "frameTime", cell)
    if not 0 <= seconds <= _LONGEST_SONG:
        raise InputError(f"{path}, line {line}: frameTime is {cell}; expected 0 to {_LONGEST_SONG:g} s")
    return round(1000 * seconds)


def settings_at(what: str, hop_seconds: float | None) -> FeatureSettings:
    """Return settings for features from audio that are as far apart as something else; None: the defaults.

    Raises
    ------
    InputError
        If they can't be.
    """
    if hop_seconds is None:
        return FeatureSettings()
    try:
        return FeatureSettings(hop_seconds=hop_seconds)
    except ValueError as error:
        raise InputError(
            f"{what}: frames are {hop_seconds:g} s apart, and features from audio can't be: {error}"
        ) from None


def checked_table(path: Path, names: list[str], table: NDArray[np.float64]) -> Table:
    """Take features that were computed: time (s) and features, shape (frames, 1 + features).

    Raises
    ------
    InputError
        If a value isn't a finite number; file and feature are named.
    """
    bad = np.argwhere(~(np.abs(table) <= LARGEST))
    if len(bad):
        row, column = bad[0]
        raise InputError(
            f"{path}: feature {names[column - 1]} at {table[row, 0]:g} s is {table[row, column]}; "
            "expected a finite number: is the sound far too loud or damaged?"
        )
    return [round(1000 * t) for t in table[:, 0]], table[:, 1:]


def numbers(path: Path, line: int, where: str, names: list[str], cells: list[str]) -> NDArray[np.float64]:
    """Read a row of finite numbers, or raise an InputError that names the column."""
    if len(cells) != len(names):
        raise InputError(f"{path}, line {line}: {where} has {len(cells)} features; expected {len(names)}")
    try:
        values = np.array(cells, np.float64)
    except ValueError:
        values = np.array([np.nan])
    if not (np.abs(values) <= LARGEST).all() or any("_" in cell for cell in cells):
        for name, cell in zip(names, cells, strict=True):
            finite_number(path, line, f"{where}, column {name}", cell)
    return values
