"""Going through work that others do, too: what somebody is at is tried again later."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from lstmcore.experiments.jobs.executor import Threads
from lstmcore.experiments.jobs.leases import wait

T = TypeVar("T")

_LOOK_SECONDS, _LOOKS_A_SECOND = 0.2, 100  # between two looks at what others do, and of how many at most


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
