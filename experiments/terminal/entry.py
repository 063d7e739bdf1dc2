"""Where each command begins: what must hold before anything is imported, and after all is done.

Importing takes a second, and nothing is under way then: Ctrl-C ends the process at once. Who reads our output
may go away (``lstmcore --help | head -1``), and names of files may be bytes that are no text.
"""

from __future__ import annotations

# As few as can be: until `_run` has begun, Ctrl-C leaves Python's traceback.
import codecs
import errno
import io
import os
import signal
import sys
from importlib import import_module

_NOBODY_READS = 1
_NOT_WRITTEN = 2
_NO_ROOM = (errno.ENOSPC, errno.EIO, errno.EFBIG)


def main() -> None:
    """Entry point of ``lstmcore``."""
    _run("lstmcore.experiments.cli", "main")


def main_run() -> None:
    """Entry point of ``lstmcore-run``."""
    _run("lstmcore.experiments.cli", "main_run")


def main_currennt() -> None:
    """Entry point of ``lstmcore-currennt``."""
    _run("lstmcore.experiments.currennt.cli", "main")


def work_begins() -> None:
    """Have Ctrl-C raise KeyboardInterrupt from now on: there is something to report or to save."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _run(module: str, name: str) -> None:
    _print_any_name()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored, as after nohup
        signal.signal(signal.SIGINT, _leave)
    try:
        try:
            getattr(import_module(module), name)()
        finally:
            if sys.stdout is not None:  # it is where the shell has closed it
                sys.stdout.flush()  # what print has kept; it would fail where nobody catches it
    except BrokenPipeError:
        os._exit(_NOBODY_READS)  # at once: threads may still compute what nobody wants
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        sys.stderr.write(f"error: {error.strerror}\n")  # most likely on the disk that the output goes to
        sys.stderr.flush()
        os._exit(_NOT_WRITTEN)
    except KeyboardInterrupt as interrupt:  # one of another signal tells its number
        os._exit(128 + getattr(interrupt, "number", signal.SIGINT))


def _leave(*_: object) -> None:
    os._exit(128 + signal.SIGINT)


def _print_any_name() -> None:
    """Print the bytes of names that are no text as they are, and '?' for what the terminal hasn't got."""
    codecs.register_error("as_found", _as_found)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="as_found")


def _as_found(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return b"".join(_byte(character) for character in wrong), error.end


def _byte(character: str) -> bytes:
    try:
        return character.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:
        return b"?"
