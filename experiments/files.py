"""Files that are written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from experiments.errors import InputError
from features.errors import printable

if TYPE_CHECKING:
    import pandas

_PREFIX, _SUFFIX = ".lstmcore-", ".tmp"  # not the file's own name: with more to it, it may be too long


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
    InputError
        If the text has a name that isn't UTF-8.
    OSError
        With the file's name, if the disk is full or the folder not writable.
    """
    data = _encoded(path, content) if isinstance(content, str) else content
    with replacing(path) as file:
        file.write(data)


def _encoded(path: Path, content: str) -> bytes:
    try:
        return content.encode()
    except UnicodeEncodeError as error:  # the name of a folder, say
        line = content[: error.end].splitlines()[-1] + content[error.end :].partition("\n")[0]
        raise InputError(f"{printable(path)}: can't hold what isn't UTF-8: {printable(line)}") from None


@contextmanager
def replacing(path: Path, *, even_empty: bool = True) -> Iterator[BinaryIO]:
    """Open a file beside another, which it replaces in the end: whole or not at all.

    Parameters
    ----------
    path
        The file to replace or make; its folder is made if need be.
    even_empty
        Whether it is replaced by a file to which nothing was written.

    Returns
    -------
    context manager of a binary file
        It vanishes if the block ends in an error.

    Raises
    ------
    OSError
        With the file's name, if the disk is full or the folder not writable.
    """
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
        Path(name).chmod(0o644)
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
