"""Threads that compute one network together.

A pass is cut into *phases*; in each phase every thread has its share: of the frames, of the sequences, or
of the rows of a gradient.  Threads wait for each other between two phases, so there are few.  The weights of
all layers are packed in one.  A thread's sequences go through one layer after the other without waiting,
forward and back, for they need nothing of the others'; then the gradients of all layers are summed up.

No share is a part of a sum, so results have the same bits whatever the number of threads, one of them
included, and it may change between two passes.

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

from lstmcore.backends.cpu.gemm import kernel_packed, pack_rows, pack_transposed, product
from lstmcore.batches import Batch
from lstmcore.jit import kernel

Array = Any
Share = Callable[[int], object]

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
    """Some threads, of which the caller's is one, during one pass.

    Parameters
    ----------
    size
        How many.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._next: list[Share] = []
        self._later: list[Share] = []
        self._cut: tuple[Batch, list[tuple[int, int]]] | None = None

    def add(self, share: Share) -> None:
        """Have ``share(k)`` called for each k below `size` in the next phase, side by side.

        It comes behind what was added before, whose results it may use as far as they are k's.
        """
        self._next.append(share)

    def later(self, share: Share) -> None:
        """Have ``share(k)`` called in the phase behind the next one."""
        self._later.append(share)

    def run(self, share: Share) -> None:
        """Have the next phase done, in which ``share(k)`` comes last; return when it is over."""
        self.add(share)
        self.wait()

    def wait(self) -> None:
        """Have the next phase done, if anything was added to it; return when it is over."""
        shares, self._next = self._next, self._later
        self._later = []
        if not shares:
            return

        def work(k: int) -> None:
            for share in shares:
                share(k)

        others = [_helpers().submit(work, k) for k in range(1, self.size)]
        try:
            work(0)
        finally:  # nobody may work on the arrays when the caller goes on
            for other in others:
                other.exception()
        for other in others:
            other.result()

    def finish(self) -> None:
        """Do all that was added or left for later."""
        while self._next or self._later:
            self.wait()

    def cut(self, count: int, unit: int = 1, larger_first: bool = False) -> list[tuple[int, int]]:
        """Cut a range into `size` parts, all but the last of whole units; return the bounds of each.

        Where parts can't be equal, the first ones have a unit less than the last, or more.
        """
        units = -(-count // unit)
        extra = self.size - 1 if larger_first else 0
        bounds = [min((units * k + extra) // self.size * unit, count) for k in range(self.size + 1)]
        return list(pairwise(bounds))

    def cut_sequences(self, batch: Batch) -> list[tuple[int, int]]:
        """Cut a batch's sequences into `size` parts, about equal in frames; return the bounds of each."""
        if self._cut is not None and self._cut[0] is batch:  # every layer asks
            return self._cut[1]
        frames = np.concatenate([[0], np.cumsum(batch.lengths)])
        goals = batch.frames * np.arange(1, self.size) / self.size
        bounds = [0, *(int(b) for b in np.searchsorted(frames, goals)), batch.sequences]
        self._cut = batch, list(pairwise(bounds))
        return self._cut[1]


@kernel
def product_with_packed(
    a: Array,  # [n, K]
    memory: Array,  # a packed matrix [K, M]
    width: Any,  # of its panels
    begin: Array,  # [M]
    out: Array,  # overwritten [n, M]
) -> None:
    """Overwrite each row of `out` with `begin` and add a · b."""
    product(a, kernel_packed(memory, a.shape[1], begin.shape[0], width), begin, out)


def product_together(a: Array, memory: Array, width: int, begin: Array, out: Array, team: Team) -> None:
    """Compute the rows of a product with a packed matrix: ``out = begin + a · b``."""
    rows = [slice(*part) for part in team.cut(len(a))]
    team.run(lambda k: product_with_packed(a[rows[k]], memory, width, begin, out[rows[k]]))


def add_packing(b: Array, memory: Array, width: int, team: Team) -> None:
    """Lay b, [K, M], out in panels, in the team's next phase."""
    rows = team.cut(len(b), _PACKED)
    team.add(lambda k: pack_rows(b, memory, width, *rows[k]))


def add_transposed_packing(b: Array, memory: Array, width: int, team: Team) -> None:
    """Lay the transpose of b, [M, K], out in panels, in the team's next phase."""
    columns, steps = team.cut(len(b), width), b.shape[1]
    team.add(lambda k: pack_transposed(b[slice(*columns[k])], memory[columns[k][0] * steps :], width))
