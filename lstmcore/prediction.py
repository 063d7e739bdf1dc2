"""Applying a network: outputs and error of a whole set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstmcore.backends import Backend, Workspace, as_backend
from lstmcore.backends.protocol import InferenceBackend
from lstmcore.batches import Batch, by_rising_length, choose, in_groups
from lstmcore.checks import kind, whole
from lstmcore.evaluation import Evaluation
from lstmcore.fit import check_fit
from lstmcore.network import Network
from lstmcore.objective import SSE, Objective
from lstmcore.sequences import SequenceSet


def batches_of(sequences: SequenceSet, parallel_sequences: int) -> Iterator[Batch]:
    """Divide a set into batches of so many sequences, by rising length."""
    groups = in_groups(by_rising_length(sequences), parallel_sequences)
    return (choose(sequences, group) for group in groups)


@contextmanager
def _outputs(
    network: Network, batches: Iterable[Batch], backend: Backend, workspace: Workspace
) -> Iterator[Iterator[tuple[Batch, NDArray[np.floating]]]]:
    if isinstance(backend, InferenceBackend):
        with backend.outputs(network, batches, workspace) as results:
            yield results
        return
    workspace = backend.workspace(network) if workspace is None else workspace
    yield ((batch, backend.forward(network, batch, workspace)) for batch in batches)


def _all_outputs(
    network: Network,
    sequences: SequenceSet,
    backend: Backend,
    workspace: Workspace,
    batches: Iterable[Batch],
) -> NDArray[np.floating]:
    with _outputs(network, batches, backend, workspace) as results:
        return _in_rows(network, sequences, results)


def _in_rows(
    network: Network, sequences: SequenceSet, results: Iterator[tuple[Batch, NDArray[np.floating]]]
) -> NDArray[np.floating]:
    """Bring the outputs of all batches into the order of the set."""
    found = np.empty((sequences.frames, network.architecture.output_size), network.dtype)
    for batch, outputs in results:
        found[batch.rows] = outputs
    return found


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
    found = _checked(network, sequences, parallel_sequences)
    engine = as_backend(backend, threads)
    batches = batches_of(found, parallel_sequences)
    outputs = _all_outputs(network, found, engine, workspace, batches)
    return found.split(outputs) if isinstance(sequences, list | tuple) else outputs


def _checked(network: Network, sequences: Any, parallel_sequences: int) -> SequenceSet:
    """Make a set of one sequence or of a list of them, unless it is one, that fits the network."""
    whole("parallel_sequences", parallel_sequences)
    found = sequences
    if not isinstance(found, SequenceSet):
        listed = sequences if isinstance(sequences, list | tuple) else [sequences]
        found = SequenceSet.from_lists(listed, dtype=network.dtype)
    check_fit(network, found, "the")
    return found


class PackedNetwork:
    """A network for many calls of `predict`: its weights are copied, and laid out once as products want them.

    `predict` does so at each call, since they may have changed: a tenth of the time of a song of 60 frames.
    The outputs have the same bits.  Several threads may use one object side by side; it can be copied
    (``copy.copy``) and pickled.  For a frame at a time there is `StreamingNetwork`.

    Parameters
    ----------
    network
        Layers of any kind.  Its weights are copied.
    threads
        How many threads of the CPU compute a call together.

    Raises
    ------
    EngineError
        If it is no network, or there are no threads.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import LSTM, Linear, PackedNetwork, initial_network, predict
    >>> network = initial_network(3, [LSTM(2), Linear(1)], 1)
    >>> packed = PackedNetwork(network)
    >>> songs = [np.ones((frames, 3)) for frames in (60, 90)]
    >>> curves = [packed.predict(song) for song in songs]
    >>> np.array_equal(curves[1], predict(network, songs[1]))
    True
    """

    def __init__(self, network: Network, threads: int = 1) -> None:
        kind("network", network, Network)
        whole("threads", threads)
        # Numba takes a while to import.
        from lstmcore.backends.cpu.backend import CpuBackend
        from lstmcore.backends.cpu.inference import PackedWeights

        self._network = network.copy()
        self._backend, self._packed = CpuBackend(threads), PackedWeights(self._network)

    @overload
    def predict(
        self, sequences: SequenceSet | NDArray[np.generic], *, parallel_sequences: int = 16
    ) -> NDArray[np.floating]: ...

    @overload
    def predict(
        self, sequences: Sequence[ArrayLike], *, parallel_sequences: int = 16
    ) -> list[NDArray[np.floating]]: ...

    def predict(
        self,
        sequences: SequenceSet | NDArray[np.generic] | Sequence[ArrayLike],
        *,
        parallel_sequences: int = 16,
    ) -> NDArray[np.floating] | list[NDArray[np.floating]]:
        """Compute the outputs for all frames of a set, of one sequence, or of a list of them.

        Parameters
        ----------
        sequences, parallel_sequences
            As of `lstmcore.predict`.

        Returns
        -------
        ndarray or list of ndarray
            Shape (frames, outputs), rows in the order of the set; of a list, such a matrix for each sequence.

        Raises
        ------
        EngineError
            If the inputs don't fit the network, or a value is not finite.
        """
        found = _checked(self._network, sequences, parallel_sequences)
        batches = batches_of(found, parallel_sequences)
        with self._backend.outputs(self._network, batches, packed=self._packed) as results:
            outputs = _in_rows(self._network, found, results)
        return found.split(outputs) if isinstance(sequences, list | tuple) else outputs

    def __reduce__(self) -> tuple[Any, ...]:
        # Packed anew where it arrives: panels suit the processor.
        return PackedNetwork, (self._network, self._backend.threads)


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
    batches = batches_of(sequences, parallel_sequences)
    return evaluation_of(network, sequences, objective, engine, workspace, batches)


def evaluation_of(
    network: Network,
    sequences: SequenceSet,
    objective: Objective,
    backend: Backend,
    workspace: Workspace,
    batches: Iterable[Batch],
) -> Evaluation:
    """Compute what `evaluate` returns, of things that are known to fit; `batches` are those of the set."""
    total = Evaluation(0.0, None, sequences)
    if objective.pooled:
        whole_set = _all_outputs(network, sequences, backend, workspace, batches)
        numbers = np.repeat(np.arange(len(sequences)), sequences.lengths)
        total = total.plus(objective, whole_set, sequences.targets, numbers)
        return replace(total, largest_output=_largest(whole_set))
    with _outputs(network, batches, backend, workspace) as results:
        for batch, outputs in results:
            total = total.plus(objective, outputs, batch.targets, batch.sequence)
            total = replace(total, largest_output=max(total.largest_output, _largest(outputs)))
    return total


def _largest(values: NDArray[np.floating]) -> float:
    return float(np.abs(values).max())
