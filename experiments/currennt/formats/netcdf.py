"""Sequences in CURRENNT 0.2's NetCDF format.

Dimensions ``numSeqs``, ``numTimesteps``, ``inputPattSize``, ``maxSeqTagLength`` and ``targetPattSize``
(regression) or ``numLabels`` (classification); variables ``seqTags``, ``seqLengths``, ``inputs``,
``targetPatterns`` or ``targetClasses``, and those of standardisation.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.currennt.formats import netcdf_hdf5
from lstmcore.experiments.currennt.formats.netcdf_check import check_classes, check_data
from lstmcore.experiments.currennt.formats.netcdf_classic import MAGIC, Arrays, ClassicFile, classic_bytes
from lstmcore.experiments.currennt.formats.netcdf_data import Float32, NetcdfData
from lstmcore.experiments.currennt.formats.reading import file_size
from lstmcore.experiments.currennt.room import Room
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.files import write_whole

__all__ = ["Float32", "NetcdfData", "opened", "read_many", "read_netcdf", "read_opened", "write_netcdf"]

_MEANS = ("outputMeans", "outputStdevs", "inputMeans", "inputStdevs")
_ROWS = "the sum of seqLengths"
_VARIABLES = ("seqTags", "seqLengths", "inputs", "targetPatterns", "targetClasses", *_MEANS)


def read_netcdf(path: Path, *, fraction: float = 1.0, room: Room | None = None) -> NetcdfData:
    """Read a file in CURRENNT 0.2's file format.

    Unlike the original's, files without targets are read too. Numbers of any type are converted.

    Parameters
    ----------
    path
        Classic, 64-bit offset, 64-bit data, or netCDF-4 (that with the extra ``netcdf4``).
    fraction
        Read only the first max(1, ⌊sequences · fraction⌋) sequences; above 0, at most 1.
    room
        For inputs and targets.

    Returns
    -------
    NetcdfData
        Lengths are positive and add up to the frames, all numbers are finite, classes are in range. Sequences
        without frames, and rows behind those of the sequences, are left out, as the original does.

    Raises
    ------
    InputError
        If the file is missing, damaged or not NetCDF, if a variable or dimension is missing or has another
        size than the others ask for, a value is not allowed, or there is no room for them.
    """
    if not 0 < fraction <= 1:
        raise InputError(f"{path}: a fraction of {fraction:g} of its sequences; expected above 0, at most 1")
    with opened(path, room) as file:
        return read_opened(file, fraction)


def read_opened(file: ClassicFile, fraction: float = 1.0) -> NetcdfData:
    """Read a file that is open; see :func:`read_netcdf`."""
    data = _read(file, fraction)
    check_data(file.name, data)
    return data


def read_many(paths: Sequence[Path], fraction: float = 1.0, room: Room | None = None) -> NetcdfData:
    """Read several files and join them in order.

    Parameters
    ----------
    paths
        At least one.
    fraction, room
        As in :func:`read_netcdf`, the fraction of each file.

    Returns
    -------
    NetcdfData
        Means and standard deviations are the first file's.

    Raises
    ------
    InputError
        As :func:`read_netcdf`, and if the files differ in the size of inputs or targets.
    """
    if not paths:
        raise InputError("no data file is given; expected one or more")
    room = room or Room()
    parts = [read_netcdf(path, fraction=fraction, room=room) for path in paths]
    first = parts[0]
    if len(parts) == 1:
        return first
    for path, part in zip(paths[1:], parts[1:], strict=True):
        if _kind(part) != _kind(first):
            raise InputError(f"{path}: {_kind(part)}; expected {_kind(first)} as in {paths[0]}")
    return NetcdfData(
        [tag for part in parts for tag in part.tags],
        np.concatenate([part.lengths for part in parts]),
        room.joined([part.inputs for part in parts]),
        None if first.targets is None else room.joined([p.targets for p in parts if p.targets is not None]),
        None
        if first.classes is None
        else np.concatenate([p.classes for p in parts if p.classes is not None]),
        first.labels,
        first.output_means,
        first.output_stdevs,
        first.input_means,
        first.input_stdevs,
        tuple(note for part in parts for note in part.notes),
    )


def write_netcdf(path: Path, data: NetcdfData) -> None:
    """Write a file that CURRENNT 0.2 reads.

    Parameters
    ----------
    path
        The file; it is in the classic format up to 2 GiB.
    data
        What to write. Without targets the file is readable here, but not by CURRENNT 0.2.

    Raises
    ------
    InputError
        If sizes don't fit together or a value is not allowed.
    OSError
        If the file can't be written.
    """
    check_data(str(path), data)
    tags = [tag.encode() for tag in data.tags]
    longest = max(map(len, tags)) + 1  # the original reads up to a NUL
    padded = b"".join(tag.ljust(longest, b"\0") for tag in tags)
    frames, inputs = data.inputs.shape
    sizes = {
        "numSeqs": len(tags),
        "numTimesteps": frames,
        "inputPattSize": inputs,
        "maxSeqTagLength": longest,
    }
    arrays: Arrays = {
        "seqTags": (("numSeqs", "maxSeqTagLength"), np.frombuffer(padded, "S1").reshape(-1, longest)),
        "seqLengths": (("numSeqs",), data.lengths.astype(np.int32)),
        "inputs": (("numTimesteps", "inputPattSize"), data.inputs.astype(np.float32)),
    }
    outputs = [a for a in (data.targets, data.output_means, data.output_stdevs) if a is not None]
    if data.labels is not None:
        sizes["numLabels"] = data.labels
    elif outputs:
        sizes["targetPattSize"] = outputs[0].shape[-1]
    if data.targets is not None:
        arrays["targetPatterns"] = (("numTimesteps", "targetPattSize"), data.targets.astype(np.float32))
    if data.classes is not None:
        arrays["targetClasses"] = (("numTimesteps",), data.classes.astype(np.int32))
    found = (data.output_means, data.output_stdevs, data.input_means, data.input_stdevs)
    for name, values in zip(_MEANS, found, strict=True):
        if values is not None:
            dimension = "targetPattSize" if name.startswith("output") else "inputPattSize"
            arrays[name] = ((dimension,), values.astype(np.float32))
    write_whole(path, classic_bytes(sizes, arrays))


def _kind(data: NetcdfData) -> str:
    if data.labels is not None:
        targets = f"{data.labels} classes"
    else:
        targets = "no targets" if data.targets is None else f"{data.targets.shape[1]} targets"
    missing = " (but no targetClasses)" if data.labels is not None and data.classes is None else ""
    return f"{data.inputs.shape[1]} inputs and {targets}{missing}"


@contextmanager
def opened(path: Path, room: Room | None = None) -> Iterator[ClassicFile]:
    """Open a file of any of the formats; of a netCDF-4 file, a classic copy of CURRENNT's variables.

    Raises
    ------
    InputError
        If the file is missing, damaged or not NetCDF.
    """
    try:
        with _opened(path, room or Room()) as file:
            yield file
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error


@contextmanager
def _opened(path: Path, room: Room) -> Iterator[ClassicFile]:
    size = file_size(path)
    with path.open("rb") as file:
        start = file.read(len(netcdf_hdf5.MAGIC))
        file.seek(0)
        if start[: len(MAGIC)] == MAGIC:
            yield ClassicFile(file, size, str(path), room)
            return
    if start != netcdf_hdf5.MAGIC:
        raise InputError(f"{path}: not a NetCDF file: it begins with {start!r}; expected 'CDF' or '\\x89HDF'")
    with tempfile.TemporaryDirectory(dir=room.folder) as folder:
        classic = Path(folder) / "classic.nc"
        netcdf_hdf5.convert(path, classic, _VARIABLES)
        with classic.open("rb") as file:
            yield ClassicFile(file, classic.stat().st_size, str(path), room)


def _read(file: ClassicFile, fraction: float) -> NetcdfData:
    sequences, inputs = _size(file, "numSeqs"), _size(file, "inputPattSize")
    lengths = _lengths(file, sequences)
    frames = sum(lengths.tolist())
    rows = {_ROWS: frames}
    kept = max(1, math.floor(np.float32(sequences) * np.float32(fraction)))
    used = sum(lengths[:kept].tolist())
    tags, lengths = _tags(file, sequences, kept), lengths[:kept]
    if not used:
        raise InputError(
            f"{file.name}: no frames: the first {kept} of {sequences} sequences have the length 0"
        )
    # Shapes are held against lengths that were read: nothing is claimed that is not there.
    x = _floats(file, "inputs", rows | {"inputPattSize": inputs}, used)
    targets, classes, labels = None, None, None
    outputs = 0
    if "numLabels" in file.dimensions:
        labels = _size(file, "numLabels")
        if "targetClasses" in file.variables:
            values = _array(file, "targetClasses", rows, used)
            check_classes(file.name, values, labels, tags, lengths)
            classes = values.astype(np.int32)
    elif "targetPattSize" in file.dimensions or "targetPatterns" in file.variables:
        outputs = _size(file, "targetPattSize")
        if "targetPatterns" in file.variables:
            targets = _floats(file, "targetPatterns", rows | {"targetPattSize": outputs}, used)
    sizes = [{"targetPattSize": outputs}] * 2 + [{"inputPattSize": inputs}] * 2
    means = [
        _floats(file, name, size) if name in file.variables and 0 not in size.values() else None
        for name, size in zip(_MEANS, sizes, strict=True)
    ]
    there = lengths > 0
    notes = _left_out(file, int((~there).sum()), frames)
    tags = [tag for tag, length in zip(tags, lengths.tolist(), strict=True) if length]
    output_means, output_stdevs, input_means, input_stdevs = means
    return NetcdfData(
        tags,
        lengths[there],
        x,
        targets,
        classes,
        labels,
        output_means,
        output_stdevs,
        input_means,
        input_stdevs,
        notes,
    )


def _left_out(file: ClassicFile, empty: int, frames: int) -> tuple[str, ...]:
    notes = []
    if empty:
        notes.append(f"{file.name}: sequences of length 0 are left out: {empty}")
    surplus = {
        name: rows - frames
        for name in ("inputs", "targetPatterns", "targetClasses")
        if name in file.variables and (rows := file.variables[name].shape[0]) > frames
    }
    if surplus:
        listed = ", ".join(f"{count} of {name}" for name, count in surplus.items())
        notes.append(f"{file.name}: rows that belong to no sequence are left out: {listed}")
    return tuple(notes)


def _size(file: ClassicFile, name: str) -> int:
    if name not in file.dimensions:
        raise InputError(f"{file.name}: no dimension {name!r}; found {', '.join(file.dimensions) or 'none'}")
    if not (size := file.dimensions[name]):
        raise InputError(f"{file.name}: dimension {name!r} is 0; expected 1 or more")
    return size


def _array(
    file: ClassicFile,
    name: str,
    sizes: dict[str, int],
    rows: int | None = None,
    dtype: np.dtype[Any] | None = None,
) -> NDArray[Any]:
    """Read a variable that must have certain sizes; of rows it may have more."""
    if name not in file.variables:
        raise InputError(f"{file.name}: no variable {name!r}; found {', '.join(file.variables) or 'none'}")
    variable = file.variables[name]
    expected_shape = tuple(sizes.values())
    enough = _ROWS in sizes and variable.shape[:1] >= expected_shape[:1]
    if variable.shape != expected_shape and not (enough and variable.shape[1:] == expected_shape[1:]):
        found = " × ".join(f"{d} = {n}" for d, n in zip(variable.dimensions, variable.shape, strict=True))
        expected = " × ".join(f"{d} = {n}" for d, n in sizes.items())
        raise InputError(
            f"{file.name}: variable {name!r} has the size {found or 'of one value'}; expected {expected}"
        )
    if (variable.dtype.kind == "S") != (name == "seqTags"):
        expected = "characters" if name == "seqTags" else "numbers"
        raise InputError(f"{file.name}: variable {name!r} has the type {variable.dtype}; expected {expected}")
    return file.read(name, rows, dtype)


def _floats(file: ClassicFile, name: str, sizes: dict[str, int], rows: int | None = None) -> Float32:
    with np.errstate(over="ignore"):  # becomes infinite, which is reported with its place
        return _array(file, name, sizes, rows, np.dtype(np.float32))


def _lengths(file: ClassicFile, sequences: int) -> NDArray[np.int64]:
    values = _array(file, "seqLengths", {"numSeqs": sequences})
    wrong = np.flatnonzero(~((values >= 0) & (values < 2**31) & (values == np.floor(values))))
    if len(wrong):
        raise InputError(
            f"{file.name}: variable 'seqLengths', sequence {wrong[0]} (from 0): found {values[wrong[0]]}; "
            "expected a whole number of 0 or more"
        )
    return values.astype(np.int64)


def _tags(file: ClassicFile, sequences: int, kept: int) -> list[str]:
    if "maxSeqTagLength" not in file.dimensions:
        _size(file, "maxSeqTagLength")
    sizes = {"numSeqs": sequences, "maxSeqTagLength": file.dimensions["maxSeqTagLength"]}
    rows = _array(file, "seqTags", sizes, kept)
    return [_text(row.tobytes().split(b"\0", 1)[0]) for row in rows]


def _text(tag: bytes) -> str:
    """Decode a tag; what is no UTF-8 was most likely written on an older system."""
    try:
        return tag.decode()
    except UnicodeDecodeError:
        return tag.decode("latin-1")
