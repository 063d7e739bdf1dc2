"""What the outputs of a network on a set come to: error, frames in the wrong class, largest output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmcore.objective import Objective
from lstmcore.sequences import SequenceSet


@dataclass(frozen=True)
class Evaluation:
    """The error of a set.

    Parameters
    ----------
    error
        Summed over all frames or sequences, as the objective has it.
    wrong
        Frames put into the wrong class; None if there are no classes.
    sequences
        The set.
    largest_output
        The largest magnitude of an output.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import Linear, SequenceSet, evaluate, initial_network
    >>> songs = SequenceSet.from_lists([np.zeros((4, 3))], [np.ones((4, 1))])
    >>> network = initial_network(3, [Linear(1)], 1)
    >>> network.weights[:] = 0
    >>> evaluate(network, songs).error  # half the sum of squares over four frames
    2.0
    """

    error: float
    wrong: int | None
    sequences: SequenceSet
    largest_output: float = 0.0

    def plus(
        self,
        objective: Objective,
        outputs: NDArray[np.floating],
        targets: NDArray[np.floating],
        sequence: NDArray[np.int64],
    ) -> Evaluation:
        """Add the frames of a batch; `sequence` numbers the sequence that each is of."""
        wrong = objective.wrong(outputs, targets)
        total = None if wrong is None else (self.wrong or 0) + wrong
        error = objective.error(outputs, targets, sequence)
        return Evaluation(self.error + error, total, self.sequences, self.largest_output)

    @property
    def per_sequence(self) -> float:
        """The error divided by the number of sequences."""
        return self.error / len(self.sequences)

    @property
    def per_frame(self) -> float:
        """The error divided by the number of frames."""
        return self.error / self.sequences.frames

    @property
    def class_error(self) -> float | None:
        """Share of the frames put into the wrong class."""
        return None if self.wrong is None else self.wrong / self.sequences.frames
