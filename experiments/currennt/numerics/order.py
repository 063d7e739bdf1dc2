"""The order in which CURRENNT 0.2 goes through its sequences."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstmcore.experiments.currennt.numerics.introsort import sorted_order
from lstmcore.experiments.currennt.numerics.mersenne import MersenneTwister

_Item = TypeVar("_Item")


def truncated_lengths(length: int, limit: int) -> list[int]:
    """Return the lengths of the pieces that ``truncate_seq`` cuts a sequence into.

    While more than one and a half times `limit` is left, a piece of `limit` steps is cut off;
    the rest is the last piece.

    Parameters
    ----------
    length
        Time steps of the sequence.
    limit
        Time steps of a piece; 0 leaves the sequence whole.

    Returns
    -------
    list of int
        They add up to `length`.
    """
    pieces, rest = [], length
    while limit > 0 and 2 * rest > 3 * limit:
        pieces.append(limit)
        rest -= limit
    return [*pieces, rest]


class SequenceOrder:
    """The order of the training set's sequences in each epoch.

    Sorted by length at first.  Shuffling works before every epoch, on the order of the epoch
    before, with a generator of its own; so an epoch's order is found by going through the
    epochs before it, and training that goes on at epoch 7 finds what it would have had.

    Parameters
    ----------
    lengths
        Time steps of each sequence, in the order of the files, shape (sequences,).
    parallel_sequences
        Size of a fraction.
    seed
        ``random_seed``; not used without shuffling.
    shuffle_sequences
        Permute the sequences.
    shuffle_fractions
        Permute blocks of `parallel_sequences` (after the sequences, if both are asked for).
        The fractions are then taken anew from the joined blocks, so that where a short block
        has landed in the middle, the ones behind it exchange members.
    """

    def __init__(
        self,
        lengths: ArrayLike,
        parallel_sequences: int,
        seed: int,
        shuffle_sequences: bool = False,
        shuffle_fractions: bool = False,
    ) -> None:
        self._start = sorted_order(lengths).tolist()
        self._parallel, self._seed = parallel_sequences, seed
        self._sequences, self._fractions = shuffle_sequences, shuffle_fractions
        self._rewind()

    def for_epoch(self, epoch: int) -> NDArray[np.int64]:
        """Return the order of an epoch.

        Parameters
        ----------
        epoch
            Counted from 1.

        Returns
        -------
        ndarray
            Numbers of the sequences, shape (sequences,), int64.
        """
        if epoch < self._epoch:
            self._rewind()
        while self._epoch < epoch:
            self._next_epoch()
        return np.array(self._order, np.int64)

    def _rewind(self) -> None:
        self._epoch = 0
        self._order: list[int] = list(self._start)
        self._generator = MersenneTwister(self._seed)

    def _next_epoch(self) -> None:
        self._epoch += 1
        if self._sequences:
            self._shuffle(self._order)
        if self._fractions:
            size = self._parallel
            blocks = [self._order[k : k + size] for k in range(0, len(self._order), size)]
            self._shuffle(blocks)
            self._order = [sequence for block in blocks for sequence in block]

    def _shuffle(self, items: list[_Item]) -> None:
        """Exchange each item, from the second on, with one up to itself."""
        for k in range(1, len(items)):
            other = self._generator.below(k + 1)
            items[k], items[other] = items[other], items[k]
