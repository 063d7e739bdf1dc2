"""What a backend must be able to do."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lstmcore.batches import Batch
from lstmcore.network import Network
from lstmcore.sgd import SGD

# A backend's own memory of the last forward pass; opaque to everyone else.
Workspace = Any


class Backend(Protocol):
    """Forward and backward pass and weight update on packed batches."""

    name: str

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
        deltas: NDArray[np.floating],
        gradient: NDArray[np.floating],
        sgd: SGD,
    ) -> None:
        """One step of gradient descent in place: Δ ← μ Δ − η g, w ← w + Δ; all shape (parameters,).

        EngineError if shapes or precisions don't fit.
        """
