"""Which songs, and what their tables are called."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.extraction.folders import sound_files
from lstmcore.features.errors import printable
from lstmcore.features.media import readable_suffixes


def find_songs(audio: Iterable[Path], files_from: Path | None = None) -> dict[Path, str]:
    """Find the songs that files and folders stand for.

    Parameters
    ----------
    audio
        Files, and folders that are searched with all that is below them for files of sound
        (`lstmcore.experiments.extraction.folders`).
    files_from
        A list of more of them, one path per line; "-" is standard input.

    Returns
    -------
    dict
        Path of each song, once, to its name: the path below the folder that was given, or
        the file's own name.  In the order given, those of a folder sorted.

    Raises
    ------
    InputError
        If there is no song at all.
    OSError
        If the list can't be read.
    """
    songs: dict[Path, str] = {}
    given = list(audio)
    for path in _with_listed(given, files_from):
        if os.path.isdir(path):  # noqa: PTH112  (False, where `Path.is_dir` has no permission to tell)
            for file in sound_files(path):
                songs.setdefault(Path(file), os.path.relpath(file, path))
        else:
            songs.setdefault(path, path.name)
    if not songs:
        where = [*map(str, given), *([] if files_from is None else [f"the list {files_from}"])]
        found = f"{', '.join(where)}: no audio" if where else "no audio is given"
        raise InputError(
            f"{found}; files, folders with {' '.join(readable_suffixes())}, or a list are expected"
        )
    return songs


def _with_listed(given: list[Path], files_from: Path | None) -> Iterator[Path]:
    yield from given
    if files_from is None:
        return
    content = sys.stdin.buffer.read() if str(files_from) == "-" else files_from.read_bytes()
    for line in content.splitlines():
        if line:
            yield Path(os.fsdecode(line))


def table_names(songs: dict[Path, str], suffix: str, one_holds_all: bool = True) -> dict[Path, str]:
    """Name a table for each song: the song's name with another suffix.

    Songs that differ in their audio suffix alone, ``song.wav`` and ``song.mp3``, keep it:
    ``song.wav.csv``.

    Parameters
    ----------
    songs
        From `find_songs`.
    suffix
        Of the tables, such as ".csv".
    one_holds_all
        Whether one such file could hold all songs.

    Returns
    -------
    dict
        Path of each song to the name of its table, all different.

    Raises
    ------
    InputError
        If two songs have one name; it names both.
    """
    met: set[str] = set()
    shared: set[str] = set()
    for name in songs.values():
        stem = os.path.splitext(name)[0]  # noqa: PTH122
        (shared if stem in met else met).add(stem)
    tables: dict[Path, str] = {}
    owners: dict[str, Path] = {}
    for path, name in songs.items():
        stem = os.path.splitext(name)[0]  # noqa: PTH122
        table = (name if stem in shared else stem) + suffix
        if table in owners:
            both = " and ".join(map(printable, (owners[table], path)))
            both += f" would both be written to {printable(stem + suffix)}"
            hint = "give the folder above both instead of what is in it"
            if one_holds_all:
                hint += f", or write one table for all, --out FILE{suffix}"
            raise InputError(f"{both}; {hint}")
        tables[path], owners[table] = table, path
    return tables
