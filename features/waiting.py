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


class InOrder(Generic[Item, T]):
    """Results of items in the items' order, from futures that somebody ends; holds nothing to be closed.

    Parameters
    ----------
    items
        What to work on; taken up little by little.
    submit
        From an item to the future of its result.
    ahead
        So many items may be under way: bounds the memory of a long list.
    on_done
        Called in the caller's thread with each result as soon as it is there, before those of earlier
        items if need be.
    stop
        Set it to end: no more results come.
    again
        From an item and what its future raised to a future of another try; raises what ends it all, which
        without it everything does.
    """

    def __init__(
        self,
        items: Iterable[Item],
        submit: Callable[[Item], Future[T]],
        ahead: Callable[[], int],
        on_done: Callable[[T], None] | None = None,
        stop: threading.Event | None = None,
        again: Callable[[Item, Exception], Future[T]] | None = None,
    ) -> None:
        self._items, self._submit, self._ahead = iter(items), submit, ahead
        self._on_done, self._stop, self._again = on_done, stop or threading.Event(), again
        self._closing = threading.Event()
        self._under_way: dict[Future[T], _UnderWay[Item, T]] = {}

    def close(self) -> None:
        """Cancel what is under way; who asks for more results hears that there are none."""
        self._closing.set()
        for future in list(self._under_way):
            future.cancel()

    def __iter__(self) -> Iterator[T]:
        """Yield the results."""
        queue: deque[_UnderWay[Item, T]] = deque()
        ends: Ends[T] = Ends()

        def watch(one: _UnderWay[Item, T], future: Future[T]) -> None:
            one.future = future
            self._under_way[future] = one
            ends.watch(future)

        def submit() -> None:
            for item in islice(self._items, max(0, self._ahead() - len(queue))):
                queue.append(one := _UnderWay[Item, T](item))
                watch(one, self._submit(item))

        submit()
        while queue and not self._stop.is_set():
            future = ends.next()
            if future is None:
                continue
            one = self._under_way.pop(future)
            try:
                result = future.result()  # a full disk, say, ends it all at once
            except Exception as error:
                if self._again is None:
                    raise
                watch(one, self._again(one.item, error))
                continue
            one.done = True
            if self._on_done is not None:
                self._on_done(result)
            while queue and queue[0].done and not self._stop.is_set():
                first = queue.popleft().future
                assert first is not None
                yield first.result()
                if self._closing.is_set():
                    raise RuntimeError("results were asked for after its with block")
                submit()


class _UnderWay(Generic[Item, T]):
    """An item that is worked on."""

    def __init__(self, item: Item) -> None:
        self.item, self.done = item, False
        self.future: Future[T] | None = None


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
    on_done, stop
        As for `InOrder`.

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
        self._one, self._closing = one, threading.Event()
        self._results = InOrder(items, self._submit, lambda: _AHEAD * self._workers, on_done, stop)

    def __enter__(self) -> Iterator[T]:
        self._pool = ThreadPoolExecutor(self._workers, "features")
        return iter(self._results)

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._results.close()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, item: Item) -> Future[T]:
        return self._pool.submit(self._one, item, self._closing)
