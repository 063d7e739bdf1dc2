"""One process at a time where two would compute the same twice, and disturb each other's files.

Or several that share the work (`leases`); these, and one that is alone, wait for each other to end.
"""

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
from lstmcore.experiments.files import from_json, make_folder, read_plain
from lstmcore.experiments.jobs.leases import Leases, Watch, is_lease, wait

_POLL_SECONDS = 0.2
_MOST_BYTES = 10_000  # of what says who holds a lock


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
    make_folder(lock.parent)
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
        _wait_for_workers(lock.parent, where, tell, stopped)
        since = datetime.now().astimezone().isoformat(" ", "seconds")
        holder = {"process": os.getpid(), "machine": platform.node(), "since": since}
        with suppress(OSError):  # it is for people only
            _holder(lock).unlink(missing_ok=True)  # nothing is written through a link in its place
            with _holder(lock).open("x", encoding="utf-8") as file:
                file.write(json.dumps(holder))
        yield
    finally:
        with suppress(OSError):
            _holder(lock).unlink(missing_ok=True)
        held.release()


def _wait_for_workers(
    folder: Path, where: Path, tell: Callable[[str], None], stopped: Callable[[], bool]
) -> None:
    """Wait for those that share the work in a folder; new ones wait for us, who have the lock."""
    watch, told = Watch(), False
    while there := watch.workers(folder):
        if not told:
            more = f" and {len(there) - 1} more" if len(there) > 1 else ""
            tell(f"{where}: {there[0]}{more} share the work here; waiting until they have ended")
            told = True
        wait(stopped)


@contextmanager
def beside_others(
    lock: Path, where: Path, tell: Callable[[str], None], stopped: Callable[[], bool]
) -> Iterator[Leases]:
    """Be one of those that share the work in a folder, waiting for whoever is alone in it.

    Parameters
    ----------
    lock
        File of the lock that whoever is alone there holds; its folder is made.
    where, tell, stopped
        As in `alone`.

    Returns
    -------
    context manager of Leases
        By which the work is shared.

    Raises
    ------
    Interrupted
        If it was stopped before the other one had ended.
    OSError
        If there can't be files.
    """
    told = False
    with Leases() as leases:
        here = lock.parent / leases.worker
        while True:
            leases.take(here)  # before looking: whoever takes the lock now will see it
            if not _is_locked(lock):
                break
            leases.give_back(here)
            if not told:
                tell(
                    f"{where}: {_who(_holder(lock))} is at work here and shares nothing; waiting until that "
                    "has ended (those that are to share the work are all started with engine = 'folder')"
                )
                told = True
            wait(stopped)
        yield leases


def _is_locked(lock: Path) -> bool:
    """Tell whether somebody is alone in a folder; where there are no locks, nobody can be."""
    try:
        with FileLock(lock).acquire(timeout=_POLL_SECONDS):  # longer than others take to ask the same
            return False
    except Timeout:
        return True
    except (OSError, NotImplementedError):
        return False


def is_held(lock: Path) -> bool:
    """Tell whether somebody works where a lock is, without touching it: from what it says beside it."""
    if Watch().workers(lock.parent):
        return True
    try:
        found = from_json(read_plain(_holder(lock), _MOST_BYTES))
        if found["machine"] != platform.node():
            return True
        return bool(psutil.pid_exists(int(found["process"])))
    except (OSError, ValueError, LookupError, TypeError):
        return False


def is_lock(file: Path, lock: Path) -> bool:
    """Tell whether a file is a lock, or says who holds it."""
    return file in (lock, _holder(lock)) or is_lease(file)


def _holder(lock: Path) -> Path:
    return lock.with_name(f"{lock.name}.json")


def _who(file: Path) -> str:
    """Name the process that holds a lock, as far as that is known."""
    try:
        found = from_json(read_plain(file, _MOST_BYTES))
        return f"process {found['process']} on {found['machine']} (since {found['since']})"
    except (OSError, ValueError, LookupError, TypeError):
        return "another process"
