"""One input, watched: what a reader may do with it, and what is a finding."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.target import Target

ROOT = Path(__file__).parents[2]
# What an input may make a reader take: bytes, and bytes for each of its own.
BASE, A_BYTE = 96 * 2**20, 200
LONGEST_LINE = 2200
_LOGS = ("lstmcore", "features", "prediction", "serving")  # notes of the house, such as of damage
_OPENS_FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES = {
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.rename",
    "os.symlink",
    "os.link",
    "os.truncate",
    "os.chmod",
}
_STARTS = {
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "socket.connect",
    "pickle.find_class",
}


@dataclass(frozen=True)
class Finding:
    """What a reader should not have done.

    Parameters
    ----------
    key
        Kind and place: findings with the same key are one.
    told
        What was seen.
    data
        The input.
    """

    key: str
    told: str
    data: bytes


class Hang(BaseException):
    """An input takes too long."""


class _Guard:
    """Sees what is written outside a folder, started or sent.  Python can't take a hook back."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, about: tuple[Any, ...]) -> None:
        if self.folder is None:
            return
        if event == "open":
            path, mode, flags = about
            for_writing = any(c in (mode or "") for c in "wax+") or (flags or 0) & _OPENS_FOR_WRITING
            if for_writing and not isinstance(path, int):
                self._in_folder("open", path)
        elif event in _CHANGES:
            for path, folder in _places(event, about):
                self._in_folder(event, path, folder)
        elif event in _STARTS:
            self.seen.append(f"{event} {about[:1]}")

    def _in_folder(self, event: str, path: Any, folder: int = -1) -> None:
        try:
            own = Path(f"/proc/self/fd/{folder}" if folder != -1 else "", os.fsdecode(path))
            real = own if str(own) == self.folder else own.parent.resolve()
        except (TypeError, ValueError, OSError):
            return
        kernels = "__pycache__" in own.parts and own.is_relative_to(ROOT)  # compiled when first used
        if not real.is_relative_to(self.folder) and str(own) != os.devnull and not kernels:
            self.seen.append(f"{event} {str(own)!r}")


def _places(event: str, about: tuple[Any, ...]) -> list[tuple[Any, int]]:
    """Return the paths that change, and descriptors of the folders that they are seen from (-1: this one)."""
    match event:
        case "os.rename" | "os.link":
            return [(about[0], about[2]), (about[1], about[3])]
        case "os.symlink":
            return [(about[1], about[2])]
        case "os.truncate":
            return [] if isinstance(about[0], int) else [(about[0], -1)]
        case "os.chmod" | "os.mkdir":
            return [] if isinstance(about[0], int) else [(about[0], about[2])]
        case _:
            return [(about[0], about[1])]


_guards: list[_Guard] = []


class Watch:
    """Lets a target read inputs, each in a fresh folder, and says what is wrong.

    Parameters
    ----------
    target
        The reader.
    root
        Folder for the inputs' folders.
    seconds
        Of wall time that one input may take.
    noise
        Whether output to file descriptors 1 and 2 is looked at; they must be files then.
    """

    def __init__(self, target: Target, root: Path, seconds: float = 10, noise: bool = False) -> None:
        from lstmcore.errors import EngineError
        from lstmcore.experiments.errors import InputError
        from lstmcore.features.errors import AudioError

        for name in _LOGS:
            logging.getLogger(name).addHandler(logging.NullHandler())
        self.target, self.seconds, self.noise = target, seconds, noise
        self.house = (InputError, EngineError, AudioError)
        self.folder = Path(os.path.realpath(root)) / "input"
        if not _guards:
            _guards.append(_Guard())
        self.guard = _guards[0]
        self.peak = _peak()

    def good(self, seeds: list[bytes]) -> None:
        """See that good files are read; this imports, too, what reading needs."""
        for data in seeds:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            self.target.read(data, self.folder)
        self.peak = _peak()

    def look(self, data: bytes) -> Finding | None:
        """Have one input read."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.guard.seen.clear()
        said, memory = self._said(), self.peak
        told: tuple[str, str] | None = None
        keeps = sys.dont_write_bytecode
        with warnings.catch_warnings(record=True) as warned, self._alarm():
            warnings.simplefilter("always")
            sys.dont_write_bytecode = True  # of what is first imported for this input
            self.guard.folder = str(self.folder)
            try:
                self.target.read(data, self.folder)
            except self.house as error:
                told = self._poor_message(error)
            except Hang as error:
                told = f"hang at {_place(error)}", f"still running after {self.seconds} s"
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is a finding
                told = (
                    f"{type(error).__name__} at {_place(error)}",
                    "".join(traceback.format_exception(error)[-6:]),
                )
            finally:
                self.guard.folder = None
                sys.dont_write_bytecode = keeps
        self.peak = _peak()
        taken = self.peak - memory
        if told is None and self.guard.seen:
            told = f"outside: {self.guard.seen[0].split()[0]}", self.guard.seen[0]
        if told is None and taken > BASE + A_BYTE * len(data):
            told = "memory", f"{taken} bytes for an input of {len(data)}"
        if told is None and warned:
            first = warned[0]
            told = (
                f"{first.category.__name__} at {Path(first.filename).name}:{first.lineno}",
                str(first.message),
            )
        if told is None and self._said() != said:
            told = "noise", "something was written to stdout or stderr"
        return Finding(told[0], told[1], data) if told else None

    def _said(self) -> int:
        return os.fstat(1).st_size + os.fstat(2).st_size if self.noise else 0

    def _poor_message(self, error: BaseException) -> tuple[str, str] | None:
        """Return what is wrong with an error that the user gets."""
        message = str(error)
        wrong = None
        if not message.strip():
            wrong = "says nothing"
        elif any((ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 for c in message):
            wrong = "has control characters"
        elif any(0xD800 <= ord(c) < 0xE000 and not 0xDC80 <= ord(c) < 0xDD00 for c in message):
            wrong = "can't be printed"
        elif max(map(len, message.splitlines())) > LONGEST_LINE:
            wrong = f"has a line of more than {LONGEST_LINE} characters"
        elif self.target.names and not any(name in message for name in self.target.names):
            wrong = "names no place"
        return (f"message {wrong} at {_place(error)}", message[:500]) if wrong else None

    @contextmanager
    def _alarm(self) -> Iterator[None]:
        def late(*_: object) -> None:
            raise Hang

        before = signal.signal(signal.SIGALRM, late)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def _peak() -> int:
    """Return the most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _place(error: BaseException) -> str:
    """Return the innermost line of the house that an error went through, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f.filename.startswith(str(ROOT)) and ".venv" not in f.filename]
    last = f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else ""
    if not own:
        return last
    here = f"{Path(own[-1].filename).relative_to(ROOT)}:{own[-1].lineno}"
    return here if own[-1] is frames[-1] else f"{here} ({last})"
