"""Threads that compute one network together.

A pass is cut into *phases*; in each phase every thread has its share: of the frames, of the sequences, or of
the rows of a gradient.  No share is a part of a sum, so results have the same bits whatever the number of
threads, one of them included, and it may change between two passes.

The threads are the process's own, like those of a BLAS: they are made when first asked for, wait between
phases, and end with the process.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np

from lstmcore.backends.cpu.gemm import pack_rows, pack_transposed, packed, product
from lstmcore.batches import Batch
from lstmcore.jit import kernel

Array = Any

_PACKED = 8  # rows that are packed at a time
_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None


def _helpers() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(max(1, (os.cpu_count() or 1) - 1), "lstmcore")
        return _pool


def _forget() -> None:
    """Begin anew in a forked process, which has none of the threads."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


class Team:
    """Some threads, of which the caller's is one.

    Parameters
    ----------
    size
        How many.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def run(self, share: Callable[[int], None]) -> None:
        """Call ``share(k)`` for each k below `size`, side by side; return when all have returned."""
        others = [_helpers().submit(share, k) for k in range(1, self.size)]
        try:
            share(0)
        finally:  # nobody may work on the arrays when the caller goes on
            for other in others:
                other.exception()
        for other in others:
            other.result()

    def cut(self, count: int, unit: int = 1) -> list[tuple[int, int]]:
        """Cut a range into `size` parts, all but the last of whole units; return the bounds of each."""
        units = -(-count // unit)
        bounds = [min(units * k // self.size * unit, count) for k in range(self.size + 1)]
        return list(pairwise(bounds))

    def cut_sequences(self, batch: Batch) -> list[tuple[int, int]]:
        """Cut a batch's sequences into `size` parts, about equal in frames; return the bounds of each."""
        frames = np.concatenate([[0], np.cumsum(batch.lengths)])
        goals = batch.frames * np.arange(1, self.size) / self.size
        bounds = [0, *(int(b) for b in np.searchsorted(frames, goals)), batch.sequences]
        return list(pairwise(bounds))


@kernel
def product_with_packed(
    a: Array,  # [n, K]
    memory: Array,  # a packed matrix [K, M]
    width: Any,  # of its panels
    begin: Array,  # [M]
    out: Array,  # overwritten [n, M]
) -> None:
    """Overwrite each row of `out` with `begin` and add a · b."""
    product(a, packed(memory, a.shape[1], begin.shape[0], width), begin, out)


def product_together(a: Array, memory: Array, width: int, begin: Array, out: Array, team: Team) -> None:
    """Compute the rows of a product with a packed matrix: ``out = begin + a · b``."""
    rows = [slice(*part) for part in team.cut(len(a))]
    team.run(lambda k: product_with_packed(a[rows[k]], memory, width, begin, out[rows[k]]))


def pack_together(b: Array, memory: Array, width: int, team: Team) -> None:
    """Lay b, [K, M], out in panels."""
    rows = team.cut(len(b), _PACKED)
    team.run(lambda k: pack_rows(b, memory, width, *rows[k]))


def pack_transposed_together(b: Array, memory: Array, width: int, team: Team) -> None:
    """Lay the transpose of b, [M, K], out in panels."""
    columns, steps = team.cut(len(b), width), b.shape[1]
    team.run(lambda k: pack_transposed(b[slice(*columns[k])], memory[columns[k][0] * steps :], width))
