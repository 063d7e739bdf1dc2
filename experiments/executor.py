"""Executors: they take jobs and bring results.  Nothing else knows how jobs are spread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol, TypeVar

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
        pool = ThreadPoolExecutor(self._workers, "job")
        futures: list[Future[T]] = [pool.submit(task) for task in tasks]
        try:
            running = set(futures)
            while running:
                done, running = wait(running, _POLL_SECONDS, FIRST_COMPLETED)
                for future in done:
                    future.result()
            return [future.result() for future in futures]
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            wait([f for f in futures if not f.cancelled()], _GRACE_SECONDS)
            raise
        finally:
            pool.shutdown(wait=False)
