"""What a backend must be able to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lstmcore.batches import Batch
from lstmcore.errors import DivergedError
from lstmcore.network import Network
from lstmcore.noise import InputNoise
from lstmcore.problem import EpochReport, Progress, Training, TrainingState
from lstmcore.sequences import SequenceSet
from lstmcore.sgd import SGD

# A backend's own memory of the last forward pass; opaque to everyone else.
Workspace = Any


class Backend(Protocol):
    """Forward and backward pass and weight update on packed batches.

    Attributes
    ----------
    name
        What it is asked for by.
    trains_together
        Whether one network leaves the device idle: then this is an `EnsembleBackend`, and many trainings are
        best handed over at once.
    """

    name: str
    trains_together: bool

    def workspace(self, network: Network) -> Workspace:
        """Make the memory that `forward` fills and `backward` reads.

        One thread may use it, for networks of this one's architecture and precision.
        """

    def forward(self, network: Network, batch: Batch, workspace: Workspace) -> NDArray[np.floating]:
        """Compute the outputs of all frames; EngineError if network, batch and workspace don't fit.

        Parameters
        ----------
        network, batch
            The network and the frames.
        workspace
            From `workspace`; its content is overwritten.

        Returns
        -------
        ndarray
            Packed outputs, shape (frames, outputs); valid until the next call.
        """

    def backward(
        self,
        network: Network,
        batch: Batch,
        workspace: Workspace,
        signal: NDArray[np.floating],
        gradient: NDArray[np.floating],
        delta_limit: float = 1.0,
    ) -> None:
        """Back-propagate through all layers and all time, after a `forward` of the same batch.

        EngineError if there was none, or if shapes or precisions don't fit.

        Parameters
        ----------
        network, batch, workspace
            As given to `forward`.
        signal
            dE/dy of each frame and output, shape (frames, outputs); may be overwritten.
        gradient
            Overwritten with dE/dw summed over the batch, shape (parameters,).
        delta_limit
            Limit of the LSTM deltas; infinity gives the exact gradient.
        """

    def update(
        self,
        weights: NDArray[np.floating],
        velocity: NDArray[np.floating],
        gradient: NDArray[np.floating],
        sgd: SGD,
    ) -> None:
        """One step of gradient descent in place: v ← μ v − η g, w ← w + v; all shape (parameters,).

        EngineError if shapes or precisions don't fit.
        """


class Updates(Protocol):
    """Many updates of one network, some batches in each call."""

    @property
    def fit(self) -> bool:
        """Whether an epoch is to be run so now; else pass by pass, with the same bits."""

    def run(
        self,
        network: Network,
        velocity: NDArray[np.floating],
        gradient: NDArray[np.floating],
        order: NDArray[np.integer],
        noise: InputNoise,
    ) -> Iterator[NDArray[np.float64]]:
        """Learn from all sequences of the set in an order; yield of each batch outputs less targets.

        What is yielded may be overwritten later.

        Parameters
        ----------
        network, velocity
            Updated: of the architecture and precision that this was made for.
        gradient
            Overwritten.
        order
            The number of each sequence, once.
        noise
            Added to the inputs.
        """


@runtime_checkable
class ManyUpdates(Protocol):
    """A backend that may do many updates in one call, where the error is the sum of squared ones."""

    def updates(
        self,
        network: Network,
        songs: SequenceSet,
        parallel_sequences: int,
        rates: Sequence[tuple[slice, SGD]],
        delta_limit: float,
    ) -> Updates | None:
        """Return what does them; None where each pass is to be a call.

        Parameters
        ----------
        network, songs
            What learns from what.
        parallel_sequences
            Sequences of a batch.
        rates
            Parts of the vector of parameters, and how each is updated; the momentum is the same.
        delta_limit
            Limit of the LSTM deltas.
        """


@runtime_checkable
class InferenceBackend(Protocol):
    """A backend that has a way of its own to compute batches that nothing is learnt from."""

    def outputs(
        self, network: Network, batches: Iterable[Batch], workspace: Workspace = None
    ) -> AbstractContextManager[Iterator[tuple[Batch, NDArray[np.floating]]]]:
        """Compute batches one after the other, with the weights that the network has at the first.

        Parameters
        ----------
        network, batches
            The network and the frames; EngineError if they don't fit.
        workspace
            From `workspace`, to use again; None: the backend's own.

        Returns
        -------
        context manager of an iterator of (batch, outputs)
            Packed outputs, shape (frames, outputs), with the bits of `forward`; valid until the next.
        """


# Copies weights, velocity and best weights from where they are, each of shape (parameters,).
FetchArrays = Callable[[], Sequence[NDArray[np.floating]]]


class TrainingRun(Protocol):
    """A training under way, as a backend sees it that trains many at once: an `lstmcore.Trainer`."""

    training: Training
    backend: Backend

    @property
    def progress(self) -> Progress:
        """How far training has come."""

    @property
    def finished(self) -> bool:
        """Whether training stops here."""

    @property
    def state(self) -> TrainingState:
        """All that is left to know after the last epoch, fetched if it must be."""

    def set_progress(self, progress: Progress, fetch: FetchArrays) -> None:
        """Note what the backend has computed; `fetch` is called when `state` is asked for."""

    def check_best(self, epoch: int) -> None:
        """Raise a DivergedError if the best network's outputs are out of all proportion after an epoch."""


class EnsembleBackend(Backend, Protocol):
    """A backend that trains many independent networks at once."""

    def train_ensemble(
        self,
        trainers: Sequence[TrainingRun],
        on_epoch: Callable[[int, EpochReport], None],
        on_diverged: Callable[[int, DivergedError], None] | None,
    ) -> None:
        """Run trainings to their end, as `lstmcore.train` says.

        Parameters
        ----------
        trainers
            The trainings; one that is finished is left as it is.
        on_epoch
            Called with place and report after each epoch of each training.
        on_diverged
            Called with place and error of one that diverged; without it the error is raised.
        """
