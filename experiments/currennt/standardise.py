"""Standardising NetCDF data in place, as the original's tool ``nc-standardize`` does.

Means and standard deviations (divisor N − 1) are computed in double over all frames by the corrected
two-pass algorithm (Chan, Golub and LeVeque, The American Statistician 37, 1983): first the mean, then the
squares of what is left, less what rounding has left of its mean. They are rounded to float32, as the file
holds them, before they are applied: with itself as the reference, a file becomes the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from experiments.currennt.netcdf import Float32, NetcdfData, read_netcdf, write_netcdf
from experiments.currennt.netcdf_classic import MAGIC, ClassicFile
from experiments.currennt.table import SCALERS
from experiments.errors import InputError

_KEPT = {"seqTags", "seqLengths", "inputs", "targetPatterns", "targetClasses", *SCALERS}
_ONE_SEQUENCE = 1e-9  # of a file of which only the means are wanted


@dataclass(frozen=True, eq=False)
class Moments:
    """What columns are standardised with.

    Parameters
    ----------
    means, deviations
        (columns,) float32; the deviation of a constant column is 1.
    constant
        Columns that don't vary.
    """

    means: Float32
    deviations: Float32
    constant: list[int]

    def apply(self, values: Float32) -> Float32:
        """Return (values − mean) / deviation, computed in double, as float32."""
        with np.errstate(over="ignore"):  # becomes infinite, which is reported when it is written
            result = (values.astype(np.float64) - self.means) / self.deviations.astype(np.float64)
            return result.astype(np.float32)


def moments_of(values: Float32) -> Moments:
    """Take means and standard deviations of columns.

    Parameters
    ----------
    values
        (frames, columns) float32, finite.

    Returns
    -------
    Moments
        A column that doesn't vary, or by less than float32 can say, has the deviation 1; the original
        divides by 0.
    """
    x = values.astype(np.float64)
    frames = len(x)
    means = x.mean(0)
    x -= means
    left = x.mean(0)
    squares = np.maximum((x * x).sum(0) - frames * left * left, 0)
    with np.errstate(over="ignore"):
        deviations = np.sqrt(squares / max(1, frames - 1)).astype(np.float32)
    constant = (values == values[0]).all(0) | (deviations == 0)
    rounded = np.where(constant, values[0], (means + left).astype(np.float32))
    return Moments(
        rounded.astype(np.float32),
        np.where(constant, np.float32(1), deviations),
        np.flatnonzero(constant).tolist(),
    )


def standardise(
    path: Path, reference: Path | None = None, *, inputs_only: bool = False, again: bool = False
) -> list[str]:
    """Standardise a file in place; it is written whole or not at all, in a classic format.

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
        If a file can't be read, is already standardised, holds variables that would be lost, or if the
        reference has no means, or means of another size.
    OSError
        If the file can't be written.
    """
    _check_nothing_is_lost(path)
    data = read_netcdf(path)
    if not again:
        _check_raw(path, data, inputs_only)
    known = None if reference is None else read_netcdf(reference, fraction=_ONE_SEQUENCE)
    moments = {"input": _moments(path, "input", data.inputs, reference, known)}
    changed = replace(
        data,
        inputs=moments["input"].apply(data.inputs),
        input_means=moments["input"].means,
        input_stdevs=moments["input"].deviations,
    )
    if data.targets is not None and not inputs_only:
        target = moments["output"] = _moments(path, "output", data.targets, reference, known)
        changed = replace(
            changed,
            targets=target.apply(data.targets),
            output_means=target.means,
            output_stdevs=target.deviations,
        )
    elif known is not None and data.classes is None and not inputs_only:
        # They undo the standardisation of the outputs that a network will give for these inputs.
        changed = replace(changed, output_means=known.output_means, output_stdevs=known.output_stdevs)
    write_netcdf(path.resolve(), changed)
    return _notes(path, moments, len(data.inputs))


def _moments(
    path: Path, kind: str, values: Float32, reference: Path | None, known: NetcdfData | None
) -> Moments:
    if known is None:
        return moments_of(values)
    means, deviations = getattr(known, f"{kind}_means"), getattr(known, f"{kind}_stdevs")
    if means is None or deviations is None:
        hint = " (or leave targets alone: --inputs-only)" if kind == "output" else ""
        raise InputError(f"{reference}: no {kind}Means and {kind}Stdevs; expected a standardised file{hint}")
    if len(means) != values.shape[1]:
        raise InputError(f"{reference}: {len(means)} {kind}Means; {path} has {values.shape[1]} {kind}s")
    check_deviations(str(reference), f"{kind}Stdevs", deviations)
    return Moments(means, deviations, [])


def check_deviations(place: str, name: str, deviations: Float32) -> None:
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


def _check_nothing_is_lost(path: Path) -> None:
    """Refuse a file with variables of other programs, which writing it anew would drop."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return
        file.seek(0)
        others = set(ClassicFile(file, path.stat().st_size, str(path)).variables) - _KEPT
    if others:
        raise InputError(
            f"{path}: variables that are not CURRENNT's would be lost: {', '.join(sorted(others))}; "
            "expected a file without them"
        )


def _notes(path: Path, moments: dict[str, Moments], frames: int) -> list[str]:
    named = {{"output": "target"}.get(kind, kind): found for kind, found in moments.items()}
    sizes = " and ".join(f"{len(found.means)} {kind}s" for kind, found in named.items())
    notes = [f"{path}: {sizes} standardised, {frames} frames"]
    constant = [f"{kind} {k}" for kind, found in named.items() for k in found.constant]
    if constant:
        notes.append(f"constant, so made 0 and not scaled (columns from 0): {', '.join(constant)}")
    return notes
