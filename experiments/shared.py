"""Values that several jobs need and that are too large to keep for later."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")


class Shared(Generic[T]):
    """Keeps each value as long as somebody holds it.

    Jobs that run at the same time share it, and those that come later make it again; if two
    threads make the same one at once, it is there twice for a while.
    """

    def __init__(self) -> None:
        self._values: WeakValueDictionary[Hashable, T] = WeakValueDictionary()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key, made now if nobody holds it."""
        value = self._values.get(key)
        return value if value is not None else self._values.setdefault(key, make())
