"""Applying a network: outputs and error of a whole set."""

from __future__ import annotations

from collections.abc import Iterator

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


def predict(
    network: Network,
    sequences: SequenceSet,
    *,
    backend: Backend | str = "cpu",
    parallel_sequences: int = 16,
) -> NDArray[np.floating]:
    """Compute the outputs of a network for all frames of a set.

    Parameters
    ----------
    network, sequences
        The network and its inputs (the targets are not looked at).
    backend
        A backend or its name.
    parallel_sequences
        Sequences computed side by side.

    Returns
    -------
    ndarray
        Shape (frames, outputs), rows in the order of the set.
    """
    backend = get_backend(backend) if isinstance(backend, str) else backend
    result = np.empty((sequences.frames, network.architecture.output_size), network.dtype)
    for batch, outputs in _outputs(
        network, sequences, backend, backend.workspace(network), parallel_sequences
    ):
        result[batch.rows] = outputs
    return result


def total_error(
    network: Network,
    sequences: SequenceSet,
    *,
    objective: Objective = SSE,
    backend: Backend | str = "cpu",
    workspace: Workspace = None,
    parallel_sequences: int = 16,
) -> float:
    """Sum the error of a network over a set, without noise.

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
    float
        The sum over all frames and outputs.
    """
    backend = get_backend(backend) if isinstance(backend, str) else backend
    if workspace is None:
        workspace = backend.workspace(network)
    return sum(
        objective.error(outputs, batch.targets)
        for batch, outputs in _outputs(network, sequences, backend, workspace, parallel_sequences)
    )
