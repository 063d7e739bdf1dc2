"""Compiled kernels on disk: each is a file that is found whole and for the right types, or not at all.

Numba's own cache has an index for each function, which names numbered files.  Processes that start side by
side overwrite each other's index, and one that is killed can leave an index beside an older file: then the
code for one precision, or of an older source, is taken for another's, and ends in a wrong number or a
crash.  An empty or cut file ends the program.  Neither knows Numba's key everything that the code depends on.

Here nothing is shared between kernels.  A file's name is made from all that its code depends on, and the file
begins with a checksum.  Whatever is not right is compiled anew and replaced.

Processes that need a kernel at the same time take turns: one compiles it, the others find it.  So two of
them compile different kernels side by side.
"""

from __future__ import annotations

import gc
import logging
import os
import pickle
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding
import numba
import numpy as np
from numba import njit
from numba.core import caching as _caching, runtime as _runtime, serialize as _serialize

try:
    import fcntl
except ImportError:  # not on every system
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger("lstmcore")

caching: Any = _caching  # they have no types
runtime: Any = _runtime
serialize: Any = _serialize

# Numba's key has the features of the processor only where it is told which to compile for.
_MACHINE = (
    numba.__version__,
    llvmlite.__version__,
    np.__version__,
    llvmlite.binding.get_host_cpu_name(),
    llvmlite.binding.get_host_cpu_features().flatten(),
)
_DIGEST = sha256().digest_size
_ENDINGS = (".nbc", ".nbi", ".tmp", ".lock")
_PATIENCE_SECONDS = 60.0  # with one who compiles the same kernel; it may have been stopped, as by Ctrl-Z
_LOOK_SECONDS = 0.01


def kept(function: Callable[..., Any], sources: str, **flags: Any) -> Any:
    """Compile a function when it is called, and keep the result on disk if there is a place for it.

    Parameters
    ----------
    function
        The kernel.
    sources
        Checksum of all that it is made of.
    flags
        For ``numba.njit``.
    """
    compiled = njit(**flags)(function)
    compilation = _undisturbed(compiled._compiler.compile)
    with suppress(RuntimeError):  # no place to write to
        compiled._cache = cache = _Cache(function, sources)
        compilation = cache.in_turn(compilation)
    compiled._compiler.compile = compilation
    return compiled


def _undisturbed(compilation: Callable[..., Any]) -> Callable[..., Any]:
    """Compile without the garbage collector: it looked through Numba's objects for a tenth of the time."""

    def compile_undisturbed(*arguments: Any) -> Any:
        if not gc.isenabled():  # a kernel within a kernel, or somebody wants it so
            return compilation(*arguments)
        gc.disable()
        try:
            return compilation(*arguments)
        finally:
            gc.enable()

    return compile_undisturbed


class _Cache(caching.FunctionCache):  # type: ignore[misc]
    """Numba's cache of a function, with our files."""

    def __init__(self, function: Callable[..., Any], sources: str) -> None:
        super().__init__(function)
        self._cache_file = KernelFiles(Path(self._cache_path), self._impl.filename_base, sources)
        self._turn: _Turn | None = None

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return a kernel that was kept, or None: then it is this process's turn to compile it."""
        key = self._index_key(sig, target_context.codegen())
        data = self._cache_file.load(key)
        if data is None:
            self._turn = _Turn(self._cache_file.path(key))
            data = self._cache_file.load(key) if self._turn.waited else None
            if data is None:
                return None
            self._end_turn()
        # Of all that Numba prepares for compiling, half a second, this needs the management of memory.
        runtime.rtsys.initialize(target_context)
        return self._impl.rebuild(target_context, data)

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled kernel; where that can't be done it is there for this process all the same."""
        try:
            with suppress(OSError):  # disk full, no permission any more
                super().save_overload(sig, data)
        finally:
            self._end_turn()

    def in_turn(self, compilation: Callable[..., Any]) -> Callable[..., Any]:
        """Have it be another's turn if a compilation fails, or Ctrl-C ends it."""

        def compile_in_turn(*arguments: Any) -> Any:
            try:
                return compilation(*arguments)
            except BaseException:
                self._end_turn()
                raise

        return compile_in_turn

    def _end_turn(self) -> None:
        if self._turn is not None:
            self._turn.end()
            self._turn = None


class _Turn:
    """One process's turn to compile a kernel, once no other compiles it.

    Nobody waits in a circle: who waits compiles a kernel that calls the other's.

    Parameters
    ----------
    kernel
        Its file.

    Attributes
    ----------
    waited
        Whether another had its turn before.
    """

    def __init__(self, kernel: Path) -> None:
        self._path, self.waited = kernel.with_suffix(".lock"), False
        self._file: int | None = None  # its number
        if fcntl is None:  # then each compiles all that it needs
            return
        with suppress(OSError):  # no folder yet, no permission
            kernel.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT)
        until = time.monotonic() + _PATIENCE_SECONDS
        while self._file is not None and time.monotonic() < until:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.waited = True
                time.sleep(_LOOK_SECONDS)
            except OSError:  # a file system without locks
                return
            else:
                return

    def end(self) -> None:
        """Let others have theirs."""
        if self._file is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None


class KernelFiles:
    """The files of one function: one for each combination of types, processor and versions.

    Parameters
    ----------
    folder
        Where.
    base
        Numba's name of the function: module, name, line and Python's version.
    sources
        Checksum of what the function is made of.
    """

    def __init__(self, folder: Path, base: str, sources: str) -> None:
        self._folder, self._base, self._sources = folder, base, f".{sources[:12]}."

    def path(self, key: Any) -> Path:
        """Tell which file holds the code for Numba's key of types, target and byte code."""
        name = sha256(repr((_MACHINE, key)).encode()).hexdigest()[:16]
        return self._folder / f"{self._base}{self._sources}{name}.nbc"

    def load(self, key: Any) -> Any:
        """Return what was kept for a key; None if there is nothing, or nothing sound."""
        try:
            content = self.path(key).read_bytes()
        except OSError:
            return None
        if sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
            _log.warning("%s: damaged; compiled anew", self.path(key))
            return None
        found, data = pickle.loads(content[_DIGEST:])
        return data if found == key else None

    def save(self, key: Any, data: Any) -> None:
        """Keep what was compiled for a key, whole or not at all; OSError if that can't be done."""
        content = serialize.dumps((key, data))
        path = self.path(key)
        temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:16]}.tmp")
        try:
            temporary.write_bytes(sha256(content).digest() + content)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        self._remove(lambda name: self._sources not in name)

    def stored(self) -> list[Path]:
        """Return the function's files."""
        return [path for path in self._all() if path.suffix == ".nbc" and self._sources in path.name]

    def flush(self) -> None:
        """Remove the function's files."""
        self._remove(lambda name: True)

    def _all(self) -> list[Path]:
        function = self._base.rpartition("-")[0]
        found = self._folder.glob(f"{function}-*") if self._folder.is_dir() else []
        return [path for path in found if path.suffix in _ENDINGS]

    def _remove(self, unwanted: Callable[[str], bool]) -> None:
        for path in self._all():
            if unwanted(path.name):
                with suppress(OSError):  # another process has removed it, or has it open
                    path.unlink()
