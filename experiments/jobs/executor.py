"""Executors: they take jobs and bring results.  Nothing else knows how jobs are spread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

from lstmcore.features.waiting import Ends

T = TypeVar("T")

_POLL_SECONDS = 0.2  # how long Ctrl-C may go unnoticed
_GRACE_SECONDS = 3.0  # how long running jobs may take to notice it


class Executor(Protocol):
    """Runs tasks that don't depend on each other."""

    def run(self, tasks: Sequence[Callable[[], T]], stop: threading.Event) -> list[T]:
        """Run all tasks; return their results in the order of the tasks.

        The first error sets `stop`, drops what hasn't begun, and is raised.
        """


class Threads:
    """Runs tasks on threads: the kernels hold no lock, and the data are shared.

    Parameters
    ----------
    workers
        How many run side by side.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def run(self, tasks: Sequence[Callable[[], T]], stop: threading.Event) -> list[T]:
        """Run all tasks; return their results in the order of the tasks."""
        ends: Ends[T] = Ends()
        futures: list[Future[T]] = []
        pool = ThreadPoolExecutor(self._workers, "job")
        try:
            futures += [ends.watch(pool.submit(task)) for task in tasks]
            running = len(futures)
            while running:
                future = ends.next(_POLL_SECONDS)
                if future is not None:
                    future.result()
                    running -= 1
            return [future.result() for future in futures]
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            until = time.monotonic() + _GRACE_SECONDS
            while not all(future.done() for future in futures) and time.monotonic() < until:
                ends.next(_POLL_SECONDS)
            raise
        finally:
            pool.shutdown(wait=False)
