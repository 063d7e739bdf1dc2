"""Stochastic gradient descent with momentum, as CURRENNT has it.

v ← μ v − η g,  w ← w + v, with g the sum (not the mean) over all frames since the last
update.  Because g is a sum, a learning rate suits one length and number of sequences.
"""

from __future__ import annotations

from dataclasses import dataclass

from lstmcore.checks import from_zero, real
from lstmcore.errors import EngineError


@dataclass(frozen=True)
class SGD:
    """Settings of the optimiser.

    Parameters
    ----------
    learning_rate
        η, not negative.
    momentum
        μ in [0, 1).

    Examples
    --------
    >>> from lstmcore import SGD, TrainingSettings
    >>> TrainingSettings(SGD(5e-6, momentum=0.9), patience=20).sgd
    SGD(learning_rate=5e-06, momentum=0.9)
    """

    learning_rate: float = 1e-5
    momentum: float = 0.9

    def __post_init__(self) -> None:
        from_zero("learning_rate", self.learning_rate)
        if not 0 <= real("momentum", self.momentum) < 1:
            raise EngineError(f"momentum is {self.momentum}; expected a number from 0 to below 1")
