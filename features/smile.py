"""One run of openSMILE: a configuration in, rows of numbers out.

openSMILE is a library without files or words of its own here: it writes no log, prints
nothing, and hands each row to a callback.  It releases the interpreter's lock while it
computes, shares nothing between runs, and several runs in threads of one process give
the same bits as one after the other.
"""

from __future__ import annotations

import ctypes
import locale
import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.features.errors import ExtractionStopped
from lstmcore.features.waiting import Ends


class SmileError(RuntimeError):
    """openSMILE isn't there, refused its configuration or gave up on its input."""


class SmileMissingError(SmileError, ImportError):
    """openSMILE isn't installed or can't be loaded: no file's fault."""


def has_smile() -> bool:
    """Return whether openSMILE is installed: all but FS1 can do without it."""
    return find_spec("opensmile") is not None


def smile_version() -> str:
    """Return the version of openSMILE.

    Raises
    ------
    SmileMissingError
        If it isn't installed.
    """
    try:
        if has_smile():
            return version("opensmile")
    except PackageNotFoundError:
        pass
    raise SmileMissingError(
        "FS1's features, a part of FS2, are computed by openSMILE, which is not installed; expected: "
        "pip install 'opensmile>=2.6' (licensed for private, research and educational use only), or files "
        "that have FS1's features"
    )


def shipped_configuration() -> Path:
    """Return the folder of the configuration files that come with openSMILE.

    Raises
    ------
    SmileMissingError
        If it isn't installed or can't be loaded.
    """
    _load()
    import opensmile.core

    return Path(next(iter(opensmile.core.__path__)), "config")


def _load() -> None:
    smile_version()  # tells what to do where it is missing
    try:
        import opensmile.core.lib  # noqa: F401
    except (ImportError, OSError) as error:  # a library of another system, say
        raise SmileMissingError(f"openSMILE is installed but can't be loaded: {error}") from error


@dataclass(frozen=True, eq=False)
class SmileResult:
    """Result of a run of openSMILE.

    Parameters
    ----------
    names
        openSMILE's names of the columns.
    rows
        Values, shape (rows, columns), float32 as openSMILE computes them.
    """

    names: tuple[str, ...]
    rows: NDArray[np.float32]


def run_smile(
    conf: Path,
    options: Mapping[str, Path | float],
    sink: str,
    stop: threading.Event | None = None,
) -> SmileResult:
    """Run a configuration once and collect what reaches its external sink.

    Parameters
    ----------
    conf
        openSMILE configuration file.
    options
        Its options: names of files, and numbers.
    sink
        Name of the cExternalSink whose rows are wanted.
    stop
        Set it, from any thread, to end the run within about a tenth of a second.

    Returns
    -------
    SmileResult
        Names and rows; no row if the input is shorter than the first window.

    Raises
    ------
    SmileError
        If openSMILE isn't installed, refuses the configuration or gives up.
    ExtractionStopped
        If `stop` was set.
    """
    _load()
    from opensmile.core.lib import OpenSMILE, OpenSmileException

    stop = stop or threading.Event()
    given = {name: _ascii(value) for name, value in options.items()}
    smile = OpenSMILE()
    rows: list[NDArray[np.float32]] = []
    try:
        with _decimal_points():
            smile.initialize(_ascii(conf), options=given, loglevel=0, console_output=False, log_file=None)
        smile.external_sink_set_callback(sink, lambda row: rows.append(row.copy()))
        count = smile.external_sink_get_num_elements(sink)
        names = tuple(smile.external_sink_get_element_name(sink, i) for i in range(count))
        _run_interruptibly(smile, stop)
    except OpenSmileException as error:
        raise SmileError(f"openSMILE failed with {conf} on {given}: {error}") from error
    finally:
        smile.free()
    if stop.is_set():
        raise ExtractionStopped("the extraction was stopped")
    return SmileResult(names, np.array(rows, dtype=np.float32).reshape(-1, count))


def _ascii(value: Path | float) -> str:
    """Check that a path has only letters that openSMILE's binding can pass on."""
    text = str(value)
    if not text.isascii():
        advice = "set TMPDIR to a folder with such a name"
        raise SmileError(f"openSMILE takes only ASCII file names, it would get {text!r}; {advice}")
    return text


def _run_interruptibly(smile: Any, stop: threading.Event) -> None:
    """Run in a helper thread, so that Ctrl-C reaches the caller at once and not after the run.

    An interrupt during a callback in the main thread would be swallowed by ctypes.
    """
    from opensmile.core.lib import OpenSmileException

    ends: Ends[Any] = Ends()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="opensmile") as helper:
        running = ends.watch(helper.submit(_run, smile))
        try:
            while not stop.is_set() and ends.next() is None:
                pass
        finally:
            while not running.done():
                with suppress(OpenSmileException):  # asked before it began, or after it ended
                    smile.abort()
                ends.next()
        running.result()


def _run(smile: Any) -> None:
    with _decimal_points():
        smile.run()


@contextmanager
def _decimal_points() -> Iterator[None]:
    """Have numbers read with decimal points in this thread, as configurations have them.

    A program that we are a part of may have set a locale of decimal commas, which is every thread's.

    Raises
    ------
    SmileError
        If that can't be done on this system.
    """
    if _decimal_point() == ".":
        yield
        return
    library = ctypes.CDLL(None) if os.name == "posix" else None
    plain = ctypes.c_void_p()
    if library is not None:
        library.newlocale.restype = library.uselocale.restype = ctypes.c_void_p
        plain.value = library.newlocale(1 << locale.LC_NUMERIC, b"C", None)
    if library is None or not plain:
        raise SmileError(
            f"numbers have {_decimal_point()!r} for a point in this process, which openSMILE can't read; "
            "expected locale.setlocale(locale.LC_NUMERIC, 'C')"
        )
    before = ctypes.c_void_p(library.uselocale(plain))
    try:
        yield
    finally:
        library.uselocale(before)
        library.freelocale(plain)


def _decimal_point() -> object:
    return locale.localeconv()["decimal_point"]
