"""Changing variables of a NetCDF file and nothing else in it.

Format, attributes, other variables and dimensions, the unlimited one among them, and the bytes of texts stay
as they are. A variable that is not there yet is added: in the classic formats its entry comes last in the
header, which grows, and its values after all others, but before the records; all others move.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.currennt.formats import netcdf_hdf5
from lstmcore.experiments.currennt.formats.netcdf_classic import (
    DIMENSIONS,
    MAGIC,
    VARIABLES,
    Arrays,
    ClassicFile,
    Encoder,
    Variable,
    classic_bytes,
)
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.files import replacing

_BLOCK = 2**20


def change_variables(path: Path, arrays: Arrays) -> None:
    """Write values of variables into a file, whole or not at all.

    Parameters
    ----------
    path
        A NetCDF file of any of the formats.
    arrays
        Of a variable that is there, the values of its first rows, which are converted to its type; otherwise
        what is added, with dimensions if they are not there.

    Raises
    ------
    InputError
        If the file can't be read, or its format has no room for what is added.
    OSError
        If it can't be written.
    """
    with path.open("rb") as source:
        classic = source.read(len(MAGIC)) == MAGIC
        source.seek(0)
        with replacing(path) as target:
            if classic:
                _change_classic(ClassicFile(source, path.stat().st_size, str(path)), arrays, target)
                return
            with tempfile.TemporaryDirectory() as folder:
                copy, changes = Path(folder) / "copy.nc", Path(folder) / "changes.nc"
                with copy.open("wb") as file:
                    copyfileobj(source, file)
                changes.write_bytes(classic_bytes(_sizes(arrays), arrays))
                netcdf_hdf5.change(path, copy, changes)
                with copy.open("rb") as file:
                    copyfileobj(file, target)


def _sizes(arrays: Arrays) -> dict[str, int]:
    return {
        name: size
        for dimensions, array in arrays.values()
        for name, size in zip(dimensions, array.shape, strict=True)
    }


def _change_classic(file: ClassicFile, arrays: Arrays, target: BinaryIO) -> None:
    added = {name: arrays[name] for name in arrays if name not in file.variables}
    move = _copy_with(file, added, target)
    for name, (_, values) in arrays.items():
        if (variable := file.variables.get(name)) is not None:
            _overwrite(variable, values, target, move(variable.begin))


def _overwrite(variable: Variable, values: NDArray[Any], target: BinaryIO, begin: int) -> None:
    """Write the first rows of a variable."""
    stored = np.ascontiguousarray(values.astype(variable.dtype))
    target.seek(begin)
    if not variable.stride:
        target.write(stored.tobytes())
        return
    for number, row in enumerate(stored):  # in each record, between the other variables' parts
        target.seek(begin + number * variable.stride)
        target.write(row.tobytes())


def _copy_with(file: ClassicFile, added: Arrays, target: BinaryIO) -> Callable[[int], int]:
    """Copy a file and add variables; return where a place of the old file is in the new one."""
    plan = _Plan.of(file, added)
    target.write(plan.header(file, added))
    _copy(file, plan.header_end, plan.split, target)
    for begin, (_, values) in zip(plan.begins, added.values(), strict=True):
        target.write(bytes(begin - target.tell()))
        target.write(values.astype(values.dtype.newbyteorder(">")).tobytes())
    target.write(bytes(plan.split + plan.shift_behind - target.tell()))
    _copy(file, plan.split, file.size, target)
    return plan.moved


def _copy(file: ClassicFile, start: int, end: int, target: BinaryIO) -> None:
    for here in range(start, end, _BLOCK):
        target.write(file.bytes_at(here, min(_BLOCK, end - here)))


@dataclass(frozen=True)
class _Plan:
    """Positions of all parts of the changed file.

    Parameters
    ----------
    header_end, split
        In the old file: where the values begin, and where the records do, or its end.
    shift, shift_behind
        How far what is before the split moves, and what is behind it.
    begins
        Of the added variables in the new file.
    """

    header_end: int
    split: int
    shift: int
    shift_behind: int
    begins: tuple[int, ...]

    @classmethod
    def of(cls, file: ClassicFile, added: Arrays) -> _Plan:
        records = [v.begin for v in file.variables.values() if v.stride]
        split = max(min(records, default=file.size), file.layout.end)
        end = file.layout.end
        if not added:
            return cls(end, split, 0, 0, ())
        if (ends := max(v.end for v in file.variables.values())) > file.size:
            raise InputError(
                f"{file.name}: its variables should end at byte {ends}; found the end of the file at byte "
                f"{file.size}: it is truncated or damaged"
            )
        if any(v.end > split for v in file.variables.values() if not v.stride):
            raise InputError(
                f"{file.name}: records lie between its variables; there is no place for another one"
            )
        draft = cls(end, split, 0, 0, (0,) * len(added))
        shift = len(draft.header(file, added)) - end
        begins, here = [], split + shift
        for _, values in added.values():
            here += -here % 4
            begins.append(here)
            here += values.nbytes
        # The records begin at a multiple of 4, as they did before.
        return cls(end, split, shift, here + -(here - split) % 4 - split, tuple(begins))

    def moved(self, place: int) -> int:
        """Return where a place of the old file is in the new one."""
        return place + (self.shift if place < self.split else self.shift_behind)

    def header(self, file: ClassicFile, added: Arrays) -> bytes:
        """Return the new header: the old one, but for what is added and where variables begin."""
        layout = file.layout
        write = Encoder(layout.version)
        new = {name: size for name, size in _sizes(added).items() if name not in file.dimensions}
        known = [*file.dimensions, *new]
        width = len(write.list(0, 0))
        dimensions = file.bytes_at(layout.dimensions + width, layout.attributes - layout.dimensions - width)
        parts = [
            file.bytes_at(0, layout.dimensions),
            write.list(DIMENSIONS, len(known)),
            dimensions,
            *(write.dimension(name, size) for name, size in new.items()),
            file.bytes_at(layout.attributes, layout.variables - layout.attributes),
            write.list(VARIABLES, len(file.variables) + len(added)),
        ]
        try:
            for (start, end), variable in zip(layout.entries, file.variables.values(), strict=True):
                place = write.place(self.moved(variable.begin))
                parts += [file.bytes_at(start, end - start - len(place)), place]
            for begin, (name, (used, values)) in zip(self.begins, added.items(), strict=True):
                size = values.nbytes + -values.nbytes % 4
                parts.append(write.variable(name, [known.index(d) for d in used], values.dtype, size, begin))
        except OverflowError:
            raise InputError(
                f"{file.name}: the classic format holds 2 GiB, and no place is left for {', '.join(added)}; "
                "expected a file in another format (nccopy -k 64-bit-offset)"
            ) from None
        return b"".join(parts)
