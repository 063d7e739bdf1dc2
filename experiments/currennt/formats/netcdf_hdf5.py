"""NetCDF-4 files, which are HDF5, brought into a classic format, or changed in place.

The library that reads them is C, and a damaged file can make it crash or go on for ever. It therefore
runs in a process of its own, with a time limit; what arrives here is a classic file.
"""

from __future__ import annotations

import importlib.util
import math
import os
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from lstmcore.experiments.currennt.formats.netcdf_classic import ClassicFile, classic_pieces
from lstmcore.experiments.errors import InputError

MAGIC = b"\x89HDF\r\n\x1a\n"
# Compression can't do better, so that a file that claims more data than this is damaged.
_BEST_COMPRESSION = 1100
_SECONDS, _BYTES_A_SECOND = 30.0, 2e6


def convert(path: Path, to: Path, names: tuple[str, ...]) -> None:
    """Copy variables of a netCDF-4 file into a classic one.

    Parameters
    ----------
    path
        The netCDF-4 file.
    to
        The file to write.
    names
        The variables that are wanted; those that are not there are left out.

    Raises
    ------
    InputError
        If netCDF4 is not installed or can't read the file.
    """
    _in_a_process(path, "convert", str(path), str(to), *names)


def change(path: Path, copy: Path, changes: Path) -> None:
    """Write values of variables into a netCDF-4 file, in place.

    Parameters
    ----------
    path
        What the file is called in messages.
    copy
        The netCDF-4 file.
    changes
        A classic file. Of variables that both have, those in the netCDF-4 file get its values in their
        first rows; the others are added.

    Raises
    ------
    InputError
        If netCDF4 is not installed or can't do it.
    """
    _in_a_process(path, "change", str(copy), str(changes))


def _in_a_process(path: Path, work: str, file: str, *arguments: str) -> None:
    if importlib.util.find_spec("netCDF4") is None:
        from lstmcore.installing import install_extra

        raise InputError(
            f"{path}: netCDF-4 files (HDF5) need another package: {install_extra('netcdf4')} "
            "(or convert the file: nccopy -k classic)"
        )
    limit = _SECONDS + Path(file).stat().st_size / _BYTES_A_SECOND
    command = [sys.executable, "-m", __name__, work, file, *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    try:
        done = subprocess.run(command, capture_output=True, timeout=limit, env=environment, check=False)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{path}: not read after {limit:.0f} s: the file is damaged") from error
    if done.returncode == 1:
        raise InputError(f"{path}: {done.stdout.decode(errors='replace').strip()}")
    if done.returncode == -signal.SIGKILL:
        raise InputError(f"{path}: the netCDF library was killed while it read it, maybe for want of memory")
    if done.returncode:
        raise InputError(f"{path}: the netCDF library could not read it: the file is damaged")


def _copy(path: Path, to: Path, names: list[str]) -> None:
    dataset = _opened(path, "r")
    limit = _BEST_COMPRESSION * path.stat().st_size
    arrays: dict[str, tuple[tuple[str, ...], Any]] = {}
    for name in names:
        if name not in dataset.variables:
            continue
        variable = dataset.variables[name]
        dtype = np.dtype(variable.dtype) if variable.dtype is not str else np.dtype(object)
        if dtype.kind not in "Siuf":
            raise InputError(f"variable {name!r} is of type {dtype}; expected numbers or characters")
        claimed = math.prod(variable.shape) * dtype.itemsize
        if claimed > limit:
            raise InputError(f"variable {name!r} claims {claimed} bytes: the file is damaged")
        arrays[name] = (tuple(variable.dimensions), _Stored(variable, dtype))
        limit -= claimed
    sizes = {name: len(dimension) for name, dimension in dataset.dimensions.items()}
    if not arrays:
        raise InputError(f"none of the variables {', '.join(names)} is in it")
    with to.open("wb") as file:
        file.writelines(classic_pieces(sizes, arrays))


class _Stored:
    """A variable as an array of which a part is read when it is asked for."""

    def __init__(self, variable: Any, dtype: np.dtype[Any]) -> None:
        self._variable = variable
        self.shape: tuple[int, ...] = variable.shape
        self.dtype = dtype.newbyteorder("=")

    def __getitem__(self, part: Any) -> Any:
        return self._variable[part if self.shape else ...]


def _change(path: Path, changes: Path) -> None:
    dataset = _opened(path, "r+")
    with changes.open("rb") as file:
        new = ClassicFile(file, changes.stat().st_size, str(changes))
        for name, variable in new.variables.items():
            values = new.read(name)
            if name not in dataset.variables:
                for dimension, size in zip(variable.dimensions, variable.shape, strict=True):
                    if dimension not in dataset.dimensions:
                        dataset.createDimension(dimension, size)
                dataset.createVariable(name, values.dtype, variable.dimensions)
                dataset[name].set_auto_maskandscale(False)
            dataset[name][: len(values)] = values
    dataset.close()


def _opened(path: Path, mode: str) -> Any:
    dataset = import_module("netCDF4").Dataset(path, mode)
    # Values as they are stored: CURRENNT knows no fill values and no scaling.
    dataset.set_auto_maskandscale(False)
    dataset.set_auto_chartostring(False)
    return dataset


def _main() -> None:
    work, first, second, *names = sys.argv[1:]
    try:
        if work == "change":
            _change(Path(first), Path(second))
        else:
            _copy(Path(first), Path(second), names)
    except Exception as error:  # noqa: BLE001 (whatever the library raises; the other process reports it)
        print(error)
        sys.exit(1)


if __name__ == "__main__":
    _main()
