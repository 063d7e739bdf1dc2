"""What does the jobs, as the section ``[execution]`` says: the one place that knows all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from lstmcore.experiments.config import Execution
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.jobs.executor import Executor, Threads
from lstmcore.experiments.jobs.leases import Leases
from lstmcore.experiments.jobs.shared import SharedFolder
from lstmcore.experiments.terminal.progress import Progress

if TYPE_CHECKING:
    from lstmcore.experiments.jobs.cluster.connection import Place


def check_engine(execution: Execution, backend: str = "cpu") -> None:
    """Raise InputError, before anything is written, if there is no such engine here."""
    if execution.engine == "dask":
        from lstmcore.experiments.jobs.cluster.connection import check_dask

        if backend == "cuda":
            raise InputError(
                "execution.engine is 'dask' and engine.backend 'cuda', which trains all networks on one GPU; "
                "expected engine.backend = 'cpu', or execution.engine = 'threads'"
            )
        check_dask(place_of(execution))


@contextmanager
def open_engine(
    execution: Execution,
    workers: int,
    jobs: Path | None,
    progress: Progress,
    leases: Leases | None = None,
) -> Iterator[Executor]:
    """Open what does the jobs; whatever it holds, processes and connections, ends with the block.

    Parameters
    ----------
    execution
        Says what.
    workers
        Jobs side by side in this process.
    jobs
        Folder of their results; None: there are none to be kept.
    progress
        Hears what a person should know.
    leases
        By which work is shared with other processes; None: there is no folder that is open for it yet.
    """
    if execution.engine == "folder":
        with nullcontext(leases) if leases is not None else Leases() as held:
            yield SharedFolder(workers, jobs, held, progress)
        return
    if execution.engine != "dask":
        yield Threads(workers)
        return
    from lstmcore.experiments.jobs.cluster.connection import Connection
    from lstmcore.experiments.jobs.cluster.dask_jobs import DaskJobs

    with Connection(place_of(execution), jobs, progress.note) as connection:
        yield DaskJobs(connection, workers)


def place_of(execution: Execution) -> Place:
    """Return where Dask's cluster is, or how it is started."""
    from lstmcore.experiments.jobs.cluster.connection import Place

    if execution.cluster is None:
        return Place(execution.scheduler)
    return Place(None, **execution.cluster.model_dump())
