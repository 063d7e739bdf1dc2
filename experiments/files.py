"""Files that are written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

_SUFFIX = ".tmp"


def remove_leftovers(folder: Path) -> None:
    """Delete what writes that were killed half-way left in a folder and below."""
    for path in folder.rglob(f".*{_SUFFIX}"):
        path.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a crash leaves either the old content or the new.

    Parameters
    ----------
    path
        The file; its folder is made if need be.
    content
        Text (written as UTF-8) or bytes.

    Raises
    ------
    OSError
        With the file's name, if the disk is full or the folder not writable.
    """
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(_SUFFIX, f".{path.name}.", path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        Path(name).unlink(missing_ok=True)


def write_csv(path: Path, table: pandas.DataFrame, decimals: int) -> None:
    """Write a table as CSV, whole or not at all."""
    write_whole(path, table.to_csv(index=False, float_format=f"%.{decimals}f", lineterminator="\n"))


def write_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all; what is not finite is a ValueError."""
    write_whole(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
