"""What comes before any reading: is it a file, and how long is it."""

from __future__ import annotations

from pathlib import Path

from lstmcore.experiments.errors import InputError


def file_size(path: Path) -> int:
    """Return the size of a file that can be read.

    Raises
    ------
    InputError
        If it is missing, empty or not an ordinary file (a folder, a pipe, a device).
    """
    try:
        found = path.exists()
        ordinary = path.is_file()
        size = path.stat().st_size if ordinary else 0
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    if not found:
        raise InputError(f"{path}: no such file")
    if not ordinary:
        raise InputError(f"{path}: not an ordinary file")
    if not size:
        raise InputError(f"{path}: the file is empty")
    return size
