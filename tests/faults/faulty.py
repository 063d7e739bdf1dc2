"""A command in a process of its own, in which faults can be set up."""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SECONDS = 60.0
"""After which a command counts as hanging."""

_SOURCE = Path(__file__).with_name("faults.c")
_NONE, SIGNAL, ERROR_ONCE, ERROR_FROM_THEN_ON = range(4)


class Injector:
    """The library that makes changes of files fail; in this process only where it began with it."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._library.fault_arm.argtypes = [ctypes.c_char_p, ctypes.c_long, ctypes.c_int, ctypes.c_int]
        self._library.fault_arm_second.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_int]
        self._library.fault_diary.argtypes = [ctypes.c_char_p]
        self._library.fault_count.restype = ctypes.c_long
        self._library.fault_clock.argtypes = [ctypes.c_long]

    def arm(self, folder: Path, at: int = 0, kind: int = _NONE, number: int = 0) -> None:
        """Have the change `at` (from 1) of a file below a folder be met by a signal or an error."""
        self._library.fault_arm(os.fsencode(folder), at, kind, number)

    def arm_second(self, at: int, kind: int, number: int) -> None:
        """Have a second change be met, too; after `arm`."""
        self._library.fault_arm_second(at, kind, number)

    def diary(self, folder: Path) -> None:
        """Have all changes be noted in a folder, so that a power cut can be played; after `arm`."""
        folder.mkdir()
        self._library.fault_diary(os.fsencode(folder))

    def count(self) -> int:
        """Tell how many changes there have been since `arm`."""
        return int(self._library.fault_count())

    def clock(self, most_seconds: int) -> None:
        """Have the clock jump by up to so many seconds, back and forth."""
        self._library.fault_clock(most_seconds)


def compiler() -> str | None:
    """Return the C compiler, if there is one."""
    return shutil.which("cc")


def begin_with_injector(module: str) -> None:
    """Begin this process anew with the library in it, unless it has it."""
    if hasattr(ctypes.CDLL(None), "fault_arm"):
        shutil.rmtree(Path(os.environ.pop("LD_PRELOAD")).parent)  # it is loaded
        return
    library = Path(tempfile.mkdtemp()) / "faults.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl"], check=True)
    os.environ["LD_PRELOAD"] = str(library)
    os.execv(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]])


@dataclass(frozen=True)
class End:
    """How a command ended.

    Parameters
    ----------
    code
        Its exit code, or minus the number of the signal that ended it; None: it hung.
    said
        What it printed, standard error included.
    seconds
        How long it took.
    """

    code: int | None
    said: str
    seconds: float


class Command:
    """A command that runs in a fork of this process, which has everything imported and compiled.

    Parameters
    ----------
    program
        ``lstmcore`` or ``lstmcore-run``.
    line
        Its arguments.
    log
        File for what it prints.
    prepare
        Is called in the new process first.
    """

    def __init__(
        self, program: str, line: list[str], log: Path, prepare: Callable[[], object] = lambda: None
    ) -> None:
        self._log, self._started = log, time.monotonic()
        log.touch()  # it may be killed before it has begun
        sys.stdout.flush()
        sys.stderr.flush()
        self._process = os.fork()
        if self._process == 0:
            _run(program, line, log, prepare)
        self._ended = os.pidfd_open(self._process)

    def ends_within(self, seconds: float) -> bool:
        """Wait, at most so long, for its end."""
        return bool(select.select([self._ended], [], [], max(0.0, seconds))[0])

    def kill(self, number: int) -> None:
        """Send it a signal."""
        signal.pidfd_send_signal(self._ended, number)

    def end(self) -> End:
        """Wait for its end, or end it where it hangs."""
        in_time = self.ends_within(SECONDS)
        if not in_time:
            self.kill(signal.SIGKILL)
        _, status = os.waitpid(self._process, 0)
        os.close(self._ended)
        code = os.waitstatus_to_exitcode(status) if in_time else None
        return End(code, self._log.read_text(errors="replace"), time.monotonic() - self._started)


def _run(program: str, line: list[str], log: Path, prepare: Callable[[], object]) -> None:
    """Be the command; doesn't return."""
    code = 1
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        from lstmcore.experiments.terminal import entry

        sys.argv = [program, *line]
        prepare()
        (entry.main_run if program == "lstmcore-run" else entry.main)()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:  # before the command itself had begun
        code = 128 + signal.SIGINT
    except BaseException:  # noqa: BLE001 - as Python itself does in the end
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
