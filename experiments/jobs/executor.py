"""Executors: they take work and see that it is done.  Nothing else knows how work is spread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from lstmcore.experiments.jobs.work import Home, Site, Work
from lstmcore.features.waiting import Ends

if TYPE_CHECKING:
    from lstmcore.features import Extraction, FeatureSettings, FeatureStore

T = TypeVar("T")

_POLL_SECONDS = 0.2  # how long Ctrl-C may go unnoticed
_GRACE_SECONDS = 3.0  # how long running jobs may take to notice it


class Cores:
    """The workers of an executor, shared out among the pieces of work that are left.

    A piece has one; where fewer pieces are left than there are workers, each has several, all as many.

    Parameters
    ----------
    workers
        How many.
    pieces
        Left at first.
    """

    def __init__(self, workers: int, pieces: int = 0) -> None:
        self._workers, self._pieces, self._lock = workers, pieces, threading.Lock()

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count a piece until the block ends."""
        self._add(1)
        with self.one_of_them():
            yield

    @contextmanager
    def one_of_them(self) -> Iterator[None]:
        """Count a piece no more when the block ends."""
        try:
            yield
        finally:
            self._add(-1)

    def _add(self, pieces: int) -> None:
        with self._lock:
            self._pieces += pieces

    @property
    def share(self) -> int:
        """How many workers a piece has now."""
        return max(1, self._workers // max(1, self._pieces))


class Executor(Protocol):
    """Does what doesn't depend on each other."""

    @property
    def threads(self) -> int:
        """How many threads a piece of work has now that is done in this process; it may change any time."""

    def do(self, work: Sequence[Work], site: Home, stop: threading.Event) -> None:
        """Do all work, wherever; when this returns, each result is kept by the site, or found there.

        The first error sets `stop`, drops what hasn't begun, and is raised.

        Parameters
        ----------
        work
            What is to be done.
        site
            Hears of it, and keeps the results.
        stop
            Set, from any thread, to end early: Interrupted is raised.
        """

    def run(self, tasks: Sequence[Callable[[], T]], stop: threading.Event) -> list[T]:
        """Run small tasks that are no jobs, in this process; return their results in the order of the tasks.

        The first error sets `stop`, drops what hasn't begun, and is raised.
        """

    def extract(
        self,
        paths: Iterable[Path],
        feature_set: str,
        store: FeatureStore | None,
        *,
        settings: FeatureSettings,
        workers: int,
        on_done: Callable[[Extraction], None],
        stop: threading.Event | None = None,
    ) -> AbstractContextManager[Iterator[Extraction]]:
        """Extract the features of songs, as `lstmcore.features.extract_many` does."""


class Threads:
    """Does work on threads: the kernels hold no lock, and the data are shared.

    Parameters
    ----------
    workers
        How many pieces are done side by side.
    """

    def __init__(self, workers: int) -> None:
        self._workers, self._cores = workers, Cores(workers)

    @property
    def threads(self) -> int:
        """How many threads a piece of work has now."""
        return self._cores.share

    def do(self, work: Sequence[Work], site: Site, stop: threading.Event) -> None:
        """Do all work; when this returns, each result is kept by the site."""
        self._cores = Cores(self._workers, len(work))
        self.run([partial(_do, piece, site, self._cores) for piece in work], stop)

    def extract(
        self,
        paths: Iterable[Path],
        feature_set: str,
        store: FeatureStore | None,
        *,
        settings: FeatureSettings,
        workers: int,
        on_done: Callable[[Extraction], None],
        stop: threading.Event | None = None,
    ) -> AbstractContextManager[Iterator[Extraction]]:
        """Extract the features of songs side by side, on as many threads as there are workers."""
        return _extracted(
            paths, feature_set, store, settings=settings, workers=workers, on_done=on_done, stop=stop
        )

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


def _do(piece: Work, site: Site, cores: Cores) -> None:
    with cores.one_of_them():
        piece.do(site)


@contextmanager
def _extracted(*which: Any, **how: Any) -> Iterator[Iterator[Extraction]]:
    from lstmcore.features import extract_many

    with extract_many(*which, **how) as results:
        yield results
