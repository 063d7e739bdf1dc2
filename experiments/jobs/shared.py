"""An executor for several processes, on one machine or many, that work in one folder: each does what is free.

Each is the same command on the same folder, and goes through the same stages.  Of a stage each does what is
neither done nor leased (`leases`), then waits until the others' results are there, or takes up what one that
was killed has left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lstmcore.experiments.errors import InputError
from lstmcore.experiments.jobs.executor import Cores, Threads
from lstmcore.experiments.jobs.job import Named
from lstmcore.experiments.jobs.leases import Leases
from lstmcore.experiments.jobs.shared_songs import SharedSongs
from lstmcore.experiments.jobs.turns import take_turns
from lstmcore.experiments.jobs.work import Home, Work
from lstmcore.experiments.terminal.progress import Progress

if TYPE_CHECKING:
    from lstmcore.features import Extraction, FeatureSettings, FeatureStore

T = TypeVar("T")


class SharedFolder:
    """Does work that nobody else in the folder does, on threads.

    Parameters
    ----------
    workers
        How many pieces are done side by side here.
    jobs
        Folder of the results, of all; None: there are none.
    leases
        Of this process.
    progress
        Hears of songs that are there.
    """

    def __init__(self, workers: int, jobs: Path | None, leases: Leases, progress: Progress) -> None:
        self._workers, self._jobs, self._leases, self._progress = workers, jobs, leases, progress
        self._cores = Cores(workers)

    @property
    def threads(self) -> int:
        """How many threads a piece of work has now that is done here."""
        return self._cores.share

    def do(self, work: Sequence[Work], site: Home, stop: threading.Event) -> None:
        """Do what nobody else does; when this returns, each result is there, by whomever."""

        def waits(pieces: Sequence[Work]) -> None:
            held = [job for piece in pieces for job in piece.jobs if not site.found(job)]
            if held:
                who = f"{held[0].title}: {self._leases.holder(self._place(held[0]))}"
                more = f", and {len(held) - 1} more" if len(held) > 1 else ""
                site.note(f"the others are at what is left of this stage ({who}{more}); waiting")

        take_turns(work, partial(self._turn, site), self._workers, stop, waits)

    def _place(self, job: Named) -> Path:
        """Path that a job's lease is named by: beside its result."""
        assert self._jobs is not None
        return self._jobs / job.name

    def _turn(self, site: Home, piece: Work) -> bool:
        """Do of a piece what is free; tell whether all of it is done."""
        left = [job for job in piece.jobs if not site.found(job)]
        with ExitStack() as leases:
            free = [job for job in left if leases.enter_context(self._leases.taken(self._place(job)))]
            mine = [job for job in free if not site.found(job)]  # it may have been done just before
            if mine:
                with self._cores.one_more():
                    piece.of(mine).do(site)
        return len(free) == len(left)

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
        """Extract the features of songs: compute those that nobody else does, and find the others."""
        if store is None:
            raise InputError("songs are shared by a store; expected one, or another engine than 'folder'")
        files, songs = list(paths), SharedSongs(self._leases, self._progress)
        songs.compute(files, feature_set, settings, store, workers, stop or threading.Event())
        return Threads(workers).extract(
            files, feature_set, store, settings=settings, workers=workers, on_done=on_done, stop=stop
        )

    def run(self, tasks: Sequence[Callable[[], T]], stop: threading.Event) -> list[T]:
        """Run small tasks that are no jobs, in this process; return their results in order."""
        return Threads(self._workers).run(tasks, stop)
