"""Libraries of linear algebra on one thread each: results don't depend on the number of cores.

SciPy brings a BLAS of its own, and what is loaded after a limit isn't limited.  To import it takes a quarter
of a second, for which no training waits: who computes with it has it limited then.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from threadpoolctl import threadpool_limits

_lock = threading.Lock()
_blocks: list[_Block] = []  # those that are open


class _Block:
    def __init__(self, limits: ExitStack) -> None:
        self._limits, self._with_scipy = limits, False
        limits.enter_context(threadpool_limits(1))

    def limit_scipy(self) -> None:
        if not self._with_scipy:
            self._limits.enter_context(threadpool_limits(1))
            self._with_scipy = True


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit, for a block, what is loaded by now, and SciPy once `use_scipy` was called."""
    with ExitStack() as limits:
        block = _Block(limits)
        with _lock:
            _blocks.append(block)
        try:
            yield
        finally:
            with _lock:
                _blocks.remove(block)


def use_scipy() -> None:
    """Load SciPy's linear algebra, to be computed with: limited where a block of `one_thread` is open."""
    with _lock:
        import scipy.linalg  # noqa: F401 - brings the BLAS of all its packages

        for block in _blocks[-1:]:
            block.limit_scipy()
