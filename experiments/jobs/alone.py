"""One process at a time where two would compute the same twice, and disturb each other's files."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from lstmcore.experiments.errors import Interrupted
from lstmcore.experiments.files import from_json

_POLL_SECONDS = 0.2


@contextmanager
def alone(
    lock: Path, where: Path, tell: Callable[[str], None], stopped: Callable[[], bool]
) -> Iterator[None]:
    """Hold a lock, waiting for whoever holds it.

    The system frees the lock of a process that has died, however it died.

    Parameters
    ----------
    lock
        File of the lock; its folder is made.  It stays, beside one that says who holds it.
    where
        What is locked, for people.
    tell
        Hears, once, who is there.
    stopped
        Asked while waiting.

    Raises
    ------
    Interrupted
        If it was stopped before the lock was free.
    OSError
        If the file of the lock can't be made.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    held, told = FileLock(lock), False
    while True:
        try:
            held.acquire(timeout=_POLL_SECONDS if told else 0)
            break
        except Timeout:
            if not told:
                tell(f"{where}: {_who(_holder(lock))} is at work here; waiting until that has ended")
                told = True
            if stopped():
                raise Interrupted from None
    try:
        since = datetime.now().astimezone().isoformat(" ", "seconds")
        holder = {"process": os.getpid(), "machine": platform.node(), "since": since}
        with suppress(OSError):  # it is for people only
            _holder(lock).write_text(json.dumps(holder), encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            _holder(lock).unlink(missing_ok=True)
        held.release()


def is_held(lock: Path) -> bool:
    """Tell whether somebody works where a lock is, without touching it: from what it says beside it."""
    try:
        found = from_json(_holder(lock).read_text(encoding="utf-8"))
        if found["machine"] != platform.node():
            return True
        return bool(psutil.pid_exists(int(found["process"])))
    except (OSError, ValueError, LookupError, TypeError):
        return False


def is_lock(file: Path, lock: Path) -> bool:
    """Tell whether a file is a lock, or says who holds it."""
    return file in (lock, _holder(lock))


def _holder(lock: Path) -> Path:
    return lock.with_name(f"{lock.name}.json")


def _who(file: Path) -> str:
    """Name the process that holds a lock, as far as that is known."""
    try:
        found = from_json(file.read_text(encoding="utf-8"))
        return f"process {found['process']} on {found['machine']} (since {found['since']})"
    except (OSError, ValueError, LookupError, TypeError):
        return "another process"
