"""What the kernels are told about the networks of an ensemble: sets, orders, keys of the noise, rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.backends.cuda.layout import MEMBER, TEST, TRAINING, VALIDATION, Extent
from lstmcore.backends.protocol import TrainingRun
from lstmcore.batches import by_rising_length
from lstmcore.noise import InputNoise
from lstmcore.sequences import SequenceSet

_SIDE_BY_SIDE = 16  # sequences evaluated at once, as Trainer does


class Members:
    """The trainers of an ensemble as arrays.

    Parameters
    ----------
    trainers
        Of networks of one shape.
    """

    def __init__(self, trainers: Sequence[TrainingRun]) -> None:
        self._trainers = list(trainers)
        sets: dict[int, SequenceSet] = {}
        for trainer in trainers:
            for found in (
                trainer.training.sets.training,
                trainer.training.sets.validation,
                trainer.training.sets.test,
            ):
                if found is not None:
                    sets[id(found)] = found
        self._sets = list(sets.values())
        batch_sizes = [len(one) for one in self._sets]
        self._first = dict(zip(sets, np.cumsum([0, *batch_sizes[:-1]]).tolist(), strict=True))
        self._evaluation_orders()

    def data(self) -> tuple[NDArray[Any], ...]:
        """Return the arrays of `Data` but for its orders: those of all sets, one after the other."""
        rows = np.cumsum([0, *(one.frames for one in self._sets[:-1])])
        return (
            np.concatenate([one.inputs.ravel() for one in self._sets]),
            np.concatenate([one.targets.ravel() for one in self._sets]),
            np.concatenate([_noisy(one) for one in self._sets]),
            np.concatenate([r + one.starts for r, one in zip(rows, self._sets, strict=True)]),
            np.concatenate([one.lengths for one in self._sets]).astype(np.int64),
        )

    def learning_rates(self) -> NDArray[np.float64]:
        """Return the layers' learning rates, shape (members, layers)."""
        rows = []
        for trainer in self._trainers:
            own = [layer.learning_rate for layer in trainer.training.network.architecture.layers]
            rows.append(
                [trainer.training.settings.sgd.learning_rate if rate is None else rate for rate in own]
            )
        return np.array(rows, np.float64)

    def extent(self, pooled: bool) -> Extent:
        """Return the largest batch, and the largest set if its outputs are `pooled`."""
        frames = sequences = steps = whole = 0
        for trainer in self._trainers:
            parallel = trainer.training.settings.parallel_sequences
            for found, together, evaluated in (
                (trainer.training.sets.training, parallel, False),
                (trainer.training.sets.validation, self._together(trainer), True),
                (trainer.training.sets.test, self._together(trainer), True),
            ):
                if found is None:
                    continue
                longest = np.sort(found.lengths)[::-1][:together]
                frames = max(frames, int(longest.sum()))
                sequences, steps = max(sequences, len(longest)), max(steps, int(longest[0]))
                if pooled and evaluated:
                    whole = max(whole, found.frames)
        return Extent(frames, sequences, steps, whole)

    def epoch(self, epochs: Mapping[int, int]) -> tuple[NDArray[np.void], NDArray[np.int32]]:
        """Describe an epoch.

        Parameters
        ----------
        epochs
            Of each member that is to be trained, the number of its epoch, from 1.

        Returns
        -------
        members, orders
            A record (`MEMBER`) for each member that is to be trained, and the orders they point into.
        """
        members = np.zeros(len(epochs), MEMBER)
        orders = list(self._orders)
        start = sum(len(one) for one in orders)
        for member, (k, epoch) in zip(members, epochs.items(), strict=True):
            trainer = self._trainers[k]
            settings, training = trainer.training.settings, trainer.training.sets.training
            member["network"] = k
            member["parallel"], member["stochastic"] = settings.parallel_sequences, settings.stochastic
            member["evaluated"], member["every"] = self._together(trainer), settings.validate_every
            member["watched"] = trainer.training.sets.validation is not None
            member["key"] = InputNoise(trainer.training.seed, epoch, settings.input_noise).key
            member["sigma"], member["momentum"] = settings.input_noise, settings.sgd.momentum
            member["bound"] = settings.delta_limit
            self._choose(member, TRAINING, training, start)
            orders.append(in_batches(training, trainer.training.order_of(epoch), settings.parallel_sequences))
            start += len(orders[-1])
            for which, found, every in (
                (VALIDATION, trainer.training.sets.validation, settings.validate_every),
                (TEST, trainer.training.sets.test, settings.test_every),
            ):
                if found is not None and epoch % every == 0:
                    self._choose(member, which, found, self._places[id(found), self._together(trainer)])
        return members, np.concatenate(orders).astype(np.int32)

    def _choose(self, member: np.void, which: int, found: SequenceSet, order: int) -> None:
        """Say where one of a member's sets and the set's order begin."""
        member["first"][which], member["sequences"][which] = self._first[id(found)], len(found)
        member["order"][which] = order

    def _evaluation_orders(self) -> None:
        """Orders of the sets that are evaluated: they stay."""
        self._orders: list[NDArray[np.integer]] = []
        self._places: dict[tuple[int, int], int] = {}
        start = 0
        for trainer in self._trainers:
            together = self._together(trainer)
            for found in (trainer.training.sets.validation, trainer.training.sets.test):
                if found is not None and (id(found), together) not in self._places:
                    self._orders.append(in_batches(found, by_rising_length(found), together))
                    self._places[id(found), together] = start
                    start += len(self._orders[-1])

    @staticmethod
    def _together(trainer: TrainingRun) -> int:
        return max(trainer.training.settings.parallel_sequences, _SIDE_BY_SIDE)


def _noisy(sequences: SequenceSet) -> NDArray[np.uint8]:
    """Return 1 for each frame that gets noise on its inputs, 0 for the others."""
    if sequences.noisy is None:
        return np.ones(sequences.frames, np.uint8)
    return sequences.noisy.astype(np.uint8)


def in_batches(
    sequences: SequenceSet, order: NDArray[np.integer], parallel_sequences: int
) -> NDArray[np.integer]:
    """Sort an order's groups of so many sequences by falling length, as `lstmcore.batches.pack` does."""
    place = np.arange(len(order))
    found: NDArray[np.integer] = order[
        np.lexsort((place, -sequences.lengths[order], place // parallel_sequences))
    ]
    return found
