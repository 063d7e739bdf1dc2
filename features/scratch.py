"""Where decoded sound lies while it is analysed: an hour of it takes a gigabyte or two.

On Unix ``/tmp`` often is memory; large files that are wanted for a while go to ``/var/tmp``.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # not on every system: then what killed processes left stays there
    fcntl = None  # type: ignore[assignment]

_PREFIX = "lstmcore-"
_CLAIM = "claim"
_LARGE = Path("/var/tmp")
_CHOICES = ("TMPDIR", "TEMP", "TMP")


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder for large files that vanishes in the end.

    It lies in the folder that the environment variable ``TMPDIR`` names, or else in ``/var/tmp`` where
    there is one.  Those that a killed process left there are removed.

    Returns
    -------
    context manager of Path
        The folder, for this block alone.

    Raises
    ------
    OSError
        If it cannot be made; ``filename`` names it.
    """
    root = scratch_root()
    _remove_abandoned(root)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=root) as name, _claimed(Path(name)):
        yield Path(name)


def scratch_root() -> Path:
    """Return where the folders of `scratch_folder` lie."""
    usual = Path(tempfile.gettempdir())
    asked_for = any(os.environ.get(name) for name in _CHOICES)
    if asked_for or usual != Path("/tmp") or not os.access(_LARGE, os.W_OK | os.X_OK):
        return usual
    return _LARGE


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Hold a lock on a folder, which the system opens when the process ends, however it ends."""
    new = folder / f"new-{_CLAIM}"
    with new.open("wb") as file:
        _lock(file)
        new.rename(folder / _CLAIM)  # nobody sees it before it is locked
        yield


def _lock(file: BinaryIO) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@cache
def _remove_abandoned(root: Path) -> None:
    """Remove, once a process, the folders of processes that were killed: those whose lock is open."""
    for claim in sorted(root.glob(f"{_PREFIX}*/{_CLAIM}")):
        with suppress(OSError), claim.open("rb+") as file:  # gone meanwhile, or another user's
            if _lock(file):
                shutil.rmtree(claim.parent, ignore_errors=True)
