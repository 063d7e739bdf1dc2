"""The step of gradient descent on all parameters."""

from __future__ import annotations

from typing import Any

from lstmcore.backends.cpu.math import momentum_step
from lstmcore.jit import kernel


@kernel
def momentum_update(
    weights: Any,  # [parameters]
    velocity: Any,  # [parameters]
    gradient: Any,  # [parameters]
    learning_rate: Any,
    momentum: Any,
) -> None:
    """One step of gradient descent with momentum, in one pass over memory."""
    for k in range(weights.shape[0]):
        weights[k], velocity[k] = momentum_step(weights[k], velocity[k], gradient[k], learning_rate, momentum)
