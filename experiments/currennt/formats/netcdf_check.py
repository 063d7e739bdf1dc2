"""Whether sequences are what can be trained on, and where they are not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.currennt.formats.netcdf_data import NetcdfData
from lstmcore.experiments.currennt.room import blocks
from lstmcore.experiments.errors import InputError


def check_data(name: str, data: NetcdfData) -> None:
    """Check sizes and values.

    Parameters
    ----------
    name
        The file, for messages.
    data
        What was read or shall be written.

    Raises
    ------
    InputError
        With the variable, and the sequence, frame and column of the first wrong value.
    """
    _check_sequences(name, data)
    frames, inputs = data.inputs.shape
    outputs = None if data.targets is None else data.targets.shape[1]
    check_floats(name, "inputs", data.inputs, data)
    if data.targets is not None:
        _check_rows(name, "targetPatterns", len(data.targets), frames)
        check_floats(name, "targetPatterns", data.targets, data)
    if data.classes is not None:
        _check_rows(name, "targetClasses", len(data.classes), frames)
        if data.labels is None or data.targets is not None:
            raise InputError(f"{name}: classes need the number of labels, and no targets beside them")
        check_classes(name, data.classes, data.labels, data.tags, data.lengths)
    _check_vectors(name, data, outputs, inputs)


def check_classes(
    name: str, classes: NDArray[Any], labels: int, tags: list[str], lengths: NDArray[np.int64]
) -> None:
    """Check that classes are whole numbers in 0 … labels − 1, or −1: a frame without error."""
    good = (classes >= -1) & (classes < labels) & (classes == np.floor(classes))
    if not good.all():
        frame = int(np.argmin(good))
        raise InputError(
            f"{name}: variable 'targetClasses', {_place(tags, lengths, frame)}: found {classes[frame]}; "
            f"expected a whole number from 0 to {labels - 1} (dimension numLabels = {labels}), or -1"
        )


def _check_sequences(name: str, data: NetcdfData) -> None:
    if not data.tags or len(data.tags) != len(data.lengths):
        raise InputError(
            f"{name}: {len(data.tags)} tags and {len(data.lengths)} lengths; expected as many, from 1"
        )
    if data.inputs.ndim != 2 or not data.inputs.shape[1]:
        raise InputError(f"{name}: inputs are {data.inputs.shape}; expected frames × inputs")
    if data.targets is not None and (data.targets.ndim != 2 or not data.targets.shape[1]):
        raise InputError(f"{name}: targets are {data.targets.shape}; expected frames × outputs")
    for tag, length in zip(data.tags, data.lengths.tolist(), strict=True):
        if not 1 <= length < 2**31:
            raise InputError(f"{name}: sequence {tag!r} has {length} frames; expected 1 or more")
        if "\0" in tag or tag.encode(errors="replace").decode() != tag:
            raise InputError(f"{name}: tag {tag!r} has a character that can't be written")
    _check_rows(name, "inputs", len(data.inputs), sum(data.lengths.tolist()))


def _check_rows(name: str, variable: str, found: int, expected: int) -> None:
    if found != expected:
        raise InputError(
            f"{name}: variable {variable!r} has {found} frames; the sequences' lengths add up to {expected}"
        )


def check_floats(name: str, variable: str, values: NDArray[Any], data: NetcdfData) -> None:
    """Check that numbers, one row per frame, are finite."""
    for part in blocks(values):
        finite = np.isfinite(values[part])
        if finite.all():
            continue
        frame, column = divmod(part.start * values.shape[1] + int(np.argmin(finite)), values.shape[1])
        raise InputError(
            f"{name}: variable {variable!r}, {_place(data.tags, data.lengths, frame)}, column {column}: "
            f"found {values[frame, column]}; expected a finite number (frames and columns count from 0)"
        )


def _check_vectors(name: str, data: NetcdfData, outputs: int | None, inputs: int) -> None:
    """Check what (un)does the standardisation."""
    if data.labels is not None and (
        data.labels < 1 or data.output_means is not None or data.output_stdevs is not None
    ):
        raise InputError(f"{name}: {data.labels} labels; expected 1 or more, and no means of outputs")
    for variable, vector, size in (
        ("outputMeans", data.output_means, outputs),
        ("outputStdevs", data.output_stdevs, outputs),
        ("inputMeans", data.input_means, inputs),
        ("inputStdevs", data.input_stdevs, inputs),
    ):
        if vector is None:
            continue
        size = len(vector) if size is None else size
        if vector.shape != (size,):
            raise InputError(
                f"{name}: variable {variable!r} has the size {vector.shape}; expected {size} numbers"
            )
        if not np.isfinite(vector).all():
            place = int(np.argmin(np.isfinite(vector)))
            raise InputError(
                f"{name}: variable {variable!r}, column {place} (from 0): found {vector[place]}; "
                "expected a finite number"
            )


def _place(tags: list[str], lengths: NDArray[np.int64], frame: int) -> str:
    ends = np.cumsum(lengths)
    k = int(np.searchsorted(ends, frame, side="right"))
    return f"sequence {tags[k]!r} ({k} from 0), frame {frame - int(ends[k] - lengths[k])}"
