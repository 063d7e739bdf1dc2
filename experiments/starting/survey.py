"""What files a folder has: sound, tables, and what is neither."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from lstmcore.experiments.errors import InputError
from lstmcore.features.formats import SOUND_SUFFIXES, is_companion

TABLES = (".csv", ".tsv", ".parquet", ".pq")
_OTHER_TABLES = (".xlsx", ".xls", ".ods", ".arff", ".mat", ".npy", ".npz", ".pkl", ".sav", ".json", ".txt")


@dataclass
class Survey:
    """Files of a folder by what they are.

    Parameters
    ----------
    folder
        The folder.
    sounds, tables
        Paths below it, with ``/``, sorted.
    aside
        What is left aside, and why.
    """

    folder: Path
    sounds: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    aside: dict[str, str] = field(default_factory=dict)


def look(folder: Path) -> Survey:
    """Look at all that is in a folder and below it.

    Parameters
    ----------
    folder
        Searched behind links, too; not in folders whose names begin with a point, nor in those of runs.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    if not folder.is_dir():
        found = "is a file" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {found}; expected the folder of songs and ratings")
    survey = Survey(folder)
    others: Counter[str] = Counter()
    seen: set[str] = set()

    def refused(error: OSError) -> None:
        survey.aside[_below(folder, str(error.filename))] = f"can't be looked into: {error.strerror}"

    for here, folders, names in os.walk(folder, onerror=refused, followlinks=True):
        true = os.path.realpath(here)
        if true in seen:
            folders.clear()
            continue
        seen.add(true)
        if {"config.toml", "predictions.csv"} <= {*names}:
            survey.aside[_below(folder, here)] = "the results of a run"
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path, low = os.path.join(here, name), name.lower()  # noqa: PTH118
            if name.startswith(".") or is_companion(path):
                continue
            if low.endswith(SOUND_SUFFIXES):
                survey.sounds.append(_below(folder, path))
            elif low.endswith(TABLES):
                survey.tables.append(_below(folder, path))
            elif low.endswith(_OTHER_TABLES):
                others[os.path.splitext(low)[1]] += 1  # noqa: PTH122
    for suffix, count in others.items():
        files = "a file" if count == 1 else f"{count} files"
        survey.aside[f"*{suffix}"] = f"{files} in no format that is read; tables are read as CSV or Parquet"
    return survey


def _below(folder: Path, path: str) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()
