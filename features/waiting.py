"""Waiting for what runs in threads: the caller is woken at each end, and Ctrl-C reaches it at once."""

from __future__ import annotations

from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.05


class Ends(Generic[T]):
    """The ends of futures, in the order in which they come.

    Not `concurrent.futures.wait`: interrupted by Ctrl-C, it may keep the locks that workers wait for.
    """

    def __init__(self) -> None:
        self._ended: SimpleQueue[Future[T]] = SimpleQueue()

    def watch(self, future: Future[T]) -> Future[T]:
        """Have `next` return this future when it ends, also if it is cancelled; return it."""
        future.add_done_callback(self._ended.put)
        return future

    def next(self, seconds: float = POLL_SECONDS) -> Future[T] | None:
        """Return the next future that ended, or None if none does within so many seconds."""
        try:
            return self._ended.get(timeout=seconds)
        except Empty:
            return None
