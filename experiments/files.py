"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import pandas

_PREFIX, _SUFFIX = ".lstmcore-", ".tmp"  # not the file's own name: with more to it, it may be too long

_NEW_FILE, _WRITABLE = 0o644, 0o222  # permissions


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
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: Path, *, even_empty: bool = True) -> Iterator[BinaryIO]:
    """Open a file beside another, which it replaces in the end: whole or not at all.

    Parameters
    ----------
    path
        The file to replace or make; its folder is made if need be, its permissions are kept.
    even_empty
        Whether it is replaced by a file to which nothing was written.

    Returns
    -------
    context manager of a binary file
        It vanishes if the block ends in an error.

    Raises
    ------
    OSError
        With the file's name, if it is read-only, the disk full or the folder not writable.
    """
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else _NEW_FILE
    if not mode & _WRITABLE:  # replacing it would need no permission
        raise PermissionError(errno.EACCES, "the file is read-only", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    name = None
    try:
        handle, name = tempfile.mkstemp(_SUFFIX, _PREFIX, path.parent)
        with os.fdopen(handle, "wb") as file:
            yield file
            if not (file.tell() or even_empty):
                return
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except OSError as error:
        # Not another file that the block was at.
        others = name is not None and error.filename not in (None, name)
        raise OSError(error.errno, error.strerror, error.filename if others else str(path)) from error
    finally:
        if name is not None:
            Path(name).unlink(missing_ok=True)


def write_csv(path: Path, table: pandas.DataFrame, decimals: int) -> None:
    """Write a table as CSV, whole or not at all."""
    write_whole(path, table.to_csv(index=False, float_format=f"%.{decimals}f", lineterminator="\n"))


def write_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all; what is not finite is a ValueError."""
    write_whole(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
