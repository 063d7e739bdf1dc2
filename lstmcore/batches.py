"""Batches: sequences packed time-major by falling length, so that padding is never computed.

At step t the first ``counts[t]`` rows of the step's block are alive; blocks lie one
after another.  With three sequences of 4, 3 and 1 frames the rows are
``a0 b0 c0 | a1 b1 | a2 b2 | a3`` and counts is ``[3, 2, 2, 1]``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmcore.sequences import SequenceSet


@dataclass(frozen=True)
class Batch:
    """Sequences computed side by side.

    Parameters
    ----------
    rows
        Which row of the set each packed row is, shape (frames,).
    counts
        Sequences alive at each time step, falling, shape (steps,), int64.
    inputs
        Packed inputs, shape (frames, inputs); the batch's own copy.
    targets
        Packed targets, shape (frames, outputs).
    """

    rows: NDArray[np.int64]
    counts: NDArray[np.int64]
    inputs: NDArray[np.floating]
    targets: NDArray[np.floating]

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.rows)

    @property
    def sequences(self) -> int:
        """Number of sequences."""
        return int(self.counts[0])


def pack(sequences: SequenceSet, chosen: NDArray[np.integer]) -> Batch:
    """Pack some sequences of a set.

    Parameters
    ----------
    sequences
        The set.
    chosen
        Numbers of the sequences in the set, in any order.

    Returns
    -------
    Batch
        The sequences by falling length (equal lengths as given), time-major.
    """
    lengths = sequences.lengths[chosen]
    by_length = np.argsort(-lengths, kind="stable")
    lengths, starts = lengths[by_length], sequences.starts[chosen][by_length]
    steps = np.arange(lengths[0])
    alive = lengths[None, :] > steps[:, None]
    rows = (starts[None, :] + steps[:, None])[alive]
    return Batch(rows, alive.sum(1), sequences.inputs[rows], sequences.targets[rows])


def in_groups(order: NDArray[np.integer], parallel_sequences: int) -> list[NDArray[np.integer]]:
    """Cut an order of sequences into consecutive groups; the last may be smaller."""
    return [order[k : k + parallel_sequences] for k in range(0, len(order), parallel_sequences)]


def by_rising_length(sequences: SequenceSet) -> NDArray[np.integer]:
    """Order a set by length, shortest first, ties as they stand: the order without shuffling."""
    return np.argsort(sequences.lengths, kind="stable")
