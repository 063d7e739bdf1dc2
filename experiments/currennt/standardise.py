"""Standardising NetCDF data in place, as the original's tool ``nc-standardize`` does.

Means and standard deviations (divisor N − 1) are computed in double over all frames by the corrected
two-pass algorithm (Chan, Golub and LeVeque, The American Statistician 37, 1983): first the mean, then the
squares of what is left, less what rounding has left of its mean. They are rounded to the type that the file
holds them in before they are applied: with itself as the reference, a file becomes the same. All else in the
file stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.currennt.formats.netcdf import NetcdfData, opened, read_opened
from lstmcore.experiments.currennt.formats.netcdf_change import change_variables
from lstmcore.experiments.currennt.formats.netcdf_check import check_floats
from lstmcore.experiments.currennt.formats.netcdf_classic import Arrays, ClassicFile
from lstmcore.experiments.currennt.formats.table import SCALERS
from lstmcore.experiments.errors import InputError

Floats = NDArray[np.floating]
Known = dict[str, Floats]

_ONE_SEQUENCE = 1e-9  # of a file of which only the means are wanted
_VARIABLES = {"input": "inputs", "output": "targetPatterns"}
_DIMENSIONS = {"input": "inputPattSize", "output": "targetPattSize"}


@dataclass(frozen=True, eq=False)
class Moments:
    """What columns are standardised with.

    Parameters
    ----------
    means, deviations
        (columns,) float32 or float64, as the file holds them; the deviation of a constant column is 1.
    constant
        Columns that don't vary.
    """

    means: Floats
    deviations: Floats
    constant: list[int]

    def apply(self, values: Floats) -> Floats:
        """Return (values − mean) / deviation, computed in double, in the values' type."""
        with np.errstate(over="ignore"):  # becomes infinite, which is reported before it is written
            result = (values.astype(np.float64) - self.means) / self.deviations.astype(np.float64)
            return result.astype(values.dtype)


def moments_of(values: Floats, dtype: np.dtype[Any] | None = None) -> Moments:
    """Take means and standard deviations of columns.

    Parameters
    ----------
    values
        (frames, columns) float32 or float64, finite.
    dtype
        Precision of the result; by default the values'.

    Returns
    -------
    Moments
        A column that doesn't vary, or by less than the precision can say, has the deviation 1; the original
        divides by 0.
    """
    dtype = values.dtype if dtype is None else dtype
    x = values.astype(np.float64)
    frames = len(x)
    means = x.mean(0)
    x -= means
    left = x.mean(0)
    squares = np.maximum((x * x).sum(0) - frames * left * left, 0)
    with np.errstate(over="ignore"):
        deviations = np.sqrt(squares / max(1, frames - 1)).astype(dtype)
    constant = (values == values[0]).all(0) | (deviations == 0)
    rounded = np.where(constant, values[0].astype(dtype), (means + left).astype(dtype))
    scales = np.where(constant, 1, deviations).astype(dtype)
    return Moments(rounded, scales, np.flatnonzero(constant).tolist())


def standardise(
    path: Path, reference: Path | None = None, *, inputs_only: bool = False, again: bool = False
) -> list[str]:
    """Standardise a file in place, whole or not at all.

    Inputs, targets and their means and deviations are written; nothing else in the file changes, in any of
    the formats.

    Parameters
    ----------
    path
        NetCDF file; of a symbolic link, the file it points to.
    reference
        Take means and standard deviations from this standardised file, instead of computing them;
        those of targets also where there are no targets.
    inputs_only
        Leave targets alone; classes always are.
    again
        Standardise what already is standardised; the first means and deviations are lost.

    Returns
    -------
    list of str
        What was done, and which columns are constant.

    Raises
    ------
    InputError
        If a file can't be read, is already standardised, holds its numbers in a type that can't hold the
        result, or if the reference has no means, or means of another size.
    OSError
        If the file can't be written, or is read-only.
    """
    known = None if reference is None else _known(reference)
    with opened(path) as file:
        data = read_opened(file)
        if not again:
            _check_raw(path, data, inputs_only)
        work = _Standardising(path, file, data, reference, known)
        work.standardise("input")
        if data.targets is not None and not inputs_only:
            work.standardise("output")
        elif known is not None and data.classes is None and not inputs_only:
            # They undo the standardisation of the outputs that a network will give for these inputs.
            work.hold("output", known.get("outputMeans"), known.get("outputStdevs"))
    change_variables(path.resolve(), work.arrays)
    return _notes(path, work.moments, len(data.inputs))


class _Standardising:
    """Collects what is to be written into a file."""

    def __init__(
        self,
        path: Path,
        file: ClassicFile,
        data: NetcdfData,
        reference: Path | None,
        known: Known | None,
    ) -> None:
        self._path, self._file, self._data = path, file, data
        self._reference, self._known = reference, known
        self.moments: dict[str, Moments] = {}
        self.arrays: Arrays = {}

    def standardise(self, kind: str) -> None:
        """Standardise inputs or targets."""
        name, rows = _VARIABLES[kind], len(self._data.inputs)
        dtype = self._float_type(name)
        values: Floats = self._file.read(name, rows)
        types = {self._float_type(f"{kind}{what}", dtype) for what in ("Means", "Stdevs")}
        moments = _moments(self._path, kind, values, self._reference, self._known, min(types, key=_bytes))
        result = moments.apply(values)
        with np.errstate(over="ignore"):
            check_floats(str(self._path), name, result.astype(np.float32), self._data)
        self.arrays[name] = (("numTimesteps", _DIMENSIONS[kind]), result)
        self.moments[kind] = moments
        self.hold(kind, moments.means, moments.deviations)

    def hold(self, kind: str, means: Floats | None, deviations: Floats | None) -> None:
        """Write means and deviations."""
        dimension = _DIMENSIONS[kind]
        for what, values in (("Means", means), ("Stdevs", deviations)):
            if values is None:
                continue
            size = self._file.dimensions.get(dimension, len(values))
            if size != len(values) or dimension in self._file.unlimited:
                found = "unlimited" if dimension in self._file.unlimited else str(size)
                raise InputError(
                    f"{self._path}: dimension {dimension!r} is {found}; expected {len(values)}, for "
                    f"{kind}{what}"
                )
            self._float_type(f"{kind}{what}", values.dtype)
            self.arrays[f"{kind}{what}"] = ((dimension,), values)

    def _float_type(self, name: str, default: np.dtype[Any] | None = None) -> np.dtype[Any]:
        """Return the type that a variable is stored in, or would be."""
        if name not in self._file.variables and default is not None:
            return default
        dtype = self._file.variables[name].dtype.newbyteorder("=")
        if dtype.kind != "f":
            raise InputError(
                f"{self._path}: variable {name!r} has the type {dtype}, which can't hold what is "
                "standardised; expected float or double"
            )
        return dtype


def _bytes(dtype: np.dtype[Any]) -> int:
    return dtype.itemsize


def _known(reference: Path) -> Known:
    """Read means and deviations as they are stored."""
    with opened(reference) as file:
        read_opened(file, _ONE_SEQUENCE)
        return {name: file.read(name) for name in SCALERS if name in file.variables}


def _moments(
    path: Path,
    kind: str,
    values: Floats,
    reference: Path | None,
    known: Known | None,
    dtype: np.dtype[Any],
) -> Moments:
    if known is None:
        return moments_of(values, dtype)
    means, deviations = known.get(f"{kind}Means"), known.get(f"{kind}Stdevs")
    if means is None or deviations is None:
        hint = " (or leave targets alone: --inputs-only)" if kind == "output" else ""
        raise InputError(f"{reference}: no {kind}Means and {kind}Stdevs; expected a standardised file{hint}")
    if len(means) != values.shape[1]:
        raise InputError(f"{reference}: {len(means)} {kind}Means; {path} has {values.shape[1]} {kind}s")
    check_deviations(str(reference), f"{kind}Stdevs", deviations)
    return Moments(means.astype(dtype), deviations.astype(dtype), [])


def check_deviations(place: str, name: str, deviations: Floats) -> None:
    """Raise an InputError unless all standard deviations are positive."""
    if not (deviations > 0).all():
        k = int(np.argmin(deviations > 0))
        raise InputError(
            f"{place}: variable {name!r}, column {k} (from 0): found {deviations[k]:g}; expected above 0"
        )


def _check_raw(path: Path, data: NetcdfData, inputs_only: bool) -> None:
    found = [name for name, field in SCALERS.items() if getattr(data, field) is not None]
    inputs = [name for name in found if name.startswith("input")]
    outputs = [name for name in found if name.startswith("output")]
    if inputs:
        raise InputError(
            f"{path}: it holds {' and '.join(inputs)}: already standardised (--again does it once more, and "
            "the first means are lost)"
        )
    if outputs and not inputs_only:
        raise InputError(
            f"{path}: it holds {' and '.join(outputs)}: its targets are already standardised (--inputs-only "
            "leaves them alone; --again does it once more, and the first means are lost)"
        )


def _notes(path: Path, moments: dict[str, Moments], frames: int) -> list[str]:
    named = {{"output": "target"}.get(kind, kind): found for kind, found in moments.items()}
    sizes = " and ".join(f"{len(found.means)} {kind}s" for kind, found in named.items())
    notes = [f"{path}: {sizes} standardised, {frames} frames"]
    constant = [f"{kind} {k}" for kind, found in named.items() for k in found.constant]
    if constant:
        notes.append(f"constant, so made 0 and not scaled (columns from 0): {', '.join(constant)}")
    return notes
