"""Where data go: into memory, or into a file where they don't fit there.

The original always trains from a file that it writes first (``cache_path``). Here that is done with what is
larger than the memory that is free; the file has no name, so that nothing is left of it whatever happens.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import DTypeLike, NDArray

from lstmcore.experiments.errors import InputError

# Of the memory that is free; the network, its work space and other programs need some, too.
_SHARE = 0.6
BLOCK = 2**22  # values that are copied or looked at together
_IN_MEMORY = ("tmpfs", "ramfs")


class Room:
    """Gives space for arrays.

    Parameters
    ----------
    cache_path
        Folder for what doesn't fit into memory; by default that of temporary files, if it is on a disk,
        else ``/var/tmp``.
    """

    def __init__(self, cache_path: str = "") -> None:
        self._cache_path = cache_path
        self.notes: list[str] = []

    @property
    def folder(self) -> Path:
        """The folder for files.

        Raises
        ------
        InputError
            If there is no such folder.
        """
        if self._cache_path:
            if not Path(self._cache_path).is_dir():
                raise InputError(f"cache_path: {self._cache_path}: no such folder")
            return Path(self._cache_path)
        folders = [Path(tempfile.gettempdir()), Path("/var/tmp")]
        return next((folder for folder in folders if folder.is_dir() and not _in_memory(folder)), folders[0])

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike, what: str = "data") -> NDArray[Any]:
        """Return an array whose values are anything; `what` it is for is said where there is no room.

        Raises
        ------
        InputError
            If neither memory nor disk have enough space.
        """
        size, free = math.prod(shape) * np.dtype(dtype).itemsize, free_memory()
        if size <= _SHARE * free or not size:
            try:
                return np.empty(shape, dtype)
            except MemoryError:
                pass  # there may be less than is said
        try:
            with tempfile.TemporaryFile(dir=self.folder) as file:
                # Claimed now: a disk that is full when pages are written back would end the process.
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    file.truncate(size)
                array = np.memmap(file, dtype, "r+", shape=shape).view(np.ndarray)
        except (OSError, ValueError) as error:
            raise self._too_large(what, size, free, error) from None
        self.notes.append(
            f"{what}: {_bytes(size)} don't fit into memory, of which {_bytes(free)} are free; "
            f"they are in a file in {self.folder}"
        )
        return array

    def cast(self, values: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
        """Return values in another precision; the very array if it has that already."""
        if values.dtype == np.dtype(dtype):
            return values
        result = self.empty(values.shape, dtype)
        for part in blocks(values):
            result[part] = values[part]
        return result

    def joined(self, parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Return arrays of one width and type, one after another."""
        result = self.empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
        start = 0
        for values in parts:
            for part in blocks(values):
                result[start + part.start : start + part.stop] = values[part]
            start += len(values)
        return result

    def _too_large(self, what: str, size: int, free: int, error: Exception) -> InputError:
        folder, why = self.folder, str(error.strerror if isinstance(error, OSError) else error)
        disk = shutil.disk_usage(folder).free
        return InputError(
            f"{what}: found {_bytes(size)}; expected {_bytes(_SHARE * free)} at most, or room for a file in "
            f"{folder} ({_bytes(disk)} are free there): {why}. cache_path names another folder, "
            "a fraction reads less"
        )


def blocks(values: NDArray[Any]) -> list[slice]:
    """Cut the rows of an array into slices of about `BLOCK` values."""
    return pieces(values.shape[0], math.prod(values.shape[1:]))


def pieces(rows: int, width: int) -> list[slice]:
    """Cut rows of some width into slices of about `BLOCK` altogether."""
    step = max(1, BLOCK // max(1, width))
    return [slice(k, min(k + step, rows)) for k in range(0, rows, step)]


def free_memory() -> int:
    """Return how many bytes of memory this process may still claim."""
    return max(0, min(int(psutil.virtual_memory().available), *_limits(), *_group_limits()))


def _limits() -> list[int]:
    """Return what ``ulimit`` leaves."""
    try:
        import resource
    except ImportError:  # not a Unix
        return []
    used = psutil.Process().memory_info()
    found = [(resource.RLIMIT_AS, used.vms), (resource.RLIMIT_DATA, getattr(used, "data", 0))]
    limits = [(resource.getrlimit(kind)[0], size) for kind, size in found]
    return [limit - size for limit, size in limits if limit != resource.RLIM_INFINITY]


def _group_limits() -> list[int]:
    """Return what a container or a cluster's job leaves (control groups of Linux, version 1 and 2)."""
    try:
        lines = _told(Path("/proc/self/cgroup")).splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, name = line.split(":", 2)
        version_2 = not controllers
        if not version_2 and "memory" not in controllers.split(","):
            continue
        root = Path("/sys/fs/cgroup") / ("" if version_2 else "memory")
        files = ("memory.max", "memory.current") if version_2 else _VERSION_1
        group = root / name.strip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(root):
                break
            found += _left(folder, *files)
    return found


_VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes")


def _left(folder: Path, limit: str, usage: str) -> list[int]:
    """Return what a control group leaves; nothing if it has no limit."""
    try:
        most, used = _told(folder / limit).strip(), int(_told(folder / usage))
        statistics = dict(line.split() for line in _told(folder / "memory.stat").splitlines())
    except (OSError, ValueError):
        return []
    # Pages of files are given up when memory is wanted.
    files = int(statistics.get("total_inactive_file", statistics.get("inactive_file", 0)))
    return [] if most == "max" else [int(most) - used + files]


def _in_memory(folder: Path) -> bool:
    """Whether what is in a folder is in memory."""
    try:
        mounts = _told(Path("/proc/self/mounts")).splitlines()
    except OSError:
        return False
    real = folder.resolve()
    kinds = {Path(m[1].replace("\\040", " ")): m[2] for m in map(str.split, mounts) if len(m) > 2}
    return next((kinds[p] for p in (real, *real.parents) if p in kinds), "") in _IN_MEMORY


def _told(file: Path) -> str:
    """Read what the system tells; names in it need not be text."""
    return file.read_text(encoding="utf-8", errors="surrogateescape")


def _bytes(count: float) -> str:
    """Return a size in words."""
    units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
    power = min(len(units) - 1, max(0, int(count).bit_length() - 1) // 10)
    return f"{count / 1024**power:.{1 if power else 0}f} {units[power]}"
