"""A candidate of a benchmark in a process of its own, as its user would run it.

In one process candidates change each other: after a step of PyTorch with two threads the
allocator keeps what before it gave back to the system, and a step with one thread no longer
waits for fresh pages.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any


class OwnProcess:
    """A call that another process makes and times; a context manager that ends it.

    Parameters
    ----------
    make
        Function of a module; called in the process, it returns what is to be timed.
    arguments
        For `make`.
    variables
        Of the process's environment, besides this one's.
    """

    def __init__(
        self,
        make: Callable[..., Callable[[], object]],
        *arguments: Any,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_answer, args=(there, make, arguments), daemon=True)
        before = dict(os.environ)
        os.environ.update(variables or {})
        try:
            self._process.start()
        finally:
            os.environ.clear()
            os.environ.update(before)
        there.close()

    def seconds(self, repeats: int) -> float:
        """Return the time that so many calls took, s; EOFError if the process has died."""
        self._pipe.send(repeats)
        return float(self._pipe.recv())

    def __enter__(self) -> OwnProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.join()


def _answer(pipe: Connection, make: Callable[..., Callable[[], object]], arguments: tuple[Any, ...]) -> None:
    call = make(*arguments)
    while True:
        try:
            repeats = pipe.recv()
        except EOFError:
            return
        started = time.perf_counter()
        for _ in range(repeats):
            call()
        pipe.send(time.perf_counter() - started)
