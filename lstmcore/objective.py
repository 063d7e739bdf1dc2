"""What training minimises: the error of a batch and the signal it sends back."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Objective(Protocol):
    """An error summed over the frames of a batch, and its derivative."""

    name: str

    def error(self, outputs: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
        """Return the sum of the error over all frames and outputs, in float64."""

    def signal(self, outputs: NDArray[np.floating], targets: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the derivative of the error with respect to the outputs, shape (frames, outputs)."""


class SumOfSquaredErrors:
    """½ Σ (y − t)² over outputs, frames and sequences; the gradient is divided by nothing."""

    name = "sse"

    def error(self, outputs: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
        """Return ½ Σ (y − t)², in float64."""
        difference = outputs.astype(np.float64) - targets
        return 0.5 * float(np.vdot(difference, difference))

    def signal(self, outputs: NDArray[np.floating], targets: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return y − t, shape (frames, outputs)."""
        return outputs - targets


SSE = SumOfSquaredErrors()
