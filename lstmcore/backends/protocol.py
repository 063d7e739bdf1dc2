"""What a backend must be able to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lstmcore.batches import Batch
from lstmcore.errors import DivergedError
from lstmcore.network import Network
from lstmcore.problem import EpochReport, Progress, Training, TrainingState
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
