"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from contextlib import suppress
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
        The file; its folder is made if need be. What is no ordinary file (``/dev/null``, a pipe) is
        written to, not replaced.
    content
        Text (written as UTF-8) or bytes.

    Raises
    ------
    OSError
        With the file's name, if the disk is full or the folder not writable.
    """
    data = content.encode() if isinstance(content, str) else content
    if _is_special(path):
        _write_into(path, data)
        return
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


def check_writable(path: Path) -> None:
    """See whether `write_whole` can write a file, and leave nothing behind.

    Raises
    ------
    OSError
        With the file's name, if it can't: a folder, or one that is not writable or missing and can't be made,
        a name that is too long, a file that may not be written.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        path.stat()  # says what else is wrong with a name
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    # The superuser may write what is read-only, and wouldn't want to.
    if path.exists() and not (os.access(path, os.W_OK) and path.stat().st_mode & 0o222):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    if _is_special(path):
        return
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write_into(path: Path, data: bytes) -> None:
    try:
        with path.open("wb") as device:
            device.write(data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _is_special(path: Path) -> bool:
    """Whether something is there that is neither a file nor a folder."""
    return path.exists() and not path.is_file() and not path.is_dir()


def write_csv(path: Path, table: pandas.DataFrame, decimals: int) -> None:
    """Write a table as CSV, whole or not at all."""
    write_whole(path, table.to_csv(index=False, float_format=f"%.{decimals}f", lineterminator="\n"))


def write_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all; what is not finite is a ValueError."""
    write_whole(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
