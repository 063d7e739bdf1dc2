"""Around all tests: kernels compiled before, one thread for NumPy, and ``--collector`` for an eager one.

NumPy's products are computed on one thread, here and in the processes that tests start: these are as many
as cores, and threads that wait for each other's cores took ten times as long. Where Python is told to keep no
bytecode, they keep it all the same, as they do kernels: else each of hundreds compiles all that it imports.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is imported
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Waiting for the disk took a minute of all; a cut of power, which tells, is played in other processes.
os.fsync = os.fstat  # type: ignore[assignment]

_COMPILE = """
import sys
from lstmcore.experiments.machine.warmup import Display, warm_up
warm_up(Display(quiet=True), lambda part: ("float64" in part) == (sys.argv[1] == "float64"))
"""
# Files that take longest, by their names' ends: they begin first, lest the last of them leave a core idle.
_LONGEST = (
    "cuda_simulator.py",
    "widths.py",
    "dask.py",
    "kernel_cache.py",
    "site.py",
    "same.py",
    "cuda_blocks.py",
    "run.py",
    "faults.py",
    "error_paths.py",
    "warmup.py",
    "shared_folder.py",
    "annotation_page.py",
)
_WAIT_SECONDS = 5.0  # for threads that have been told to end, and end by themselves
_FDS = Path("/proc/self/fd")
_KEPT = (".ttf", ".otf", ".afm")  # fonts, which matplotlib keeps open for as long as it is there


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--collector",
        choices=("usual", "eager", "off"),
        default="usual",
        help="the garbage collector during each test: eager, at every turn, in every thread; off, and then "
        "no thread and no file may be left open",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Before all tests, compile the kernels on two cores: else each process compiles its own."""
    config = session.config
    helped = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if (
        not helped
        or config.args_source is not pytest.Config.ArgsSource.TESTPATHS
        or config.option.collectonly
    ):
        return
    started = [subprocess.Popen([sys.executable, "-c", _COMPILE, part]) for part in ("float64", "others")]
    assert [process.wait() for process in started] == [0, 0], "kernels could not be compiled"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """What is imported stays: nobody looks for garbage in it, which took a fifth of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.path.name.endswith(_LONGEST))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    how = item.config.getoption("--collector")
    if how == "usual":
        return (yield)
    gc.collect()
    before, threshold = held(), gc.get_threshold()
    if how == "eager":
        gc.freeze()  # of what is there already nothing is looked through each time
        gc.set_threshold(1)
    else:
        gc.disable()
    try:
        result = yield
        if how == "off":
            left = left_open(before)
            assert not left, f"left open, or to the collector: {', '.join(left)}"
        return result
    finally:
        gc.set_threshold(*threshold)
        gc.unfreeze()
        gc.enable()


def held() -> dict[str, str]:
    """Threads and open files, by what tells them apart."""
    found = {f"thread {thread.ident}": thread.name for thread in threading.enumerate()}
    for number in os.listdir(_FDS) if _FDS.is_dir() else []:  # noqa: PTH208  (a folder that closes by itself)
        try:
            found[f"descriptor {number}"] = os.readlink(_FDS / number)  # noqa: PTH115
        except OSError:  # that of the folder itself
            continue
    return found


def left_open(before: dict[str, str]) -> list[str]:
    """What is open that was not, once threads have had time to end."""
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        new = {what: name for what, name in held().items() if before.get(what) != name}
        left = [f"{what} ({name})" for what, name in new.items() if not name.endswith(_KEPT)]
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.02)
