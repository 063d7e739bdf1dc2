"""How the kernels reach memory, as a simulated kernel does; compiled ones have `native.py` instead.

Shared memory is one pool that every function uses from the beginning, as numbers of the kind it needs; what
one leaves there the next may overwrite after ``cuda.syncthreads()``.
"""

from __future__ import annotations

from typing import Any

from numba import cuda

from lstmcore.backends.cuda.compile import device

Array = Any


@device
def shared(
    kind: Any,  # Numba's name of it
) -> Any:
    """Return a block's shared memory as numbers of one kind."""
    return cuda.shared.array(0, kind)


@device
def flat(
    array: Array,  # [count]
) -> Any:
    """Return an array's numbers; an index of them is never below 0."""
    return array


@device
def four(
    pool: Any,  # shared memory
    index: Any,  # which four divides
) -> Any:
    """Return four numbers that follow each other."""
    return pool[index], pool[index + 1], pool[index + 2], pool[index + 3]


@device
def arrive(
    counter: Array,  # int64 [≥ 1]
) -> Any:
    """Count one more; return what the counter was.  What was written before is seen by who sees the count."""
    return cuda.atomic.add(counter, 0, 1)


@device
def arrived(
    counter: Array,  # int64 [≥ 1]
) -> Any:
    """Return the counter; what those it counts wrote before is seen from now on."""
    return cuda.atomic.add(counter, 0, 0)


@device
def own_function() -> None:
    """Compile the calling function for itself, not into its caller: it has all registers."""
