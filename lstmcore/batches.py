"""Batches: sequences packed time-major by falling length, so that padding is never computed.

At step t the first ``counts[t]`` rows of the step's block are alive; blocks lie one
after another.  With three sequences of 4, 3 and 1 frames the rows are
``a0 b0 c0 | a1 b1 | a2 b2 | a3`` and counts is ``[3, 2, 2, 1]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lstmcore.checks import plain, shown
from lstmcore.errors import EngineError
from lstmcore.sequences import SequenceSet

if TYPE_CHECKING:
    from lstmcore.noise import InputNoise


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
        Packed inputs, shape (frames, inputs), contiguous; the batch's own copy.
    targets
        Packed targets, shape (frames, outputs).

    Raises
    ------
    EngineError
        If these don't fit each other.
    """

    rows: NDArray[np.int64]
    counts: NDArray[np.int64]
    inputs: NDArray[np.floating]
    targets: NDArray[np.floating]

    def __post_init__(self) -> None:
        plain("inputs", self.inputs, 2)
        plain("targets", self.targets, 2)
        frames, counts = len(self.inputs), self.counts
        if np.shape(self.rows) != (frames,) or len(self.targets) != frames:
            raise EngineError(
                f"{frames} frames of inputs, {len(self.targets)} of targets and rows of shape "
                f"{np.shape(self.rows)}; expected one of each a frame"
            )
        if (
            not isinstance(counts, np.ndarray)
            or counts.ndim != 1
            or counts.dtype != np.int64
            or not counts.flags.c_contiguous
        ):
            raise EngineError(f"counts: {shown(counts)}; expected a contiguous vector of int64")
        if frames == 0 or counts[-1] < 1 or (counts[1:] > counts[:-1]).any() or counts.sum() != frames:
            raise EngineError(
                f"counts of {counts.sum()} frames in {len(counts)} steps; expected falling numbers from 1 "
                f"that add up to {frames}, of at least one frame"
            )

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.rows)

    @property
    def sequences(self) -> int:
        """Number of sequences."""
        return int(self.counts[0])

    @cached_property
    def sequence(self) -> NDArray[np.int64]:
        """The sequence that each packed row is of, numbered as the rows of the first step."""
        return _steps(self.counts)[1]

    @cached_property
    def reverse(self) -> NDArray[np.int64]:
        """For each packed row, the row of its sequence as far from the end as it is from the start.

        Taking these rows turns each sequence round in time; taking them again turns it back.
        """
        step, slot, lengths = _steps(self.counts)
        return _row_of(self.counts, lengths[slot] - 1 - step, slot)


def _steps(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Time step and slot of each packed row, and the length of the sequence in each slot."""
    starts = np.cumsum(counts) - counts
    step = np.repeat(np.arange(len(counts)), counts)
    slot = np.arange(len(step)) - starts[step]
    return step, slot, np.bincount(slot)


def _row_of(counts: NDArray[np.int64], step: NDArray[np.int64], slot: NDArray[np.int64]) -> NDArray[np.int64]:
    """Packed rows of given time steps and slots."""
    return (np.cumsum(counts) - counts)[step] + slot


def pack(
    sequences: SequenceSet,
    chosen: NDArray[np.integer],
    noise: InputNoise | None = None,
) -> Batch:
    """Pack some sequences of a set.

    Parameters
    ----------
    sequences
        The set.
    chosen
        Numbers of the sequences in the set, in any order.
    noise
        Added to each input value, the same to a frame in all the contexts that it is part of.

    Returns
    -------
    Batch
        The sequences by falling length (equal lengths as given), time-major.

    Raises
    ------
    EngineError
        If no sequence is chosen, or one that the set doesn't have.
    """
    try:
        lengths = sequences.lengths[chosen]
    except IndexError:
        lengths = np.empty(0, np.int64)
    if lengths.ndim != 1 or len(lengths) == 0:
        raise EngineError(
            f"chosen sequences: {shown(np.asarray(chosen))}; expected numbers of at least one "
            f"of the set's {len(sequences)} sequences"
        )
    by_length = np.argsort(-lengths, kind="stable")
    lengths, starts = lengths[by_length], sequences.starts[chosen][by_length]
    steps = np.arange(lengths[0])
    alive = lengths[None, :] > steps[:, None]
    rows, counts = (starts[None, :] + steps[:, None])[alive], alive.sum(1)
    inputs = sequences.inputs[rows]
    if noise is not None:
        noise.add_to(inputs, rows)
    if sequences.context != (0, 0):
        inputs = _with_context(inputs, counts, *sequences.context)
    # Right by the way it was made: the constructor's checks would take as long as packing.
    batch = object.__new__(Batch)
    batch.__dict__.update(rows=rows, counts=counts, inputs=inputs, targets=sequences.targets[rows])
    return batch


def _with_context(
    inputs: NDArray[np.floating], counts: NDArray[np.int64], left: int, right: int
) -> NDArray[np.floating]:
    """Put the frames t − left … t + right side by side, ends repeated."""
    step, slot, lengths = _steps(counts)
    last = lengths[slot] - 1
    rows = [_row_of(counts, np.clip(step + d, 0, last), slot) for d in range(-left, right + 1)]
    return np.concatenate([inputs[r] for r in rows], axis=1)


def in_groups(order: NDArray[np.integer], parallel_sequences: int) -> list[NDArray[np.integer]]:
    """Cut an order of sequences into consecutive groups; the last may be smaller."""
    return [order[k : k + parallel_sequences] for k in range(0, len(order), parallel_sequences)]


def by_rising_length(sequences: SequenceSet) -> NDArray[np.integer]:
    """Order a set by length, shortest first, ties as they stand: the order without shuffling."""
    return np.argsort(sequences.lengths, kind="stable")
