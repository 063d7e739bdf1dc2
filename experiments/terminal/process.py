"""How a command's process ends, by itself or by a signal, and who may write to its terminal."""

from __future__ import annotations

import _thread
import faulthandler
import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

_AGAIN_SECONDS = 0.01
# New objects before the garbage collector looks: Python's own (later versions have more), and ours.
_USUAL_THRESHOLD, _THRESHOLD = 700, 10_000


class Terminated(KeyboardInterrupt):
    """Somebody asked the process to end, other than by Ctrl-C.

    Parameters
    ----------
    number
        Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def exit_code(interrupt: BaseException) -> int:
    """Return the exit code for a signal that ended a command: 130 after Ctrl-C, 143 after SIGTERM."""
    return 128 + (interrupt.number if isinstance(interrupt, Terminated) else signal.SIGINT)


def run_command(command: Callable[[], object]) -> None:
    """Run a command line as the process's only task.

    SIGTERM (of ``timeout``, ``docker stop``, a cluster) and SIGHUP (a closed terminal) end it as
    Ctrl-C does: temporary folders are removed and what can be kept is kept.

    Parameters
    ----------
    command
        It ends in SystemExit.
    """
    _collect_rarely()
    came = _end_as_by_ctrl_c()
    _heed_what_is_swallowed()
    _keep_terminal_to_ourselves()
    try:
        command()
    except SystemExit as end:
        if came and end.code == 128 + signal.SIGINT:  # before the work began: typer knows Ctrl-C alone
            end.code = 128 + came[0]
        _leave(end)


def _collect_rarely() -> None:
    """Have the garbage collector look less often: what is imported are many objects, which stay."""
    first, *others = gc.get_threshold()
    if _USUAL_THRESHOLD <= first < _THRESHOLD:  # else somebody wants it so
        gc.set_threshold(_THRESHOLD, *others)


def _end_as_by_ctrl_c() -> list[int]:
    """Have other signals raise, too; return a list that the numbers of those that come are added to."""
    came: list[int] = []

    def end(number: int, _: object) -> None:
        came.append(number)
        raise Terminated(number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # not every system has both
        # nohup has a process ignore SIGHUP.
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)
    return came


def _heed_what_is_swallowed() -> None:
    """Send a signal again that came while a finalizer or a callback of C code ran.

    Python drops what these raise, with a traceback, and the command would go on.
    """
    others = sys.unraisablehook

    def dropped(what: sys.UnraisableHookArgs) -> None:
        if not isinstance(what.exc_value, KeyboardInterrupt):
            others(what)
            return
        number = exit_code(what.exc_value) - 128
        again = threading.Timer(
            _AGAIN_SECONDS, _thread.interrupt_main, (number,)
        )  # not in the callback itself
        again.daemon = True
        again.start()

    sys.unraisablehook = dropped


def _keep_terminal_to_ourselves() -> None:
    """Keep what libraries in C print, such as an MP3 decoder's notes on a file, out of our messages.

    What we say goes on to where standard error went; so do the stacks of a crash.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # names need not be UTF-8, nor terminals
        sys.stdout.reconfigure(errors="backslashreplace")
    stream = sys.stderr
    if os.name != "posix" or not isinstance(stream, io.TextIOWrapper) or stream.closed:
        return
    stream.flush()
    kept = io.BufferedWriter(io.FileIO(os.dup(stream.fileno()), "w"))
    sys.stderr = io.TextIOWrapper(kept, encoding=stream.encoding, errors=stream.errors, line_buffering=True)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    faulthandler.enable(sys.stderr)


def _leave(end: SystemExit) -> None:
    """End at once if threads are left, after an error: their kernels can't be waited for."""
    others = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    if not others or not isinstance(end.code, int):
        raise end
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(end.code)
