"""Emotion of one song over time: annotated, or predicted and written to a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lstmcore.experiments.config import DEAM_TARGETS
from lstmcore.experiments.datasets.annotations import finite_number, read_csv, read_dynamic, read_raters
from lstmcore.experiments.datasets.deam_layout import AVERAGED, averaged_file, rater_file
from lstmcore.experiments.errors import InputError, did_you_mean
from lstmcore.experiments.files import whole_in
from lstmcore.features.errors import printable

_SPREAD = "_spread"
_NO_TARGETS = ("song_id", "file", "time", "system")


@dataclass(frozen=True)
class Curve:
    """One target over time.

    Parameters
    ----------
    times
        Seconds, shape (frames,).
    values
        In the annotation's scale, shape (frames,).
    spread
        Standard deviation over raters or networks, shape (frames,), or None.
    """

    times: NDArray[np.float64]
    values: NDArray[np.float64]
    spread: NDArray[np.float64] | None = None

    def edge(self, side: int) -> NDArray[np.float64]:
        """Values less (-1) or plus (1) the spread, NaN where it is unknown; without one the values."""
        return self.values if self.spread is None else self.values + side * self.spread


Curves = dict[str, Curve]
"""By target; a target that nobody annotated is missing."""


def read_annotations(source: Path, song: str) -> Curves:
    """Read the annotations of a song.

    Parameters
    ----------
    source
        A data set in DEAM's layout; a folder with ``arousal.csv`` and ``valence.csv``; or one
        such file, with the target in its name.  The answers of each rater are found in
        DEAM's layout only.
    song
        Number of the song.

    Raises
    ------
    InputError
        If a file is missing or malformed, or doesn't have the song.
    """
    files = _annotation_files(source)
    number = whole_in(song)
    if number is None:
        raise InputError(
            f"song {song!r}: annotations know songs by number, so there is none for it in {source}; "
            "--song-id says which number it has"
        )
    curves = {}
    for target, path in files.items():
        songs = read_dynamic(path)
        if number not in songs:
            raise InputError(f"{path}: {_no_song(song, [str(s) for s in songs])}")
        curve = songs[number]
        spread = None
        raters = source / rater_file(target, int(song))
        if raters.is_file():
            deviations = _rater_spread(raters)
            spread = np.array([deviations.get(stamp, np.nan) for stamp in curve])
        curves[target] = Curve(np.array([*curve]) / 1000, np.array([*curve.values()]), spread)
    return curves


def _annotation_files(source: Path) -> dict[str, Path]:
    if source.is_dir():
        for folder in (source / AVERAGED, source):
            files = {target: folder / f"{target}.csv" for target in DEAM_TARGETS}
            if any(path.is_file() for path in files.values()):
                return files
        raise InputError(
            f"{source}: no annotations; expected {averaged_file('arousal')} or arousal.csv, and valence.csv"
        )
    if not source.exists():
        raise InputError(f"{source}: no such file or folder")
    named = [target for target in DEAM_TARGETS if target in source.name.lower()]
    if len(named) != 1:
        raise InputError(
            f"{source}: the name of a file of annotations says which they are: "
            "expected 'arousal' or 'valence' in it"
        )
    return {named[0]: source}


def _rater_spread(path: Path) -> dict[int, float]:
    """Compute the standard deviation over raters by time stamp, where at least two answered."""
    raters = read_raters(path)
    columns = zip(raters.stamps, raters.answers.T, strict=True)
    answered = {stamp: column[~np.isnan(column)] for stamp, column in columns}
    return {stamp: float(np.std(some, ddof=1)) for stamp, some in answered.items() if len(some) > 1}


def read_predictions(path: Path, audio: Path, song: str | None, system: str | None) -> tuple[str, Curves]:
    """Read the predictions of a song.

    Parameters
    ----------
    path
        ``predictions.csv``, the folder of a run, or what ``lstmcore predict`` wrote.
    audio
        The song's file; its path or else its stem is looked for where songs are files.
    song
        Its name, for tables that know songs by number and instead of the path; None: the file's path, name or
        stem, whichever the table has.
    system
        Which system; the song's first if None.

    Returns
    -------
    system, curves
        The system's name (empty if the table has none), and the curves.

    Raises
    ------
    InputError
        If the file is missing or malformed, or doesn't have the song or system.
    """
    file = path / "predictions.csv" if path.is_dir() else path
    if path.is_dir() and not file.is_file():
        raise InputError(f"{path}: no predictions.csv in it; expected the folder of a finished run")
    table = _read_table(file)
    rows = _rows_of_song(file, table, audio, song)
    name = ""
    if "system" in table:
        systems = list(dict.fromkeys(rows["system"]))
        name = systems[0] if system is None else system
        if name not in systems:
            hint = did_you_mean(name, systems)
            raise InputError(f"{file}: no system {name!r}; this song has {', '.join(systems)}{hint}")
        rows = rows[rows["system"] == name]
    elif system is not None:
        raise InputError(f"{file}: no column 'system', so there is no {system!r} to choose")
    times = _numbers(file, rows, "time")
    if (np.diff(times) <= 0).any():
        raise InputError(f"{file}: the times of this song don't rise; expected each of them once")
    return name, {target: _curve(file, rows, times, target) for target in targets_in(table)}


def curves_of(table: pd.DataFrame) -> Curves:
    """Curves of one song from a table that `lstmcore.experiments.prediction.predict_files` gives."""
    times = table["time"].to_numpy()
    return {t: Curve(times, table[t].to_numpy(), table[t + _SPREAD].to_numpy()) for t in targets_in(table)}


def targets_in(table: pd.DataFrame) -> list[str]:
    """Names of what a table of predictions has: the columns with a spread beside them, or else all others."""
    return _targets_of([str(name) for name in table.columns])


def _targets_of(columns: list[str]) -> list[str]:
    spread = [name for name in columns if name + _SPREAD in columns]
    return spread or [name for name in columns if name not in _NO_TARGETS]


def _read_table(path: Path) -> pd.DataFrame:
    header, *rows = read_csv(path)
    missing = [] if "time" in header else ["time"]
    if not {"song_id", "file"} & {*header}:
        missing.insert(0, "song_id (or file)")
    if missing:
        raise InputError(
            f"{path}, line 1: no column {', '.join(missing)}; found {', '.join(header[:8])}; "
            "expected predictions.csv of a run or the output of lstmcore predict"
        )
    if not _targets_of(header):
        raise InputError(f"{path}, line 1: no column of a target; found {', '.join(header[:8])}")
    for line, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise InputError(f"{path}, line {line}: {len(row)} columns; the header has {len(header)}")
    return pd.DataFrame(rows, columns=header, index=range(2, len(rows) + 2), dtype=str)


def _rows_of_song(path: Path, table: pd.DataFrame, audio: Path, song: str | None) -> pd.DataFrame:
    wanted = song or printable(audio.stem)
    if "song_id" in table:
        known = table["song_id"]
        if song is None:
            called = set(known)
            wanted = next((name for name in _names_of(audio) if name in called), wanted)
    else:
        if song is None:
            exact = table["file"].map(
                lambda name: name == printable(audio) or Path(name).resolve() == audio.resolve()
            )
            if exact.any():
                return table[exact]
        known = table["file"].map(lambda name: Path(name).stem)
    rows = table[known == wanted]
    if rows.empty:
        raise InputError(f"{path}: {_no_song(wanted, list(dict.fromkeys(known)))}")
    if "song_id" not in table and rows["file"].nunique() > 1:
        raise InputError(f"{path}: several songs are called {wanted!r}: {', '.join(rows['file'].unique())}")
    return rows


def _names_of(audio: Path) -> Iterator[str]:
    """Yield what tables may call a file: its path below any folder, with its suffix or without."""
    parts = audio.absolute().parts[1:]
    for first in range(len(parts)):
        below = PurePosixPath(*parts[first:])
        yield from (printable(below), printable(below.with_suffix("")))


def _no_song(song: str, known: list[str]) -> str:
    near = get_close_matches(song, known, 3, 0.5) or known[:3]
    count = f"{len(known)} songs" if len(known) > 1 else "one song"
    examples = f", such as {', '.join(near)}" if len(known) > 3 else f": {', '.join(near)}"
    return f"no song {song!r}; it has {count}{examples} (--song-id says which one is meant)"


def _curve(path: Path, rows: pd.DataFrame, times: NDArray[np.float64], target: str) -> Curve:
    values = _numbers(path, rows, target)
    column = target + _SPREAD
    if column not in rows or not rows[column].str.strip().any():  # empty for a baseline
        return Curve(times, values)
    return Curve(times, values, _numbers(path, rows, column))


def _numbers(path: Path, rows: pd.DataFrame, column: str) -> NDArray[np.float64]:
    cells = zip(rows.index, rows[column], strict=True)
    return np.array([finite_number(path, int(line), f"column {column}", cell) for line, cell in cells])
