"""What training minimises: the error of a batch and the signal it sends back.

The objectives here are those of CURRENNT 0.2, whose errors are summed over frames and divided
by nothing; those by concordance correlation are in `lstmcore.ccc`.  Of some, the signal is not the
derivative of the error: `signal_is_derivative` says so, and such an objective can't pass a
gradient check.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lstmcore import objective_terms as terms
from lstmcore.ccc import CCC, CCC_POOLED
from lstmcore.comparison import Comparison
from lstmcore.errors import EngineError

Array = NDArray[np.floating]
Rows = NDArray[np.int64]


class Objective(Protocol):
    """An error summed over the frames or sequences of a batch, and what goes back from it.

    ``sequence`` numbers, from 0, the sequence that each frame is of, shape (frames,).
    The error of a set is the sum over its batches, unless the objective is `pooled`: then it's
    that of all frames of the set at once.
    """

    name: str
    signal_is_derivative: bool
    pooled: bool

    def target_size(self, outputs: int) -> int:
        """Return the number of target values a frame for a network with so many outputs."""

    def error(self, outputs: Array, targets: Array, sequence: Rows) -> float:
        """Return the sum of the error over the batch, in float64."""

    def signal(self, outputs: Array, targets: Array, sequence: Rows) -> Array:
        """Return the error signal of the outputs, shape (frames, outputs)."""

    def wrong(self, outputs: Array, targets: Array) -> int | None:
        """Return the number of frames put into the wrong class; None if there are no classes."""


class SumOfSquaredErrors(Comparison):
    """½ Σ (y − t)² over outputs, frames and sequences."""

    name = "sse"

    def _error(self, outputs: Array, targets: Array, sequence: Rows) -> float:
        """Return ½ Σ (y − t)², in float64."""
        return self.of_residual(terms.residual(outputs.astype(np.float64), targets))

    @staticmethod
    def of_residual(residual: NDArray[np.float64]) -> float:
        """Return the error, given y − t."""
        return 0.5 * float(np.vdot(residual, residual))

    def _signal(self, outputs: Array, targets: Array, sequence: Rows) -> Array:
        """Return y − t, shape (frames, outputs)."""
        signal: Array = terms.residual(outputs, targets)
        return signal


class RootMeanSquaredErrors(Comparison):
    """Σ over frames of rmse = sqrt(mean over outputs of (y − t)²).

    The signal is rmse · (y − t), which is not the derivative (y − t) / (outputs · rmse).
    """

    name = "rmse"
    signal_is_derivative = False

    @staticmethod
    def _by_frame(outputs: Array, targets: Array) -> Array:
        residual = terms.residual(outputs, targets)
        root: Array = np.sqrt(np.mean(residual * residual, axis=1, keepdims=True))
        return root

    def _error(self, outputs: Array, targets: Array, sequence: Rows) -> float:
        """Return the sum of the frames' RMSE, in float64."""
        return float(self._by_frame(outputs.astype(np.float64), targets).sum())

    def _signal(self, outputs: Array, targets: Array, sequence: Rows) -> Array:
        """Return rmse · (y − t), shape (frames, outputs)."""
        signal: Array = terms.rmse_signal(outputs, targets, self._by_frame(outputs, targets))
        return signal


class CrossEntropy(Comparison):
    """Σ t log(t / y): Kullback-Leibler divergence of distributions t and y.

    The signal −t / y is limited to ±100.
    """

    name = "ce"

    def _error(self, outputs: Array, targets: Array, sequence: Rows) -> float:
        """Return Σ t log(t / y), in float64."""
        return float(np.sum(terms.cross_entropy(outputs.astype(np.float64), targets.astype(np.float64))))

    def _signal(self, outputs: Array, targets: Array, sequence: Rows) -> Array:
        """Return −t / y, limited, shape (frames, outputs)."""
        signal: Array = terms.cross_entropy_signal(outputs, targets)
        return signal


class WeightedSumOfSquaredErrors(Comparison):
    """½ Σ (w (y − t))² with targets and weights interleaved: t1, w1, t2, w2, and so on.

    The signal is w (y − t), the derivative only where w is 0 or 1.
    """

    name = "weightedsse"
    signal_is_derivative = False

    def target_size(self, outputs: int) -> int:
        """Return the number of target values a frame."""
        return 2 * outputs

    def _error(self, outputs: Array, targets: Array, sequence: Rows) -> float:
        """Return ½ Σ (w (y − t))², in float64."""
        signal = self._signal(outputs.astype(np.float64), targets, sequence)
        return 0.5 * float(np.vdot(signal, signal))

    def _signal(self, outputs: Array, targets: Array, sequence: Rows) -> Array:
        """Return w (y − t), shape (frames, outputs)."""
        signal: Array = terms.weighted_residual(outputs, targets[:, ::2], targets[:, 1::2])
        return signal


class MaskedSumOfSquaredErrors(Comparison):
    """½ Σ (y i − o)² with o and i interleaved in the targets: the output masks the input i."""

    name = "wf"

    def target_size(self, outputs: int) -> int:
        """Return the number of target values a frame."""
        return 2 * outputs

    def _error(self, outputs: Array, targets: Array, sequence: Rows) -> float:
        """Return ½ Σ (y i − o)², in float64."""
        residual = terms.masked_residual(outputs.astype(np.float64), targets[:, ::2], targets[:, 1::2])
        return 0.5 * float(np.vdot(residual, residual))

    def _signal(self, outputs: Array, targets: Array, sequence: Rows) -> Array:
        """Return (y i − o) i, shape (frames, outputs)."""
        signal: Array = terms.masked_signal(outputs, targets[:, ::2], targets[:, 1::2])
        return signal


class BinaryClassification(Comparison):
    """−Σ log p, with p = y for class 1 and 1 − y for class 0; one output.

    Targets are 0 or 1. Of other numbers those above 0 have the error of class 1, and those above 0.5 count as
    class 1 in the number of wrong frames.
    """

    name = "binary_classification"

    def target_size(self, outputs: int) -> int:
        """Return the number of target values a frame."""
        return 1

    def _error(self, outputs: Array, targets: Array, sequence: Rows) -> float:
        """Return −Σ log p, in float64."""
        return float(terms.log_loss(terms.binary_probability(outputs.astype(np.float64), targets)).sum())

    def _signal(self, outputs: Array, targets: Array, sequence: Rows) -> Array:
        """Return −1 / y for class 1 and 1 / (1 − y) for class 0, shape (frames, 1)."""
        signal: Array = terms.binary_signal(outputs, targets)
        return signal

    def _wrong(self, outputs: Array, targets: Array) -> int | None:
        """Return the number of frames on the wrong side of 0.5."""
        return int(np.sum(terms.counts_as_one(outputs) != terms.counts_as_one(targets)))


class MulticlassClassification(Comparison):
    """−Σ log y of the target's class; targets are class numbers, shape (frames, 1).

    A frame of class −1 has no error; in the number of wrong frames it batch_sizes.
    """

    name = "multiclass_classification"

    def target_size(self, outputs: int) -> int:
        """Return the number of target values a frame."""
        return 1

    def check_targets(self, targets: Array, outputs: int) -> None:
        """Raise an EngineError unless all targets are numbers of classes, or −1."""
        bad = np.flatnonzero((targets[:, 0] < -1) | (targets[:, 0] >= outputs) | (targets[:, 0] % 1 != 0))
        if len(bad):
            raise EngineError(
                f"frame {bad[0]} has the class {targets[bad[0], 0]:g}; "
                f"expected a whole number from 0 to {outputs - 1}, or -1"
            )

    @staticmethod
    def _chosen(outputs: Array, targets: Array) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
        rows = np.flatnonzero(targets[:, 0] >= 0)
        classes = targets[rows, 0].astype(np.int64)
        if classes.max(initial=0) >= outputs.shape[1]:
            raise EngineError(f"class {classes.max()}; expected numbers below {outputs.shape[1]}")
        return rows, classes, outputs[rows, classes]

    def _error(self, outputs: Array, targets: Array, sequence: Rows) -> float:
        """Return −Σ log y of the target's class, in float64."""
        return float(terms.log_loss(self._chosen(outputs.astype(np.float64), targets)[2]).sum())

    def _signal(self, outputs: Array, targets: Array, sequence: Rows) -> Array:
        """Return −1 / y at the target's class and 0 elsewhere, shape (frames, outputs)."""
        rows, classes, y = self._chosen(outputs, targets)
        signal = np.zeros_like(outputs)
        signal[rows, classes] = terms.log_loss_signal(y)
        return signal

    def _wrong(self, outputs: Array, targets: Array) -> int | None:
        """Return the number of frames whose largest output is another class."""
        return int(np.sum(outputs.argmax(1) != targets[:, 0]))


SSE = SumOfSquaredErrors()
_ALL: tuple[Objective, ...] = (
    SSE,
    RootMeanSquaredErrors(),
    CrossEntropy(),
    WeightedSumOfSquaredErrors(),
    MaskedSumOfSquaredErrors(),
    BinaryClassification(),
    MulticlassClassification(),
    CCC,
    CCC_POOLED,
)
OBJECTIVES: dict[str, Objective] = {objective.name: objective for objective in _ALL}
