"""Values that several jobs need and that are too large to keep for later."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")


class Shared(Generic[T]):
    """Keeps each value as long as somebody holds it.

    Jobs that run at the same time share it, and those that come later make it again.
    """

    def __init__(self) -> None:
        self._values: WeakValueDictionary[Hashable, T] = WeakValueDictionary()
        self._locks: dict[Hashable, Lock] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key, made now if nobody holds it; who wants it meanwhile waits."""
        with self._locks.setdefault(key, Lock()):
            value = self._values.get(key)
            if value is None:
                value = self._values[key] = make()
            return value
