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
from lstmcore.checks import shown
from lstmcore.errors import EngineError

BACKENDS = ("cpu", "cuda", "reference")

__all__ = ["BACKENDS", "Backend", "Workspace", "get_backend"]


def as_backend(backend: Backend | str) -> Backend:
    """Return a backend, given itself or its name."""
    if isinstance(backend, str):
        return get_backend(backend)
    if not hasattr(backend, "forward"):
        raise _no_backend(backend)
    return backend


def _no_backend(found: object) -> EngineError:
    return EngineError(f"backend is {shown(found)}; expected one of {', '.join(BACKENDS)}")


def get_backend(name: str) -> Backend:
    """Return the backend of that name; it is imported only now, for Numba takes a while.

    Raises
    ------
    EngineError
        If there is none of that name, or it needs a GPU and there is none.

    Examples
    --------
    >>> from lstmcore import BACKENDS, get_backend
    >>> sorted(BACKENDS)
    ['cpu', 'cuda', 'reference']
    >>> backend = get_backend("reference")
    """
    if name == "cpu":
        from lstmcore.backends.cpu.backend import CpuBackend

        return CpuBackend()
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
