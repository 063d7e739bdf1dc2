"""NetCDF's classic formats: dimensions and variables, without what they mean.

Read and written are the classic format (CDF-1), the 64-bit offset format (CDF-2) and the 64-bit data
format (CDF-5), after Unidata's "NetCDF Classic Format Specification". What a header claims is held
against the size of the file before anything is allocated or read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lstmcore.experiments.currennt.room import Room, blocks, pieces
from lstmcore.experiments.errors import InputError

MAGIC = b"CDF"
_VERSIONS = (1, 2, 5)
DIMENSIONS, VARIABLES, _ATTRIBUTES = 10, 11, 12
_TYPES = dict(enumerate(["i1", "S1", ">i2", ">i4", ">f4", ">f8", "u1", ">u2", ">u4", ">i8", ">u8"], 1))
_CODES = {np.dtype(name).newbyteorder("="): code for code, name in _TYPES.items()}
_CLASSIC_TYPES = 6  # the codes above exist in CDF-5 only
_SMALL, _LARGE = 2**31 - 2**20, 2**32 - 4  # bytes: of a file in CDF-1, of a variable in CDF-2
_STREAMING = 2**32 - 1
# No sound file comes near; a damaged count must not be counted through.
_MOST_ENTRIES, _LONGEST_NAME = 2**16, 1024

Arrays = dict[str, tuple[tuple[str, ...], NDArray[Any]]]
"""Name to names of dimensions and values."""


@dataclass(frozen=True)
class Variable:
    """Where a variable lies.

    Parameters
    ----------
    dimensions, shape
        Names and sizes of its dimensions.
    dtype
        As stored (big-endian).
    begin
        Its first byte in the file.
    stride
        Bytes from one record to the next if its first dimension is the unlimited one, else 0.
    """

    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    begin: int
    stride: int = 0

    @property
    def end(self) -> int:
        """One past its last byte."""
        if not self.stride:
            return self.begin + math.prod(self.shape) * self.dtype.itemsize
        row = math.prod(self.shape[1:]) * self.dtype.itemsize
        return self.begin + max(0, self.shape[0] - 1) * self.stride + row


@dataclass
class Layout:
    """Where in a header its lists lie.

    Parameters
    ----------
    version
        1, 2 or 5.
    dimensions, attributes, variables, end
        First byte of each list, and one past the last of the header.
    entries
        First byte of each variable and one past its last, which are its `begin`.
    """

    version: int
    dimensions: int = 0
    attributes: int = 0
    variables: int = 0
    end: int = 0
    entries: list[tuple[int, int]] = field(default_factory=list)


class ClassicFile:
    """A file whose header has been read.

    Its dimensions are numbers by name, its variables `Variable` by name, both in the order of the file.

    Parameters
    ----------
    file
        Opened for reading in binary.
    size
        Its length in bytes.
    name
        What it is called in messages.
    room
        For what is read; by default only what fits into memory or the folder for temporary files.

    Raises
    ------
    InputError
        If the header is damaged, or longer than the file.
    """

    def __init__(self, file: BinaryIO, size: int, name: str, room: Room | None = None) -> None:
        self.name, self._room = name, room or Room()
        self._file = file
        self.size = size
        header = _Header(file, size, name)
        self.dimensions, self.variables = header.dimensions, header.variables
        self.unlimited, self.layout = header.unlimited, header.layout

    def read(self, name: str, rows: int | None = None, dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
        """Read a variable.

        Parameters
        ----------
        name
            Its name; it must be in ``variables``.
        rows
            Read only so many of the first dimension.
        dtype
            Convert to this type; by default the file's.

        Returns
        -------
        ndarray
            In the machine's byte order.

        Raises
        ------
        InputError
            If the file ends before the variable does, or there is no room for it.
        """
        variable = self.variables[name]
        if variable.end > self.size:
            raise InputError(
                f"{self.name}: variable {name!r} should end at byte {variable.end}; "
                f"found the end of the file at byte {self.size}: it is truncated or damaged"
            )
        shape = (variable.shape[0] if rows is None else rows, *variable.shape[1:])
        what = f"{self.name}: variable {name!r}"
        result = self._room.empty(shape, dtype or variable.dtype.newbyteorder("="), what)
        if variable.stride:
            self._read_records(variable, result)
        else:
            values = result.reshape(-1)
            self._file.seek(variable.begin)
            for part in blocks(values):
                values[part] = np.fromfile(self._file, variable.dtype, part.stop - part.start)
        return result

    def bytes_at(self, start: int, count: int) -> bytes:
        """Read some bytes, wherever they are."""
        self._file.seek(start)
        return self._file.read(count)

    def _read_records(self, variable: Variable, result: NDArray[Any]) -> None:
        """Collect what lies in every record, between the other variables' parts."""
        row = math.prod(result.shape[1:]) * variable.dtype.itemsize
        for part in pieces(len(result) if row else 0, variable.stride):
            count = part.stop - part.start
            self._file.seek(variable.begin + part.start * variable.stride)
            buffer = np.fromfile(self._file, np.uint8, (count - 1) * variable.stride + row)
            rows = np.lib.stride_tricks.as_strided(buffer, (count, row), (variable.stride, 1))
            values = np.ascontiguousarray(rows).view(variable.dtype)
            result[part] = values.reshape(count, *result.shape[1:])


class _Header:
    """Reads a header from its start."""

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self._file, self._size, self._left, self._name = file, size, size, name
        magic = self._take(4)
        if magic[:3] != MAGIC or magic[3] not in _VERSIONS:
            raise self._damaged(f"it begins with {magic!r}; expected 'CDF' and a version of {_VERSIONS}")
        self.layout = Layout(magic[3])
        self._wide = magic[3] == 5
        self._offset = _offset(magic[3])
        self._records = self._count()
        if self._records == (2**64 - 1 if self._wide else _STREAMING):
            raise self._damaged("its number of records was never written")
        self.layout.dimensions = self._here
        sizes = [(self._text(), self._count()) for _ in range(self._list(DIMENSIONS))]
        self._names = [key for key, _ in sizes]
        self.unlimited = {key for key, length in sizes if length == 0}
        self.dimensions = {key: length or self._records for key, length in sizes}
        self.layout.attributes = self._here
        self._attributes()
        self.layout.variables = self._here
        found = [self._variable() for _ in range(self._list(VARIABLES))]
        self.layout.end = self._here
        self.variables = self._with_strides(dict(found))
        if any(v.begin < self._here for v in self.variables.values()):
            raise self._damaged("a variable lies within it")
        if len(self.dimensions) < len(sizes) or len(self.variables) < len(found):
            raise self._damaged("a dimension or variable appears twice")

    @property
    def _here(self) -> int:
        return self._size - self._left

    def _damaged(self, what: str) -> InputError:
        return InputError(f"{self._name}: the header is damaged: {what}")

    def _take(self, count: int) -> bytes:
        if count > self._left:
            raise self._damaged(f"{count} bytes are missing at its end (a truncated file?)")
        self._left -= count
        return self._file.read(count)

    def _integer(self, width: int) -> int:
        return int.from_bytes(self._take(width), "big")

    def _count(self) -> int:
        return self._integer(8 if self._wide else 4)

    def _text(self) -> str:
        length = self._count()
        if not 0 < length <= _LONGEST_NAME:
            raise self._damaged(f"a name of {length} bytes; expected 1 to {_LONGEST_NAME}")
        text = self._take(length + -length % 4)[:length]
        try:
            return text.decode()
        except UnicodeDecodeError as error:
            raise self._damaged(f"a name is {text!r}; expected UTF-8") from error

    def _list(self, tag: int) -> int:
        """Read what introduces a list; return its length."""
        found, count = self._integer(4), self._count()
        if found not in (0, tag) or (found == 0 and count):
            raise self._damaged(f"a list of kind {found} with {count} entries; expected kind {tag}")
        if count > _MOST_ENTRIES:
            raise self._damaged(f"a list of {count} entries; expected {_MOST_ENTRIES} at most")
        return count

    def _type(self) -> np.dtype[Any]:
        code = self._integer(4)
        if code not in _TYPES:
            raise self._damaged(f"a type {code}; expected 1 to {len(_TYPES)}")
        return np.dtype(_TYPES[code])

    def _attributes(self) -> None:
        """Walk over attributes: CURRENNT's data have none that mean anything."""
        for _ in range(self._list(_ATTRIBUTES)):
            self._text()
            size = self._type().itemsize * self._count()
            size += -size % 4
            if size > self._left:
                raise self._damaged(f"an attribute of {size} bytes, beyond the file's end")
            self._left -= size
            self._file.seek(size, 1)

    def _variable(self) -> tuple[str, Variable]:
        start = self._here
        name, rank = self._text(), self._count()
        if rank > _LONGEST_NAME:
            raise self._damaged(f"variable {name!r} has {rank} dimensions")
        numbers = [self._count() for _ in range(rank)]
        if any(k >= len(self._names) for k in numbers):
            raise self._damaged(f"variable {name!r} has a dimension that is not there")
        if any(self._names[k] in self.unlimited for k in numbers[1:]):
            raise self._damaged(
                f"variable {name!r} has the unlimited dimension in another place than the first"
            )
        self._attributes()
        dtype = self._type()
        self._count()  # its size, which follows from its shape; large ones don't fit into the field
        begin = self._integer(self._offset)
        self.layout.entries.append((start, self._here))
        dimensions = tuple(self._names[k] for k in numbers)
        return name, Variable(dimensions, tuple(self.dimensions[d] for d in dimensions), dtype, begin)

    def _with_strides(self, variables: dict[str, Variable]) -> dict[str, Variable]:
        """Set how far apart the records of the variables lie."""
        sizes = {
            name: math.prod(v.shape[1:]) * v.dtype.itemsize
            for name, v in variables.items()
            if v.dimensions and v.dimensions[0] in self.unlimited
        }
        # The format's one exception: a single variable's records are not padded.
        record = sum(s + -s % 4 for s in sizes.values()) if len(sizes) > 1 else sum(sizes.values())
        return {
            name: Variable(v.dimensions, v.shape, v.dtype, v.begin, record) if name in sizes else v
            for name, v in variables.items()
        }


def classic_pieces(dimensions: dict[str, int], arrays: Arrays) -> Iterator[bytes]:
    """Write a file in the oldest of the classic formats that can hold the arrays.

    Parameters
    ----------
    dimensions
        Name to size (1 or more).
    arrays
        Name to names of dimensions and values, in the order they shall have in the file. Of an array nothing
        is asked but a shape, a type and slices of rows.

    Yields
    ------
    bytes
        The file's content: CDF-1 up to 2 GiB, CDF-2 while no variable has 4 GiB, else CDF-5.
    """
    lengths = [math.prod(a.shape) * a.dtype.itemsize for _, a in arrays.values()]
    sizes = [length + -length % 4 for length in lengths]
    large = max(sizes) >= _LARGE or max(dimensions.values()) >= 2**31
    wide = large or any(_CODES[a.dtype] > _CLASSIC_TYPES for _, a in arrays.values())
    version = 5 if wide else 1 if sum(sizes) < _SMALL else 2
    begin = len(_header(version, dimensions, arrays, sizes, 0))
    yield _header(version, dimensions, arrays, sizes, begin)
    for (_, array), length in zip(arrays.values(), lengths, strict=True):
        for part in blocks(array) if array.shape else [()]:
            yield np.asarray(array[part], array.dtype.newbyteorder(">")).tobytes()
        yield bytes(-length % 4)


def classic_bytes(dimensions: dict[str, int], arrays: Arrays) -> bytes:
    """Return the content of a file; see :func:`classic_pieces`."""
    return b"".join(classic_pieces(dimensions, arrays))


def _header(version: int, dimensions: dict[str, int], arrays: Arrays, sizes: list[int], begin: int) -> bytes:
    write, names = Encoder(version), list(dimensions)
    parts = [MAGIC, bytes([version]), write.count(0), write.list(DIMENSIONS, len(names))]
    parts += [write.dimension(name, size) for name, size in dimensions.items()]
    parts += [write.list(0, 0), write.list(VARIABLES, len(arrays))]
    for (name, (used, array)), size in zip(arrays.items(), sizes, strict=True):
        parts += [write.variable(name, [names.index(d) for d in used], array.dtype, size, begin)]
        begin += size
    return b"".join(parts)


def _offset(version: int) -> int:
    """Bytes of a place in the file."""
    return 4 if version == 1 else 8


@dataclass(frozen=True)
class Encoder:
    """Writes the parts of a header.

    Parameters
    ----------
    version
        1, 2 or 5.
    """

    version: int

    def count(self, value: int) -> bytes:
        """Return a size or a number of things."""
        return value.to_bytes(8 if self.version == 5 else 4, "big")

    def place(self, begin: int) -> bytes:
        """Return where a variable begins; an OverflowError says that the format is too small for it."""
        return begin.to_bytes(_offset(self.version), "big", signed=True)

    def list(self, kind: int, length: int) -> bytes:
        """Return what introduces a list; that of kind 0 is not there."""
        return kind.to_bytes(4, "big") + self.count(length)

    def dimension(self, name: str, size: int) -> bytes:
        """Return a dimension."""
        return self._text(name) + self.count(size)

    def variable(
        self, name: str, dimensions: Sequence[int], dtype: np.dtype[Any], size: int, begin: int
    ) -> bytes:
        """Return a variable without attributes."""
        numbers = [self.count(number) for number in dimensions]
        code = _CODES[dtype.newbyteorder("=")].to_bytes(4, "big")
        start = [self._text(name), self.count(len(numbers)), *numbers, self.list(0, 0), code]
        return b"".join([*start, self.count(size), self.place(begin)])

    def _text(self, name: str) -> bytes:
        data = name.encode()
        return self.count(len(data)) + data + bytes(-len(data) % 4)
