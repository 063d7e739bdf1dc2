"""Leases: who is at work at what in a folder that several machines share.

A lease is a small file that its holder touches again and again.  Whoever has watched one for `LEASE_SECONDS`
of their own, by no clock that can be set, and saw nobody touch it, takes it to have ended with its holder.
Clocks of other machines are never read.  Locks of the file system would tell sooner, but where folders are
shared they are often switched off, or hold on one machine only.

That two hold one lease is unlikely and not impossible: a process that stood still for a minute goes on.  So a
lease is for work that may be done twice, by processes that come to the same bytes and write them whole.

Leases have numbers.  What makes one is a file that must not have been there; whoever takes up what a process
that was killed has left makes the next number, which only one can do.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from lstmcore.experiments.errors import Interrupted
from lstmcore.experiments.files import make_folder, read_plain

LEASE_SECONDS = 60.0
"""How long nobody touches a lease until it has ended."""

RENEWALS = 6  # within that time
_POLL_SECONDS = 0.2
_SUFFIX = ".lease"
_WORKER = "worker-"


class Watch:
    """Tells which leases have ended."""

    def __init__(self) -> None:
        self._seen: dict[Path, tuple[tuple[int, bytes], float]] = {}

    def ended(self, file: Path) -> bool:
        """Whether the holder of a lease has died; not, if the file is gone: the next look will tell."""
        try:
            with file.open("rb") as opened:  # a file server is asked then; to look from afar may be old news
                state = (os.fstat(opened.fileno()).st_mtime_ns, opened.read())
        except FileNotFoundError:
            return False
        now = time.monotonic()
        before, since = self._seen.setdefault(file, (state, now))
        if before != state:
            self._seen[file] = (state, now)
            since = now
        return now - since > LEASE_SECONDS or _has_died(_facts(state[1]))

    def workers(self, folder: Path) -> list[str]:
        """Say who works in a folder together with others."""
        return [_who(file) for file in _workers(folder) if not self.ended(file)]


class Leases(AbstractContextManager["Leases"]):
    """The leases that this process holds, which a thread touches from ``with`` to its end."""

    def __init__(self) -> None:
        self.watch = Watch()
        self._held: dict[Path, int] = {}
        self._lock, self._ending = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._renew, name="leases", daemon=True)
        self.worker = f"{_WORKER}{platform.node()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"

    def __enter__(self) -> Leases:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(LEASE_SECONDS)
        for what in [*self._held]:
            self.give_back(what)

    def _renew(self) -> None:
        while not self._ending.wait(LEASE_SECONDS / RENEWALS):
            with self._lock:
                files = [_file(what, number) for what, number in self._held.items()]
            for file in files:
                with suppress(OSError):  # somebody has taken it over, or the disk comes back
                    os.utime(file)  # to the time of the file server

    def take(self, what: Path) -> bool:
        """Take the lease of something, named by a path that need not exist; False if somebody holds it."""
        make_folder(what.parent)
        number = 1
        while not _made(_file(what, number)):
            if not self.watch.ended(_file(what, number)):
                return False
            number += 1
        with self._lock:
            self._held[what] = number
        return True

    def give_back(self, what: Path) -> None:
        """Let others have a lease, if it is held."""
        with self._lock:
            last = self._held.pop(what, 0)
        for number in range(last, 0, -1):  # a lower one keeps others out until all are gone
            with suppress(OSError):  # then it ends when nobody touches it
                _file(what, number).unlink(missing_ok=True)

    @contextmanager
    def taken(self, what: Path) -> Iterator[bool]:
        """Take a lease for a block, which hears whether that was possible."""
        mine = self.take(what)
        try:
            yield mine
        finally:
            if mine:
                self.give_back(what)

    @contextmanager
    def turn(self, what: Path, tell: Callable[[str], None], stopped: Callable[[], bool]) -> Iterator[None]:
        """Hold a lease; `tell` hears, once, who is waited for.

        Raises
        ------
        Interrupted
            If it was stopped before the lease was free.
        """
        told = False
        while not self.take(what):
            if not told:
                tell(self.holder(what))
                told = True
            wait(stopped)
        try:
            yield
        finally:
            self.give_back(what)

    def holder(self, what: Path) -> str:
        """Name the process that holds a lease, as far as that is known."""
        return _who(_file(what, 1))

    def clear(self, folder: Path, others: list[Path]) -> None:
        """Delete what killed processes left in a folder and below: leases, and `others` of their files.

        Nothing is deleted while somebody else works there.  What is deleted was there before that was looked
        at, and whoever has a file there has said before that they work there.
        """
        own = {_file(what, number) for what, number in self._held.items()}
        left = [file for file in [*others, *leases_in(folder)] if file not in own]
        # All are looked at: the time of each runs from then on.
        at_work = [file for file in _workers(folder) if file not in own and not self.watch.ended(file)]
        if not at_work:
            for file in left:
                file.unlink(missing_ok=True)


def wait(stopped: Callable[[], bool], seconds: float = _POLL_SECONDS) -> None:
    """Wait; Interrupted if it was stopped."""
    until = time.monotonic() + seconds
    while not stopped():
        left = until - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, _POLL_SECONDS))
    raise Interrupted


def is_lease(file: Path) -> bool:
    """Whether a file is a lease."""
    return file.name.startswith(".") and file.suffix == _SUFFIX


def leases_in(folder: Path) -> list[Path]:
    """List the leases in a folder and below, of whomever."""
    return [*folder.rglob(f".*{_SUFFIX}")]


def workers_in(folder: Path) -> list[str]:
    """List the names of those that work in a folder together with others, or did when they were killed."""
    return sorted(file.name[1:].removesuffix(f".1{_SUFFIX}") for file in _workers(folder))


def _workers(folder: Path) -> list[Path]:
    return [*folder.glob(f".{_WORKER}*{_SUFFIX}")]


def _file(what: Path, number: int) -> Path:
    return what.with_name(f".{what.name}.{number}{_SUFFIX}")


def _made(file: Path) -> bool:
    try:
        with file.open("xb") as made:
            made.write(json.dumps(_ourselves()).encode())
    except FileExistsError:
        return False
    except OSError:
        with suppress(OSError):  # a full disk, say; of a name without content nobody knows whose it is
            file.unlink(missing_ok=True)
        raise
    return True


def _ourselves() -> dict[str, Any]:
    number = os.getpid()
    since = datetime.now().astimezone().isoformat(" ", "seconds")
    return {
        "process": number,
        "machine": platform.node(),
        "since": since,
        "here": _here(),
        "begun": _begun(number),
    }


@cache
def _here() -> str:
    """Name what processes are numbered by: a machine since it was started, or a container on it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not on every system
        return f"{platform.node()} {uuid.getnode():x}"


def _begun(process: int) -> int | None:
    """Return when a process began, in units of the system's, by no clock that can be set."""
    try:
        return int(Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def _facts(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:  # its holder was killed when it was being made
        return {}
    return found if isinstance(found, dict) else {}


def _has_died(facts: dict[str, Any]) -> bool:
    """Whether the holder of a lease ran here, and doesn't any more."""
    number = facts.get("process")
    if facts.get("here") != _here() or not isinstance(number, int):
        return False
    try:
        dead = psutil.Process(number).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
    return dead or facts.get("begun") != _begun(number)


def _who(file: Path) -> str:
    """Name the process that holds a lease, as far as that is known."""
    try:
        found = _facts(read_plain(file))
        return f"process {found['process']} on {found['machine']} (since {found['since']})"
    except (OSError, LookupError):
        return "another process"
