"""The CPU backend: walks the layers and calls the kernels; no mathematics of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lstmcore.backends import cpu_kernels as kernels
from lstmcore.batches import Batch
from lstmcore.layers import LSTM
from lstmcore.network import Network
from lstmcore.sgd import SGD

Array = NDArray[np.floating]


class CpuWorkspace:
    """Activations and scratch memory for one network; grows when a larger batch comes.

    Parameters
    ----------
    network
        Gives layer sizes and precision.
    """

    def __init__(self, network: Network) -> None:
        self._dtype = network.dtype
        self._sizes = [layer.size for layer in network.architecture.layers]
        self._frames = self._sequences = 0
        self.nobody = np.empty((0, 0), self._dtype)  # where nobody wants the error below

    def fit(self, batch: Batch) -> None:
        """Cut the memory to the shape of a batch and set the initial states to zero."""
        frames, sequences = batch.frames, batch.sequences
        if frames > self._frames or sequences > self._sequences:
            self._allocate(max(frames, self._frames), max(sequences, self._sequences))
        states = frames + sequences
        self.gates = [a[:frames] for a in self._gates]
        self.c = [a[:states] for a in self._c]
        self.h = [a[:states] for a in self._h]
        self.error = [a[:frames] for a in self._error]
        self.h_before = [a[:frames] for a in self._h_before]
        self.recurrent_forward = [a[:sequences] for a in self._recurrent_forward]
        self.recurrent_backward = [a[:sequences] for a in self._recurrent_backward]
        self.carry = [a[:sequences] for a in self._carry]
        for c, h in zip(self.c, self.h, strict=True):
            c[:sequences] = 0
            h[:sequences] = 0

    def _allocate(self, frames: int, sequences: int) -> None:
        self._frames, self._sequences = frames, sequences

        def rows(count: int, width: int = 1) -> list[Array]:
            return [np.empty((count, width * size), self._dtype) for size in self._sizes]

        self._gates = rows(frames, 4)
        self._c = rows(frames + sequences)
        self._h = rows(frames + sequences)
        self._error = rows(frames)
        self._h_before = rows(frames)
        self._recurrent_forward = rows(sequences, 4)
        self._recurrent_backward = rows(sequences)
        self._carry = rows(sequences)


class CpuBackend:
    """Numba kernels, one thread a network."""

    name = "cpu"

    def workspace(self, network: Network) -> CpuWorkspace:
        """Make the memory for one network and thread."""
        return CpuWorkspace(network)

    def forward(self, network: Network, batch: Batch, workspace: CpuWorkspace) -> Array:
        """Compute the outputs of all frames, shape (frames, outputs)."""
        workspace.fit(batch)
        real = network.dtype.type
        x = batch.inputs
        for k, (layer, w) in enumerate(zip(network.architecture.layers, network.pieces, strict=True)):
            y = workspace.h[k][batch.sequences :]
            if isinstance(layer, LSTM):
                kernels.lstm_forward(
                    x,
                    batch.counts,
                    *_flat(w, "W", "b", "R", "p"),
                    real(layer.bias),
                    workspace.gates[k],
                    workspace.c[k],
                    workspace.h[k],
                    workspace.recurrent_forward[k],
                )
            else:
                kernels.linear_forward(x, w["W"], w["b"], real(layer.bias), y)
            x = y
        return x

    def backward(
        self,
        network: Network,
        batch: Batch,
        workspace: CpuWorkspace,
        signal: Array,
        gradient: Array,
        delta_limit: float = 1.0,
    ) -> None:
        """Write dE/dw into `gradient`, shape (parameters,)."""
        real = network.dtype.type
        layers = network.architecture.layers
        gradients = network.architecture.views(gradient)
        error = np.ascontiguousarray(signal, network.dtype)
        for k in reversed(range(len(layers))):
            layer, w, dw = layers[k], network.pieces[k], gradients[k]
            x = workspace.h[k - 1][batch.sequences :] if k else batch.inputs
            below = workspace.error[k - 1] if k else workspace.nobody
            if isinstance(layer, LSTM):
                kernels.lstm_backward(
                    error,
                    x,
                    batch.counts,
                    *_flat(w, "W", "R", "p"),
                    real(layer.bias),
                    real(delta_limit),
                    workspace.gates[k],
                    workspace.c[k],
                    workspace.h[k],
                    workspace.carry[k],
                    workspace.recurrent_backward[k],
                    workspace.h_before[k],
                    *_flat(dw, "W", "b", "R", "p"),
                    below,
                )
            else:
                kernels.linear_backward(error, x, w["W"], real(layer.bias), dw["W"], dw["b"], below)
            error = below

    def update(self, weights: Array, deltas: Array, gradient: Array, sgd: SGD) -> None:
        """Δ ← μ Δ − η g, w ← w + Δ, in place."""
        real = weights.dtype.type
        kernels.momentum_update(weights, deltas, gradient, real(sgd.learning_rate), real(sgd.momentum))


def _flat(pieces: dict[str, Array], *names: str) -> list[Array]:
    """Pieces as the kernels take them: the four gates one below the other."""
    shapes = {"W": (-1, pieces["W"].shape[-1]), "b": (-1,), "R": (-1, pieces["R"].shape[-1])}
    return [pieces[name].reshape(shapes[name]) if name in shapes else pieces[name] for name in names]
