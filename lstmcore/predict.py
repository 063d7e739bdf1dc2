"""Applying a network: outputs and error of a whole set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstmcore.backends import Backend, Workspace, get_backend
from lstmcore.batches import Batch, by_rising_length, in_groups, pack
from lstmcore.network import Network
from lstmcore.objective import SSE, Objective
from lstmcore.sequences import SequenceSet


def _outputs(
    network: Network, sequences: SequenceSet, backend: Backend, workspace: Workspace, parallel_sequences: int
) -> Iterator[tuple[Batch, NDArray[np.floating]]]:
    for group in in_groups(by_rising_length(sequences), parallel_sequences):
        batch = pack(sequences, group)
        yield batch, backend.forward(network, batch, workspace)


def _all_outputs(
    network: Network, sequences: SequenceSet, backend: Backend, workspace: Workspace, parallel_sequences: int
) -> NDArray[np.floating]:
    result = np.empty((sequences.frames, network.architecture.output_size), network.dtype)
    for batch, outputs in _outputs(network, sequences, backend, workspace, parallel_sequences):
        result[batch.rows] = outputs
    return result


def predict(
    network: Network,
    sequences: SequenceSet,
    *,
    backend: Backend | str = "cpu",
    workspace: Workspace = None,
    parallel_sequences: int = 16,
) -> NDArray[np.floating]:
    """Compute the outputs of a network for all frames of a set.

    Parameters
    ----------
    network, sequences
        The network and its inputs (the targets are not looked at).
    backend
        A backend or its name.
    workspace
        The backend's memory, to use again for networks of one architecture and precision, since the
        system gives fresh memory slowly; made if None.
    parallel_sequences
        Sequences computed side by side.

    Returns
    -------
    ndarray
        Shape (frames, outputs), rows in the order of the set.
    """
    backend = get_backend(backend) if isinstance(backend, str) else backend
    if workspace is None:
        workspace = backend.workspace(network)
    return _all_outputs(network, sequences, backend, workspace, parallel_sequences)


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
    """

    error: float
    wrong: int | None
    sequences: SequenceSet

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
        return Evaluation(self.error + error, total, self.sequences)

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


def evaluate(
    network: Network,
    sequences: SequenceSet,
    *,
    objective: Objective = SSE,
    backend: Backend | str = "cpu",
    workspace: Workspace = None,
    parallel_sequences: int = 16,
) -> Evaluation:
    """Compute the error of a network on a set, without noise.

    Parameters
    ----------
    network, sequences, objective
        What is computed on what, and the error.
    backend
        A backend or its name.
    workspace
        Memory to use again; made if None.
    parallel_sequences
        Sequences computed side by side.

    Returns
    -------
    Evaluation
        The error, by sequence and by frame; a pooled objective's is of all frames at once.
    """
    backend = get_backend(backend) if isinstance(backend, str) else backend
    if workspace is None:
        workspace = backend.workspace(network)
    total = Evaluation(0.0, None, sequences)
    if objective.pooled:
        whole = _all_outputs(network, sequences, backend, workspace, parallel_sequences)
        numbers = np.repeat(np.arange(len(sequences)), sequences.lengths)
        return total.plus(objective, whole, sequences.targets, numbers)
    for batch, outputs in _outputs(network, sequences, backend, workspace, parallel_sequences):
        total = total.plus(objective, outputs, batch.targets, batch.sequence)
    return total
