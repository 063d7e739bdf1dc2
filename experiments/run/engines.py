"""What does the jobs, as the section ``[execution]`` says: the one place that knows all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lstmcore.experiments.config import Execution
from lstmcore.experiments.errors import InputError
from lstmcore.experiments.jobs.executor import Executor, Threads


def check_engine(execution: Execution) -> None:
    """Raise InputError, before anything is written, if there is no such engine here."""
    if execution.engine != "threads":
        raise InputError(f"execution.engine is {execution.engine!r}, which isn't built; expected 'threads'")


@contextmanager
def open_engine(execution: Execution, workers: int) -> Iterator[Executor]:
    """Open what does the jobs; whatever it holds, processes and connections, ends with the block.

    Parameters
    ----------
    execution
        Says what.
    workers
        Jobs side by side in this process.
    """
    check_engine(execution)
    yield Threads(workers)
