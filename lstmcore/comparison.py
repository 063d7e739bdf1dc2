"""What all our objectives have in common: they look at the shapes of outputs and targets, then compute.

Outputs and targets of different shapes would be spread over each other by NumPy's rules, and give numbers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from lstmcore.errors import EngineError

Array = NDArray[np.floating]
Rows = NDArray[np.int64]


class Comparison(ABC):
    """An objective whose `_error`, `_signal` and `_wrong` compute of shapes that fit."""

    signal_is_derivative = True
    pooled = False

    def target_size(self, outputs: int) -> int:
        """Return the number of target values a frame."""
        return outputs

    def check_targets(self, targets: Array, outputs: int) -> None:
        """Raise an EngineError if a set has a target that is none for a network with so many outputs."""
        return  # any number is one, where there are no classes

    def error(self, outputs: Array, targets: Array, sequence: Rows) -> float:
        """Return the sum of the error over the batch, in float64."""
        self._check(outputs, targets)
        _check_sequence(outputs, sequence)
        return self._error(outputs, targets, sequence)

    def signal(self, outputs: Array, targets: Array, sequence: Rows) -> Array:
        """Return the error signal of the outputs, shape (frames, outputs)."""
        self._check(outputs, targets)
        _check_sequence(outputs, sequence)
        return self._signal(outputs, targets, sequence)

    def wrong(self, outputs: Array, targets: Array) -> int | None:
        """Return the number of frames put into the wrong class; None if there are no classes."""
        self._check(outputs, targets)
        return self._wrong(outputs, targets)

    def _check(self, outputs: Array, targets: Array) -> None:
        if np.ndim(outputs) != 2:
            raise EngineError(f"outputs have shape {np.shape(outputs)}; expected (frames, outputs)")
        expected = (len(outputs), self.target_size(outputs.shape[1]))
        if np.shape(targets) != expected:
            raise EngineError(
                f"targets have shape {np.shape(targets)}; expected {expected} for these outputs"
            )

    @abstractmethod
    def _error(self, outputs: Array, targets: Array, sequence: Rows) -> float:
        """Compute the error."""

    @abstractmethod
    def _signal(self, outputs: Array, targets: Array, sequence: Rows) -> Array:
        """Compute the signal."""

    def _wrong(self, outputs: Array, targets: Array) -> int | None:
        return None


def _check_sequence(outputs: Array, sequence: Rows) -> None:
    if np.shape(sequence) != (len(outputs),):
        raise EngineError(f"sequence has shape {np.shape(sequence)}; expected ({len(outputs)},): one a frame")
