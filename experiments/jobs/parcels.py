"""Work as bytes for other machines: what many tasks share goes there once, named by its content.

`Bulky` things, the songs, are left out of a pickle, which has their digests in their place.  `Common` things,
what the jobs of an experiment share, are pickled once, apart, and each worker makes one object of each, so
that jobs share there what they share here.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import RLock
from typing import Any
from weakref import WeakValueDictionary

_BULKY, _COMMON = "bulky", "common"


class Bulky:
    """Something with large arrays, which is known by a digest of its content."""

    @cached_property
    def digest(self) -> str:
        """Hash of all that it holds."""
        raise NotImplementedError


class Common:
    """Something that many jobs share: it is pickled once, and each process has one of it."""


@dataclass(frozen=True)
class Packed:
    """Something as bytes.

    Parameters
    ----------
    content
        A pickle with names in place of what is bulky or common.
    bulky
        Digests of what is bulky in it, that of what is common in it included.
    common
        Names of what is common in it, at any depth.
    """

    content: bytes
    bulky: frozenset[str]
    common: frozenset[str]


@dataclass
class Packer:
    """Makes bytes of work, and has what they lack.

    Attributes
    ----------
    bulky
        What was left out of the bytes, by digest.
    common
        What was pickled apart, by name.
    """

    bulky: dict[str, Bulky] = field(default_factory=dict)
    common: dict[str, Packed] = field(default_factory=dict)
    _names: dict[int, tuple[Common, str]] = field(
        default_factory=dict
    )  # the objects, too: ids are used again

    def pack(self, thing: Any) -> Packed:
        """Make bytes of something.

        Raises
        ------
        TypeError, AttributeError, pickle.PicklingError
            If it holds what can't be pickled.
        """
        bulky: set[str] = set()
        common: set[str] = set()

        def named(part: Any) -> tuple[str, str] | None:
            if isinstance(part, Bulky):
                self.bulky.setdefault(part.digest, part)
                bulky.add(part.digest)
                return _BULKY, part.digest
            if isinstance(part, Common) and part is not thing:
                name = self._name_of(part)
                common.update((name, *self.common[name].common))
                bulky.update(self.common[name].bulky)
                return _COMMON, name
            return None

        content = io.BytesIO()
        pickler = _Pickler(content, named)
        pickler.dump(thing)
        return Packed(content.getvalue(), frozenset(bulky), frozenset(common))

    def _name_of(self, common: Common) -> str:
        """Pickle what is common the first time, and return its name."""
        known = self._names.get(id(common))
        if known is not None:
            return known[1]
        packed = self.pack(common)
        name = hashlib.sha256(packed.content).hexdigest()[:16]
        self.common[name] = packed
        self._names[id(common)] = common, name
        return name


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, named: Callable[[Any], tuple[str, str] | None]) -> None:
        super().__init__(file, protocol=5)
        self._named = named

    def persistent_id(self, obj: Any) -> tuple[str, str] | None:
        return self._named(obj)


class Parcel(dict[str, Any]):
    """Things by name, that go to a worker together."""

    def __sizeof__(self) -> int:
        """Return about how many bytes they are: a cluster plans with it."""
        return sum(map(_bytes_of, self.values()))


def _bytes_of(thing: Any) -> int:
    arrays = [getattr(value, "nbytes", 0) for value in getattr(thing, "__dict__", {}).values()]
    content = thing.content if isinstance(thing, Packed) else b""
    return sum(arrays) + sys.getsizeof(content)


class Unpacker:
    """Makes things of bytes again; what is common becomes one object as long as somebody holds it."""

    def __init__(self) -> None:
        self._common: WeakValueDictionary[str, Common] = WeakValueDictionary()
        self._lock = RLock()

    def unpack(self, packed: Packed, parcels: Iterable[Mapping[str, Any]]) -> Any:
        """Return what was packed.

        Parameters
        ----------
        packed
            The bytes.
        parcels
            All bulky and common things in it, by digest and by name.
        """
        lacked: dict[str, Any] = {}
        for parcel in parcels:
            lacked |= parcel
        return self._unpacked(packed, lacked)

    def _unpacked(self, packed: Packed, lacked: dict[str, Any]) -> Any:
        return _Unpickler(
            io.BytesIO(packed.content), lambda kind, name: self._found(kind, name, lacked)
        ).load()

    def _found(self, kind: str, name: str, lacked: dict[str, Any]) -> Any:
        if kind == _BULKY:
            return lacked[name]
        with self._lock:
            common = self._common.get(name)
            if common is None:
                common = self._common[name] = self._unpacked(lacked[name], lacked)
            return common


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, found: Callable[[str, str], Any]) -> None:
        super().__init__(file)
        self._found = found

    def persistent_load(self, pid: tuple[str, str]) -> Any:
        return self._found(*pid)
