"""Batches: sequences packed time-major by falling length, so that padding is never computed.

At step t the first ``batch_sizes[t]`` rows of the step's block are alive; blocks lie one
after another.  With three sequences of 4, 3 and 1 frames the rows are
``a0 b0 c0 | a1 b1 | a2 b2 | a3`` and batch_sizes is ``[3, 2, 2, 1]``.
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
    batch_sizes
        Sequences alive at each time step, falling, shape (steps,), int64.
    inputs
        Packed inputs, shape (frames, inputs), contiguous; the batch's own copy.
    targets
        Packed targets, shape (frames, outputs).

    Raises
    ------
    EngineError
        If these don't fit each other.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import SequenceSet, pack
    >>> songs = SequenceSet.from_lists([np.zeros((2, 1)), np.ones((3, 1))])
    >>> pack(songs, np.array([0, 1])).batch_sizes  # one sequence has ended before the third step
    array([2, 2, 1])
    """

    rows: NDArray[np.int64]
    batch_sizes: NDArray[np.int64]
    inputs: NDArray[np.floating]
    targets: NDArray[np.floating]

    def __post_init__(self) -> None:
        plain("inputs", self.inputs, 2)
        plain("targets", self.targets, 2)
        frames, batch_sizes = len(self.inputs), self.batch_sizes
        if np.shape(self.rows) != (frames,) or len(self.targets) != frames:
            raise EngineError(
                f"{frames} frames of inputs, {len(self.targets)} of targets and rows of shape "
                f"{np.shape(self.rows)}; expected one of each a frame"
            )
        if (
            not isinstance(batch_sizes, np.ndarray)
            or batch_sizes.ndim != 1
            or batch_sizes.dtype != np.int64
            or not batch_sizes.flags.c_contiguous
        ):
            raise EngineError(f"batch_sizes: {shown(batch_sizes)}; expected a contiguous vector of int64")
        if (
            frames == 0
            or batch_sizes[-1] < 1
            or (batch_sizes[1:] > batch_sizes[:-1]).any()
            or batch_sizes.sum() != frames
        ):
            raise EngineError(
                f"batch_sizes of {batch_sizes.sum()} frames in {len(batch_sizes)} steps; expected falling "
                f"numbers from 1 that add up to {frames}, of at least one frame"
            )

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.rows)

    @property
    def input_kind(self) -> tuple[int, np.dtype[np.floating]]:
        """Number of inputs of a frame, and their precision."""
        return self.inputs.shape[1], self.inputs.dtype

    @property
    def sequences(self) -> int:
        """Number of sequences."""
        return int(self.batch_sizes[0])

    @property
    def is_put_together(self) -> bool:
        """Whether the inputs are there; else `write_inputs` puts them where they are wanted."""
        return True

    def write_inputs(self, out: NDArray[np.floating], first: int, last: int) -> None:
        """Write the inputs of some packed rows into these rows of an array, shape (frames, inputs)."""
        out[first:last] = self.inputs[first:last]

    def part(self, left: int, right: int) -> tuple[NDArray[np.int64], Batch]:
        """Return which packed rows are of some neighbouring sequences, and a batch of these."""
        rows, sizes = self._rows_of(left, right)
        return rows, Batch(self.rows[rows], sizes, self.inputs[rows], self.targets[rows])

    def _rows_of(self, left: int, right: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return these sequences' packed rows, and how many are alive at each step."""
        sizes = np.clip(self.batch_sizes - left, 0, right - left)
        return np.flatnonzero((self.sequence >= left) & (self.sequence < right)), sizes[sizes > 0]

    @cached_property
    def sequence(self) -> NDArray[np.int64]:
        """The sequence that each packed row is of, numbered as the rows of the first step."""
        return _steps(self.batch_sizes)[1]

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Frames of each sequence, shape (sequences,)."""
        return _steps(self.batch_sizes)[2]

    @cached_property
    def reverse(self) -> NDArray[np.int64]:
        """For each packed row, the row of its sequence as far from the end as it is from the start.

        Taking these rows turns each sequence round in time; taking them again turns it back.
        """
        step, slot, lengths = _steps(self.batch_sizes)
        return _row_of(self.batch_sizes, lengths[slot] - 1 - step, slot)


class _BatchOfSet(Batch):
    """A batch of a set whose frames are put together where they are needed, or when they are asked for.

    Whoever has memory for them, and several threads, has them written there (`write_inputs`): memory that the
    system gives anew in each step takes longer than what is written to it.
    """

    _set: SequenceSet
    _noise: InputNoise | None

    @cached_property
    def inputs(self) -> NDArray[np.floating]:
        """Packed inputs."""
        inputs = np.empty((self.frames, self._set.inputs.shape[1]), self._set.inputs.dtype)
        self._write(inputs, 0, self.frames)
        context = self._set.context
        return inputs if context == (0, 0) else _with_context(inputs, self.batch_sizes, *context)

    @cached_property
    def targets(self) -> NDArray[np.floating]:
        """Packed targets."""
        return self._set.targets[self.rows]

    @property
    def input_kind(self) -> tuple[int, np.dtype[np.floating]]:
        """Number of inputs of a frame, and their precision."""
        return self._set.input_size, self._set.inputs.dtype

    @property
    def is_put_together(self) -> bool:
        """Whether the inputs are there, or can't be written piece by piece: a context is several frames."""
        return "inputs" in self.__dict__ or self._set.context != (0, 0)

    def write_inputs(self, out: NDArray[np.floating], first: int, last: int) -> None:
        """Write the inputs of some packed rows into these rows of an array."""
        if self.is_put_together:
            out[first:last] = self.inputs[first:last]
        else:
            self._write(out, first, last)

    def part(self, left: int, right: int) -> tuple[NDArray[np.int64], Batch]:
        """Return which packed rows are of some neighbouring sequences, and a batch of these."""
        if self.is_put_together:
            return super().part(left, right)
        rows, sizes = self._rows_of(left, right)
        return rows, _batch_of(self._set, self.rows[rows], sizes, self._noise)

    def _write(self, out: NDArray[np.floating], first: int, last: int) -> None:
        rows, some = self.rows[first:last], out[first:last]
        np.take(self._set.inputs, rows, axis=0, out=some, mode="clip")  # "raise" would write it twice
        if self._noise is not None:
            _add_noise(self._noise, some, rows, self._set.noisy)


def _batch_of(
    sequences: SequenceSet,
    rows: NDArray[np.int64],
    batch_sizes: NDArray[np.int64],
    noise: InputNoise | None,
) -> Batch:
    # Right by the way it is made: the constructor's checks would take as long as packing.
    batch = object.__new__(_BatchOfSet)
    batch.__dict__.update(rows=rows, batch_sizes=batch_sizes, _set=sequences, _noise=noise)
    return batch


def _steps(batch_sizes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Time step and slot of each packed row, and the length of the sequence in each slot."""
    starts = np.cumsum(batch_sizes) - batch_sizes
    step = np.repeat(np.arange(len(batch_sizes)), batch_sizes)
    slot = np.arange(len(step)) - starts[step]
    return step, slot, np.bincount(slot)


def _row_of(
    batch_sizes: NDArray[np.int64], step: NDArray[np.int64], slot: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Packed rows of given time steps and slots."""
    return (np.cumsum(batch_sizes) - batch_sizes)[step] + slot


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
        Added to each input value of the set's noisy frames, the same to a frame in all the contexts that it
        is part of.

    Returns
    -------
    Batch
        The sequences by falling length (equal lengths as given), time-major.

    Raises
    ------
    EngineError
        If no sequence is chosen, or one that the set doesn't have.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import SequenceSet, pack
    >>> songs = SequenceSet.from_lists([np.array([[1.0], [2.0]]), np.array([[5.0], [6.0], [7.0]])])
    >>> pack(songs, np.array([0, 1])).inputs[:, 0]  # step by step, the longest sequence first
    array([5., 1., 6., 2., 7.], dtype=float32)
    """
    batch = choose(sequences, chosen, noise)
    # The batch has a copy of its own from now on: the set's arrays may be written to.
    _ = batch.inputs, batch.targets
    return batch


def choose(
    sequences: SequenceSet,
    chosen: NDArray[np.integer],
    noise: InputNoise | None = None,
) -> Batch:
    """Pack some sequences as `pack` does, and leave their frames in the set until they are needed."""
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
    rows, batch_sizes = (starts[None, :] + steps[:, None])[alive], alive.sum(1)
    return _batch_of(sequences, rows, batch_sizes, noise)


def _add_noise(
    noise: InputNoise,
    inputs: NDArray[np.floating],
    rows: NDArray[np.int64],
    noisy: NDArray[np.bool_] | None,
) -> None:
    if noisy is None:
        noise.add_to(inputs, rows)
        return
    some = np.flatnonzero(noisy[rows])
    values = inputs[some]
    noise.add_to(values, rows[some])
    inputs[some] = values


def _with_context(
    inputs: NDArray[np.floating], batch_sizes: NDArray[np.int64], left: int, right: int
) -> NDArray[np.floating]:
    """Put the frames t − left … t + right side by side, ends repeated."""
    step, slot, lengths = _steps(batch_sizes)
    last = lengths[slot] - 1
    rows = [_row_of(batch_sizes, np.clip(step + d, 0, last), slot) for d in range(-left, right + 1)]
    return np.concatenate([inputs[r] for r in rows], axis=1)


def in_groups(order: NDArray[np.integer], parallel_sequences: int) -> list[NDArray[np.integer]]:
    """Cut an order of sequences into consecutive groups; the last may be smaller."""
    return [order[k : k + parallel_sequences] for k in range(0, len(order), parallel_sequences)]


def by_rising_length(sequences: SequenceSet) -> NDArray[np.integer]:
    """Order a set by length, shortest first, ties as they stand: the order without shuffling."""
    return np.argsort(sequences.lengths, kind="stable")
