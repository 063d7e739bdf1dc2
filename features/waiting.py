"""Work in threads, and waiting for it: the caller is woken at each end, and Ctrl-C reaches it at once."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")
Item = TypeVar("Item")

POLL_SECONDS = 0.05
_AHEAD = 4  # items a worker may be ahead of the caller: bounds the memory of a long list


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


class SideBySide(AbstractContextManager[Iterator[T]], Generic[Item, T]):
    """Work on many files in threads, which live from ``with`` to its end; results come in the files' order.

    Not a generator that holds the pool: one that somebody's error leaves behind is ended by the
    garbage collector, in whichever thread that happens to run, and joining threads there hangs.

    Parameters
    ----------
    items
        What to work on; taken up little by little.
    one
        From an item, and an event that is set when nobody waits any more, to its result.  What it raises
        ends it all.
    workers
        Threads; None: one per processor.
    on_done
        Called in the caller's thread with each result as soon as it is there, before those of earlier
        items if need be.
    stop
        Set it to end: no more results come.

    Raises
    ------
    ValueError
        If `workers` is less than 1.
    """

    def __init__(
        self,
        items: Iterable[Item],
        one: Callable[[Item, threading.Event], T],
        workers: int | None,
        on_done: Callable[[T], None] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._workers = (os.cpu_count() or 1) if workers is None else workers
        if self._workers < 1:
            raise ValueError(f"{self._workers} workers; 1 or more are expected")
        self._items, self._one, self._on_done = iter(items), one, on_done
        self._stop, self._closing = stop or threading.Event(), threading.Event()

    def __enter__(self) -> Iterator[T]:
        self._pool = ThreadPoolExecutor(self._workers, "features")
        return self._in_order()

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _in_order(self) -> Iterator[T]:
        """Yield results in order; holds nothing that would have to be closed."""
        queue: deque[Future[T]] = deque()
        ended: set[Future[T]] = set()
        ends: Ends[T] = Ends()

        def submit(number: int) -> None:
            for item in islice(self._items, number):
                queue.append(ends.watch(self._pool.submit(self._one, item, self._closing)))

        submit(_AHEAD * self._workers)
        while queue and not self._stop.is_set():
            future = ends.next()
            if future is None:
                continue
            ended.add(future)
            result = future.result()  # a full disk, say, ends it all at once
            if self._on_done is not None:
                self._on_done(result)
            while queue and queue[0] in ended and not self._stop.is_set():
                ended.remove(queue[0])
                yield queue.popleft().result()
                if self._closing.is_set():
                    raise RuntimeError("results were asked for after its with block")
                submit(1)
