"""What each table of a folder has: songs, times, raters, targets, features, or what is known of songs."""

from __future__ import annotations

import glob
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath

from lstmcore.experiments.datasets.deam_layout import sample_stamp
from lstmcore.experiments.datasets.recordings import RecordingNames
from lstmcore.experiments.datasets.table_file import TableFile
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.starting.names import (
    DESCRIBING,
    GROUP,
    NUMBERING,
    RATER,
    SONG,
    emotion_in,
    place_in,
    says_spread,
    target_of,
    time_place,
    words_of,
)
from lstmcore.experiments.starting.survey import Survey
from lstmcore.experiments.terminal.progress import Progress

_HEAD = 200  # rows that are looked at
_MISSING = {"", "nan", "na", "n/a", "none"}
_MILLISECONDS = 20  # a larger step from row to row isn't in seconds
_FEWEST_NAMED = 0.8  # of cells that name recordings, in a column of songs that isn't called so
_LISTED = 12  # files that are named one by one


@dataclass(frozen=True)
class Table:
    """One table, in one file or several.

    Parameters
    ----------
    names
        The files as an experiment names them: paths below the folder, or a pattern.
    files
        Paths below the folder.
    header
        Its columns.
    song, time, rater
        Columns; None where there is none.
    time_unit
        ``"s"`` or ``"ms"``.
    targets
        Column of each target.
    spreads, per_rater
        Columns of the ratings' spread, and those of one rater each.
    numbers, texts, numbering
        Other columns.
    is_wide
        Whether it has a column a time stamp.
    about
        The emotion that its name says, if any.
    of_spreads
        Whether its name says that its values are spreads.
    """

    names: list[str]
    files: list[str]
    header: list[str]
    song: str | None = None
    time: str | None = None
    rater: str | None = None
    time_unit: str = "s"
    targets: dict[str, str] = field(default_factory=dict)
    spreads: list[str] = field(default_factory=list)
    per_rater: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    numbering: list[str] = field(default_factory=list)
    is_wide: bool = False
    about: str | None = None
    of_spreads: bool = False

    @property
    def named(self) -> str:
        """What it is called in a sentence."""
        return self.names[0] if len(self.names) == 1 else f"{self.names[0]} and {len(self.names) - 1} more"

    @property
    def folder(self) -> str:
        """Folder of its files."""
        return self.files[0].rpartition("/")[0]

    @property
    def has_songs(self) -> bool:
        """Whether rows are of songs: by a column, or one file each."""
        return self.song is not None or len(self.files) > 1

    @property
    def is_by_rater(self) -> bool:
        """Whether it has a file per song, and in it a row per rater and a column a time stamp."""
        return self.is_wide and self.song is None

    @property
    def group(self) -> str | None:
        """The column that songs may be grouped by."""
        places = {place: name for name in self.texts if (place := place_in(name, GROUP)) is not None}
        return places[min(places)] if places else None


def read_tables(survey: Survey, progress: Progress) -> list[Table]:
    """Tell what all tables of a folder have; files that can't be read are put aside."""
    headers: dict[str, TableFile] = {}
    progress.stage("tables", len(survey.tables))
    for name in survey.tables:
        progress.advance()
        try:
            headers[name] = TableFile(survey.folder / name)
        except InputError as error:
            survey.aside[name] = _why(error, survey.folder, name)
    recordings = RecordingNames(survey.sounds)
    tables = []
    for files in _together(headers):
        try:
            tables.append(_table(files, headers[files[0]], survey, recordings))
        except InputError as error:
            survey.aside[files[0]] = _why(error, survey.folder, files[0])
    return tables


def _why(error: InputError, folder: Path, name: str) -> str:
    return str(error).removeprefix(str(folder / name)).lstrip(":, ")


def _together(headers: dict[str, TableFile]) -> list[list[str]]:
    """Put files together that are parts of one table: of one folder, with the same columns."""
    parts: dict[tuple[object, ...], list[str]] = {}
    for name, file in headers.items():
        path, alone = PurePosixPath(name), ""
        stem = path.stem
        if any(sample_stamp(column) is not None for column in file.columns):
            if "song_id" not in file.columns:  # a file per song, as many columns as it is long
                parts.setdefault((str(path.parent), "by rater"), []).append(name)
                continue
            alone = name
        key = (str(path.parent), tuple(file.columns), emotion_in(stem), says_spread(stem), alone)
        parts.setdefault(key, []).append(name)
    return list(parts.values())


def _names(files: list[str], all_files: Iterable[str]) -> list[str]:
    """Name files by a pattern that fits them alone, if there are many, or else each by its name."""
    if len(files) == 1:
        return files
    folder, suffix = PurePosixPath(files[0]).parent, PurePosixPath(files[0]).suffix
    if all(PurePosixPath(file).suffix == suffix for file in files):
        inside = [f for f in all_files if PurePosixPath(f).parent == folder and f.endswith(suffix)]
        if len(inside) == len(files):
            where = "" if str(folder) == "." else glob.escape(str(folder)) + "/"
            return [f"{where}*{suffix}"]
    return files


def _table(files: list[str], file: TableFile, survey: Survey, recordings: RecordingNames) -> Table:
    header = file.columns
    rows = file.head(_HEAD)
    if not rows:
        raise InputError(f"{file.path}: there is a header and nothing below it")
    cells = {
        name: [row[k] for row in rows if k < len(row) and row[k].lower() not in _MISSING]
        for k, name in enumerate(header)
    }
    path = PurePosixPath(files[0])
    table = Table(
        _names(files, survey.tables),
        files,
        header,
        about=emotion_in(path.stem if len(files) == 1 else "", *path.parent.parts[::-1]),
        of_spreads=says_spread(path.stem),
    )
    changes = vars(table).copy()
    if any(sample_stamp(name) is not None for name in header):
        by_song = header[0] == "song_id"
        changes |= {"is_wide": True, "song": "song_id" if by_song else None}
        if not by_song:  # files are called as their songs, and their folder as the target
            changes["about"] = emotion_in(*path.parent.parts[::-1]) or path.parent.name or None
            changes["of_spreads"] = False
        return Table(**changes)
    song = _song_of(header, cells, recordings)
    time, unit = _time_of(header, cells, song)
    left = [name for name in header if name not in (song, time)]
    raters = {place: name for name in left if (place := place_in(name, RATER)) is not None}
    rater = raters[min(raters)] if raters else None
    left = [name for name in left if name != rater]
    numeric = {name for name in left if _are_numbers(cells[name])}
    columns = _columns_of(left, numeric)
    changes |= {"song": song, "time": time, "time_unit": unit, "rater": rater} | columns
    return Table(**changes)


def _columns_of(left: list[str], numeric: set[str]) -> dict[str, object]:
    """Part what is no song, time or rater."""
    told = {name: found for name in left if name in numeric and (found := target_of(name)) is not None}
    of_raters: dict[str, list[str]] = {}
    for name, target in told.items():
        if target.of_a_rater is not None and not target.is_spread:
            of_raters.setdefault(target.of_a_rater, []).append(name)
    per_rater = [name for names in of_raters.values() if len(names) > 1 for name in names]
    targets: dict[str, str] = {}
    for name, target in told.items():
        if not target.is_spread and name not in per_rater:
            targets.setdefault(target.name, name)
    targets = {t: targets[t] for t in sorted(targets, key=lambda t: (t != "arousal", t != "valence"))}
    numbering = [name for name in left if place_in(name, NUMBERING) is not None or not name.strip()]
    others = [name for name in left if name not in told and name not in numbering]
    return {
        "targets": targets,
        "spreads": [name for name in told if name not in targets.values() and name not in per_rater],
        "per_rater": per_rater,
        "numbers": [name for name in others if name in numeric],
        "texts": [name for name in others if name not in numeric],
        "numbering": numbering,
    }


def _are_numbers(cells: list[str]) -> bool:
    """Whether most cells are numbers: what is wrong with the others is to be told, not passed over."""
    return bool(cells) and sum(map(_is_number, cells)) > len(cells) / 2


def _number(cell: str) -> float:
    return float(cell.replace(",", "."))  # what is wrong with a comma is told by who reads it all


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(_number(cell))
    except ValueError:
        return False


def _song_of(header: Sequence[str], cells: dict[str, list[str]], recordings: RecordingNames) -> str | None:
    """Find the column of songs: of those that are called so, the one that names most recordings."""
    shares: dict[str, float] = {}
    places: dict[str, int] = {}
    for name in header:
        found = cells[name]
        named = sum(len(recordings.of(cell)) == 1 for cell in found) if recordings.places else 0
        shares[name] = named / len(found) if found else 0
        place = place_in(name, SONG)
        if place is not None:
            places[name] = place
        elif shares[name] >= _FEWEST_NAMED and not _are_numbers(found):
            places[name] = len(SONG)
    return min(places, key=lambda name: (-shares[name], places[name]), default=None)


def _time_of(header: Sequence[str], cells: dict[str, list[str]], song: str | None) -> tuple[str | None, str]:
    """Find the column of times, and the unit: what its name says, or else its steps."""
    found = {
        name: told
        for name in header
        if name != song and (told := time_place(name)) and _are_numbers(cells[name])
    }
    if not found:
        return None, "s"
    time = min(found, key=lambda name: found[name][0])
    unit = found[time][1]
    if unit is None:
        values = sorted({_number(cell) for cell in cells[time] if _is_number(cell)})
        steps = sorted(b - a for a, b in pairwise(values))
        unit = "ms" if steps and steps[len(steps) // 2] >= _MILLISECONDS else "s"
    return time, unit


def describes_songs(table: Table) -> bool:
    """Whether a table says what songs are, such as their artists, and neither ratings nor features."""
    if table.song is None or table.time or table.targets or table.is_wide or table.per_rater:
        return False
    return bool(table.texts) and len(table.numbers) <= len(table.texts) + 5


def rating_like(table: Table) -> list[str]:
    """Columns of numbers that may be ratings, though their names don't say so."""
    return [n for n in table.numbers if not {*DESCRIBING} & {*words_of(n)}]


def listed_files(names: Sequence[str]) -> str:
    """Write some names, and how many more there are."""
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
