"""Compiled kernels on disk: each is a file that is found whole and for the right types, or not at all.

Numba's own cache has an index for each function, which names numbered files.  Processes that start side by
side overwrite each other's index, and one that is killed can leave an index beside an older file: then the
code for one precision, or of an older source, is taken for another's, and ends in a wrong number or a
crash.  An empty or cut file ends the program.  Neither knows Numba's key everything that the code depends on.

Here nothing is shared between kernels.  A file's name is made from all that its code depends on, and the file
begins with a checksum.  Whatever is not right is compiled anew and replaced.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import pickle
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding
import numba
import numpy as np
from numba import njit
from numba.core import caching as _caching, serialize as _serialize

_log = logging.getLogger("lstmcore")

caching: Any = _caching  # they have no types
serialize: Any = _serialize

# Numba's key has the features of the processor only where it is told which to compile for.
_MACHINE = (
    numba.__version__,
    llvmlite.__version__,
    np.__version__,
    llvmlite.binding.get_host_cpu_name(),
    llvmlite.binding.get_host_cpu_features().flatten(),
)
_DIGEST = hashlib.sha256().digest_size
_ENDINGS = (".nbc", ".nbi", ".tmp")


def digest_of(folder: Path, *others: Path) -> str:
    """Return a checksum of all Python files of a folder, and of others: kernels compile in other files."""
    rooms = ("features", "experiments")  # linked into the package, and none of the engine's
    files = [f for f in sorted(folder.rglob("*.py")) if f.relative_to(folder).parts[0] not in rooms]
    return hashlib.sha256(b"".join(file.read_bytes() for file in (*files, *others))).hexdigest()


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
    compiled._compiler.compile = _undisturbed(compiled._compiler.compile)
    with suppress(RuntimeError):  # no place to write to
        compiled._cache = _Cache(function, sources)
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

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled kernel; where that can't be done it is there for this process all the same."""
        with suppress(OSError):  # disk full, no permission any more
            super().save_overload(sig, data)


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
        name = hashlib.sha256(repr((_MACHINE, key)).encode()).hexdigest()[:16]
        return self._folder / f"{self._base}{self._sources}{name}.nbc"

    def load(self, key: Any) -> Any:
        """Return what was kept for a key; None if there is nothing, or nothing sound."""
        try:
            content = self.path(key).read_bytes()
        except OSError:
            return None
        if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
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
            temporary.write_bytes(hashlib.sha256(content).digest() + content)
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
