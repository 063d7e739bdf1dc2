"""How kernels are compiled: one decorator, one set of flags, one rule for stale caches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

# Numba renews a cached kernel when the kernel's own file changes.  The cell's equations,
# which kernels compile in, lie in other files: a change there must renew them too.
_SOURCES = hashlib.sha256(
    b"".join(file.read_bytes() for file in sorted(Path(__file__).parent.parent.rglob("*.py")))
).hexdigest()

# error_model: a check for division by zero would keep the loops from being vectorised.
# contract: a*b+c in one rounding.  Nothing else of fastmath: NaN must stay NaN.
_FLAGS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract"}}


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a scalar function that is to vanish into the loop that calls it."""
    return njit(forceinline=True, **_FLAGS)(function)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel: cached on disk, without the interpreter's lock."""
    try:
        compiled = njit(nogil=True, cache=True, **_FLAGS)(function)
    except RuntimeError:  # no place to write a cache to
        return njit(nogil=True, **_FLAGS)(function)
    index = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if index is not None:
        index._source_stamp = _SOURCES
    return compiled
