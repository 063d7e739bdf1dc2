"""An executor for several processes, on one machine or many, that work in one folder: each does what is free.

Each is the same command on the same folder, and goes through the same stages.  Of a stage each does what is
neither done nor leased (`leases`), then waits until the others' results are there, or takes up what one that
was killed has left.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TypeVar

from lstmcore.experiments.jobs.executor import Threads
from lstmcore.experiments.jobs.job import JobFolder
from lstmcore.experiments.jobs.leases import Leases, wait
from lstmcore.experiments.jobs.work import Home, Work

T = TypeVar("T")

_LOOK_SECONDS, _LOOKS_A_SECOND = 0.2, 100  # between two looks at what others do, and of how many at most


class SharedFolder:
    """Does work that nobody else in the folder does, on threads.

    Parameters
    ----------
    workers
        How many pieces are done side by side here.
    kept
        Where results are kept, of all.
    leases
        Of this process.
    """

    def __init__(self, workers: int, kept: JobFolder, leases: Leases) -> None:
        self._workers, self._kept, self._leases = workers, kept, leases

    def do(self, work: Sequence[Work], site: Home, stop: threading.Event) -> None:
        """Do what nobody else does; when this returns, each result is there, by whomever."""

        def waits(pieces: Sequence[Work]) -> None:
            held = [job for piece in pieces for job in piece.jobs if not site.found(job)]
            if held:
                who = f"{held[0].title}: {self._leases.holder(self._kept.file(held[0]))}"
                more = f", and {len(held) - 1} more" if len(held) > 1 else ""
                site.note(f"the others are at what is left of this stage ({who}{more}); waiting")

        take_turns(work, partial(self._turn, site), self._workers, stop, waits)

    def _turn(self, site: Home, piece: Work) -> bool:
        """Do of a piece what is free; tell whether all of it is done."""
        left = [job for job in piece.jobs if not site.found(job)]
        with ExitStack() as leases:
            free = [job for job in left if leases.enter_context(self._leases.taken(self._kept.file(job)))]
            mine = [job for job in free if not site.found(job)]  # it may have been done just before
            if mine:
                piece.of(mine).do(site)
        return len(free) == len(left)

    def run(self, tasks: Sequence[Callable[[], T]], stop: threading.Event) -> list[T]:
        """Run small tasks that are no jobs, in this process; return their results in order."""
        return Threads(self._workers).run(tasks, stop)


def take_turns(
    items: Sequence[T],
    turn: Callable[[T], bool],
    workers: int,
    stop: threading.Event,
    on_waiting: Callable[[Sequence[T]], None] = lambda _: None,
) -> None:
    """Go through items again and again until each has had a turn.

    Parameters
    ----------
    items
        In the order in which they are tried.
    turn
        Does what belongs to an item, unless somebody else is at it, and tells whether it is done.
    workers
        Items side by side.
    stop
        Set it to end early: Interrupted is raised.
    on_waiting
        Is called, once, with what somebody else is at, when there is nothing else left.
    """
    left = deque(items)
    told = threading.Lock()

    def work() -> None:
        misses = 0
        while True:
            try:
                item = left.popleft()
            except IndexError:  # the other threads are at what is left
                return
            if turn(item):
                misses = 0
                continue
            left.append(item)
            misses += 1
            if misses >= len(left):
                misses = 0
                if told.acquire(blocking=False):
                    on_waiting([*left])
                wait(stop.is_set, max(_LOOK_SECONDS, len(left) / _LOOKS_A_SECOND))

    Threads(workers).run([work] * min(workers, len(items)), stop)
