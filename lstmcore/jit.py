"""How kernels are compiled: one decorator, one set of flags, one rule for what is kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

from lstmcore.kernel_cache import digest_of, kept

# The cell's equations, which kernels compile in, lie in other files: a change anywhere renews all kernels.
_SOURCES = digest_of(Path(__file__).parent)

# error_model: a check for division by zero would keep the loops from being vectorised.
# contract: a*b+c in one rounding.  Nothing else of fastmath: NaN must stay NaN.
_FLAGS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a scalar function that is to vanish into the loop that calls it."""
    return njit(forceinline=True, **_FLAGS)(function)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel: kept on disk, without the interpreter's lock."""
    return kept(function, _SOURCES, nogil=True, **_FLAGS)
