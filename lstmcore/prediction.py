"""Applying a network: outputs and error of a whole set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstmcore.backends import Backend, Workspace, as_backend
from lstmcore.backends.protocol import InferenceBackend
from lstmcore.batches import Batch, by_rising_length, in_groups, pack
from lstmcore.checks import kind, whole
from lstmcore.evaluation import Evaluation
from lstmcore.fit import check_fit
from lstmcore.network import Network
from lstmcore.objective import SSE, Objective
from lstmcore.sequences import SequenceSet


@contextmanager
def _outputs(
    network: Network, sequences: SequenceSet, backend: Backend, workspace: Workspace, parallel_sequences: int
) -> Iterator[Iterator[tuple[Batch, NDArray[np.floating]]]]:
    groups = in_groups(by_rising_length(sequences), parallel_sequences)
    batches = (pack(sequences, group) for group in groups)
    if isinstance(backend, InferenceBackend):
        with backend.outputs(network, batches, workspace) as results:
            yield results
        return
    workspace = backend.workspace(network) if workspace is None else workspace
    yield ((batch, backend.forward(network, batch, workspace)) for batch in batches)


def _all_outputs(
    network: Network, sequences: SequenceSet, backend: Backend, workspace: Workspace, parallel_sequences: int
) -> NDArray[np.floating]:
    result = np.empty((sequences.frames, network.architecture.output_size), network.dtype)
    with _outputs(network, sequences, backend, workspace, parallel_sequences) as results:
        for batch, outputs in results:
            result[batch.rows] = outputs
    return result


@overload
def predict(
    network: Network,
    sequences: SequenceSet | NDArray[np.generic],
    *,
    backend: Backend | str = "cpu",
    workspace: Workspace = None,
    parallel_sequences: int = 16,
    threads: int | None = None,
) -> NDArray[np.floating]: ...


@overload
def predict(
    network: Network,
    sequences: Sequence[ArrayLike],
    *,
    backend: Backend | str = "cpu",
    workspace: Workspace = None,
    parallel_sequences: int = 16,
    threads: int | None = None,
) -> list[NDArray[np.floating]]: ...


def predict(
    network: Network,
    sequences: SequenceSet | NDArray[np.generic] | Sequence[ArrayLike],
    *,
    backend: Backend | str = "cpu",
    workspace: Workspace = None,
    parallel_sequences: int = 16,
    threads: int | None = None,
) -> NDArray[np.floating] | list[NDArray[np.floating]]:
    """Compute the outputs of a network for all frames of a set, of one sequence, or of a list of them.

    Parameters
    ----------
    network
        The network.
    sequences
        Its inputs: a set in the network's precision (the targets are not looked at), a matrix
        (frames, inputs) for one sequence, or a list of matrices.
    backend
        A backend or its name.
    workspace
        The backend's memory, to use again for networks of one architecture and precision, since the
        system gives fresh memory slowly; made if None.
    parallel_sequences
        Sequences computed side by side.
    threads
        How many threads of the CPU compute them together, of a backend that is given by name; None: one.  The
        result has the same bits.

    Returns
    -------
    ndarray or list of ndarray
        Shape (frames, outputs), rows in the order of the set; of a list, such a matrix for each sequence.

    Raises
    ------
    EngineError
        If the inputs don't fit the network, or a value is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import LSTM, Linear, initial_network, predict
    >>> network = initial_network(3, [LSTM(2), Linear(1)], 1)
    >>> predict(network, np.zeros((60, 3))).shape
    (60, 1)
    """
    kind("network", network, Network)
    whole("parallel_sequences", parallel_sequences)
    several = isinstance(sequences, list | tuple)
    found = _as_set(sequences, network.dtype)
    check_fit(network, found, "the")
    engine = as_backend(backend, threads)
    outputs = _all_outputs(network, found, engine, workspace, parallel_sequences)
    return found.split(outputs) if several else outputs


def _as_set(sequences: Any, dtype: np.dtype[np.floating]) -> SequenceSet:
    """Make a set of one sequence or of a list of them, unless it is one."""
    if isinstance(sequences, SequenceSet):
        return sequences
    listed = sequences if isinstance(sequences, list | tuple) else [sequences]
    return SequenceSet.from_lists(listed, dtype=dtype)


def evaluate(
    network: Network,
    sequences: SequenceSet,
    *,
    objective: Objective = SSE,
    backend: Backend | str = "cpu",
    workspace: Workspace = None,
    parallel_sequences: int = 16,
    threads: int | None = None,
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
    threads
        How many threads of the CPU compute them together, of a backend that is given by name; None: one.  The
        result has the same bits.

    Returns
    -------
    Evaluation
        The error, by sequence and by frame; a pooled objective's is of all frames at once.

    Raises
    ------
    EngineError
        If the set doesn't fit the network, or its targets the objective.

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
    check_fit(network, sequences, "the", objective)
    whole("parallel_sequences", parallel_sequences)
    engine = as_backend(backend, threads)
    return evaluation_of(network, sequences, objective, engine, workspace, parallel_sequences)


def evaluation_of(
    network: Network,
    sequences: SequenceSet,
    objective: Objective,
    backend: Backend,
    workspace: Workspace,
    parallel_sequences: int,
) -> Evaluation:
    """Compute what `evaluate` returns, of things that are known to fit."""
    total = Evaluation(0.0, None, sequences)
    if objective.pooled:
        whole_set = _all_outputs(network, sequences, backend, workspace, parallel_sequences)
        numbers = np.repeat(np.arange(len(sequences)), sequences.lengths)
        total = total.plus(objective, whole_set, sequences.targets, numbers)
        return replace(total, largest_output=_largest(whole_set))
    with _outputs(network, sequences, backend, workspace, parallel_sequences) as results:
        for batch, outputs in results:
            total = total.plus(objective, outputs, batch.targets, batch.sequence)
            total = replace(total, largest_output=max(total.largest_output, _largest(outputs)))
    return total


def _largest(values: NDArray[np.floating]) -> float:
    return float(np.abs(values).max())
