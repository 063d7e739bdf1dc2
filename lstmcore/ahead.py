"""Kernels compiled ahead, by a process of their own, while the command that needs them begins.

A first run would wait for one kernel after the other.  Here a second process compiles those that learning
needs last, and the first one finds them on disk.  It ends with the block that it was started for, or with its
parent, however that ends, and says nothing: whatever it doesn't do its parent does.

Nothing but Python is imported here, so that it can begin before all else.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from lstmcore.kernel_sources import ENGINE, sources_of

_PLACE = ENGINE / "backends" / "cpu"
_helper: subprocess.Popen[bytes] | None = None


def in_progress() -> bool:
    """Whether kernels are being compiled ahead."""
    return _helper is not None and _helper.poll() is None


@contextmanager
def compiling_ahead(precision: str) -> Iterator[None]:
    """Have kernels compiled ahead during a block, unless they are there.

    Parameters
    ----------
    precision
        Of the networks, one of `lstmcore.PRECISIONS`.
    """
    global _helper
    if _helper is not None or not _are_missing(precision):
        yield
        return
    command = [sys.executable, "-P", "-m", "lstmcore.backends.cpu.compile_ahead", precision]
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with ExitStack() as ended:
        with suppress(OSError):  # no memory for it
            _helper = ended.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, **pipes)
            )  # its input ends with us
            ended.callback(_end)
        yield


def _end() -> None:
    global _helper
    helper, _helper = _helper, None
    if helper is not None:
        helper.kill()


def note(precision: str) -> None:
    """Note that the kernels of a precision are there; nobody need compile them ahead any more."""
    mark = _mark(precision)
    with suppress(OSError):
        for earlier in sorted(mark.parent.glob(f"{mark.name.rpartition('-')[0]}-*")):
            earlier.unlink(missing_ok=True)
        mark.touch()


def _are_missing(precision: str) -> bool:
    """Tell whether there may be something to compile, and a processor and a place for it."""
    if not sys.executable or os.environ.get("NUMBA_DISABLE_JIT") or _processors() < 2:
        return False
    mark = _mark(precision)
    folder = next(folder for folder in mark.parents if folder.exists())
    return not mark.exists() and os.access(folder, os.W_OK)  # else only Numba knows where they are


def _mark(precision: str) -> Path:
    """Return the file that tells that all has been compiled, by these versions and from these sources."""
    from importlib.metadata import PackageNotFoundError, version

    made_of = [sources_of(ENGINE), sys.version]
    for package in ("numba", "llvmlite", "numpy"):
        with suppress(PackageNotFoundError):
            made_of.append(version(package))
    place = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(place) if place else _PLACE / "__pycache__"
    return folder.absolute() / f"ahead-{precision}-{sha256(repr(made_of).encode()).hexdigest()[:16]}"


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
