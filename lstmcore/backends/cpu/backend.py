"""The CPU backend: walks the layers; the kernels do the mathematics."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lstmcore.backends.checks import check_backward, check_forward, check_update, check_workspace
from lstmcore.backends.cpu import kernels
from lstmcore.backends.cpu.layers import CpuLayer, new_layer
from lstmcore.batches import Batch
from lstmcore.checks import kind
from lstmcore.network import Network
from lstmcore.sgd import SGD

Array = NDArray[np.floating]


class CpuWorkspace:
    """The layers with their memory, and what each got in the last forward pass.

    Parameters
    ----------
    network
        Gives layers and precision.
    """

    def __init__(self, network: Network) -> None:
        self.architecture = a = network.architecture
        self.dtype = network.dtype
        self.layers: list[CpuLayer] = [
            new_layer(layer, inputs, network.dtype)
            for layer, inputs in zip(a.layers, a.input_sizes, strict=True)
        ]
        self.inputs: list[Array] = []
        self.batch: Batch | None = None
        self._gradient: Array | None = None
        self._views: list[dict[str, Array]] = []

    def views(self, gradient: Array) -> list[dict[str, Array]]:
        """Return the gradient's pieces; a trainer comes with the same vector again and again."""
        if gradient is not self._gradient:
            self._gradient, self._views = gradient, self.architecture.views(gradient)
        return self._views


class CpuBackend:
    """Numba kernels, one thread a network."""

    name = "cpu"

    def workspace(self, network: Network) -> CpuWorkspace:
        """Make the memory for one network and thread."""
        kind("network", network, Network)
        return CpuWorkspace(network)

    def forward(self, network: Network, batch: Batch, workspace: CpuWorkspace) -> Array:
        """Compute the outputs of all frames, shape (frames, outputs)."""
        check_workspace(workspace, CpuWorkspace, network)
        check_forward(network, batch)
        x = batch.inputs
        workspace.inputs, workspace.batch = [], batch
        for layer, w in zip(workspace.layers, network.pieces, strict=True):
            workspace.inputs.append(x)
            x = layer.forward(x, batch, w)
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
        check_workspace(workspace, CpuWorkspace, network)
        check_backward(network, batch, workspace.batch, signal, gradient, delta_limit)
        gradients = workspace.views(gradient)
        error = np.ascontiguousarray(signal, network.dtype)
        for k in reversed(range(len(workspace.layers))):
            error = workspace.layers[k].backward(
                error, workspace.inputs[k], batch, network.pieces[k], gradients[k], delta_limit, k > 0
            )

    def update(self, weights: Array, deltas: Array, gradient: Array, sgd: SGD) -> None:
        """Δ ← μ Δ − η g, w ← w + Δ, in place."""
        check_update(weights, deltas, gradient, sgd)
        real = weights.dtype.type
        kernels.momentum_update(weights, deltas, gradient, real(sgd.learning_rate), real(sgd.momentum))
