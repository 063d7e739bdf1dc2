"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_PREFIX, _SUFFIX = ".lstmcore-", ".tmp"  # not the file's own name: with more to it, it may be too long

_NEW_FILE, _WRITABLE = 0o666, 0o222  # permissions; of a new file, what the umask leaves of them


def is_leftover(path: Path) -> bool:
    """Whether a file is what a write that was killed half-way left."""
    return path.name.startswith(".") and path.suffix == _SUFFIX


def leftovers(folder: Path) -> list[Path]:
    """List what writes that were killed half-way left in a folder and below, and what is being written."""
    return [*folder.rglob(f".*{_SUFFIX}")]


def remove_leftovers(folder: Path) -> None:
    """Delete what writes that were killed half-way left in a folder and below."""
    for path in sorted(leftovers(folder)):
        path.unlink(missing_ok=True)


def read_plain(path: str | os.PathLike[str], most_bytes: int | None = None) -> bytes:
    """Read a whole file of a folder that somebody else may have filled.

    Parameters
    ----------
    path
        The file.
    most_bytes
        It may have; None: as many as there is memory for.

    Raises
    ------
    OSError
        With the file's name, if it can't be read, is larger, or is no ordinary file: a named pipe would be
        waited for, and a device such as ``/dev/zero`` has no end.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
        if most_bytes is not None and about.st_size > most_bytes:
            found = f"{about.st_size:,} bytes; at most {most_bytes:,} are expected"
            raise OSError(errno.EINVAL, found, os.fspath(path))
        return file.read()


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # which Windows hasn't got


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a crash leaves either the old content or the new.

    Parameters
    ----------
    path
        The file; its folder is made if need be. What is no ordinary file (``/dev/null``, a pipe) is
        written to, not replaced.
    content
        All of it.

    Raises
    ------
    OSError
        With the file's name, if the disk is full or the folder not writable.
    """
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path: Path, *, even_empty: bool = True) -> Iterator[BinaryIO]:
    """Open a file beside another, which it replaces in the end: whole or not at all.

    Parameters
    ----------
    path
        The file to replace or make; its folder is made if need be, its permissions are kept. What is no
        ordinary file (``/dev/null``, a pipe) is written to, not replaced.
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
    if _is_special(path):
        with _told_of(path), path.open("wb") as device:
            yield device
        return
    kept = _permissions(path)
    make_folder(path.parent, path)
    name = None
    try:
        handle, name = _new_file(path.parent, _NEW_FILE if kept is None else kept)
        with os.fdopen(handle, "wb") as file:
            yield file
            if not (file.tell() or even_empty):
                return
            file.flush()
            os.fsync(file.fileno())
        if kept is not None:
            Path(name).chmod(kept)
        Path(name).replace(path)
        _sync(path.parent, path)
    except OSError as error:
        # Not another file that the block was at.
        others = name is not None and error.filename not in (None, name)
        raise OSError(error.errno, error.strerror, error.filename if others else str(path)) from error
    finally:
        if name is not None:
            Path(name).unlink(missing_ok=True)


def make_folder(folder: Path, wanted: Path | None = None) -> None:
    """Make a folder, and those above it, unless it is there; a power cut doesn't undo it.

    Parameters
    ----------
    folder
        The folder.
    wanted
        What it is for, which an error names; None: the folder itself.

    Raises
    ------
    OSError
        With a name, if it can't be made.
    """
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in reversed(new):
        _sync(one.parent, wanted or folder)


def _sync(folder: Path, wanted: Path) -> None:
    """See to it that a power cut doesn't undo what was done to names in a folder; not every system can."""
    if os.name != "posix":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
    except PermissionError:  # one may be allowed to write and not to list
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise OSError(error.errno, error.strerror, str(wanted)) from error  # it came without a name
    finally:
        os.close(handle)


def _new_file(folder: Path, mode: int) -> tuple[int, str]:
    """Make a file of a name of its own; return its descriptor and path.

    `tempfile.mkstemp` lets nobody else read it, whatever the umask says, which can't be asked without
    changing it for all threads.
    """
    name = str(folder / f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    return os.open(name, flags, mode), name


def _permissions(path: Path) -> int | None:
    """Return those of a file, None if there is none; read-only is an error, as replacing would need none."""
    if not path.exists():
        return None
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & _WRITABLE:
        raise PermissionError(errno.EACCES, "the file is read-only", str(path))
    return mode


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
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def _told_of(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, error.filename or str(path)) from error


def _is_special(path: Path) -> bool:
    """Whether something is there that is neither a file nor a folder."""
    return path.exists() and not path.is_file() and not path.is_dir()
