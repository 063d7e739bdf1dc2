"""The backends: implementations of one small protocol on packed batches.

========== =========================================================================
reference  plain NumPy, float64, one sequence at a time: slow, and the oracle
cpu        Numba kernels, float32 and float64, any number of sequences side by side
cuda       kernels of numba.cuda, likewise; `lstmcore.train` fills a GPU with networks
========== =========================================================================
"""

from __future__ import annotations

from difflib import get_close_matches

from lstmcore.backends.protocol import Backend, Workspace
from lstmcore.checks import shown, whole
from lstmcore.errors import EngineError

BACKENDS = ("cpu", "cuda", "reference")

__all__ = ["BACKENDS", "Backend", "Workspace", "get_backend"]


def as_backend(backend: Backend | str, threads: int | None = None) -> Backend:
    """Return a backend, given itself or its name and how many threads compute a network together."""
    if isinstance(backend, str):
        return get_backend(backend, 1 if threads is None else threads)
    if not hasattr(backend, "forward"):
        raise _no_backend(backend)
    if threads is not None:
        raise EngineError(
            f"threads is {shown(threads)} and backend a {type(backend).__name__}, which has its own; "
            "expected the name of a backend, or no threads"
        )
    return backend


def _no_backend(found: object) -> EngineError:
    return EngineError(f"backend is {shown(found)}; expected one of {', '.join(BACKENDS)}")


def get_backend(name: str, threads: int = 1) -> Backend:
    """Return the backend of that name; it is imported only now, for Numba takes a while.

    Parameters
    ----------
    name
        One of `BACKENDS`.
    threads
        How many threads of the CPU compute a network together: the same bits, sooner.  Several networks side
        by side are done sooner with a thread each.

    Returns
    -------
    Backend
        A new one.

    Raises
    ------
    EngineError
        If there is none of that name, it needs a GPU and there is none, or it has no threads.

    Examples
    --------
    >>> from lstmcore import BACKENDS, get_backend
    >>> sorted(BACKENDS)
    ['cpu', 'cuda', 'reference']
    >>> backend = get_backend("reference")
    """
    if name == "cpu":
        from lstmcore.backends.cpu.backend import CpuBackend

        return CpuBackend(threads)
    if name in BACKENDS and whole("threads", threads) > 1:
        raise EngineError(f"threads is {threads}; the {name} backend has none to share a network out among")
    if name == "cuda":
        from lstmcore.backends.cuda.backend import CudaBackend

        return CudaBackend()
    if name == "reference":
        from lstmcore.backends.reference import ReferenceBackend

        return ReferenceBackend()
    if not isinstance(name, str):
        raise _no_backend(name)
    near = get_close_matches(name, BACKENDS, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise EngineError(f"unknown backend {name!r}; expected one of {', '.join(BACKENDS)}{hint}")
