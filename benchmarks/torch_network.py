"""The same network in PyTorch, with our weights: what the benchmarks compare with.

``torch.nn.LSTM`` has no peepholes and counts its gates i, f, g (our z), o; its peepholes would be
0, so ours are set to 0 where results are compared.  It has a second bias, which stays 0 and is not trained.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lstmcore import Network
from lstmcore.backends.cpu.backend import CpuBackend, CpuWorkspace
from lstmcore.batches import Batch

_OUR_ROW = [1, 2, 0, 3]  # of torch's gates i, f, g, o


class TorchNetwork(torch.nn.Module):
    """LSTM layers and a linear output.

    Parameters
    ----------
    network
        LSTM layers under a linear one; its weights are copied, but for the peepholes.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        a, precision = network.architecture, torch.from_numpy(network.weights).dtype
        *hidden, output = zip(a.layers, a.input_sizes, network.parameters, strict=True)
        self.hidden = torch.nn.ModuleList()
        for layer, inputs, pieces in hidden:
            lstm = torch.nn.LSTM(inputs, layer.size, dtype=precision)
            with torch.no_grad():
                lstm.weight_ih_l0.copy_(_gates(pieces["W"]))
                lstm.weight_hh_l0.copy_(_gates(pieces["R"]))
                lstm.bias_ih_l0.copy_(_gates(pieces["b"]))
                lstm.bias_hh_l0.zero_()
            lstm.bias_hh_l0.requires_grad_(False)
            self.hidden.append(lstm)
        layer, inputs, pieces = output
        self.output = torch.nn.Linear(inputs, layer.size, dtype=precision)
        with torch.no_grad():
            self.output.weight.copy_(torch.from_numpy(pieces["W"].copy()))
            self.output.bias.copy_(torch.from_numpy(pieces["b"].copy()))

    def forward(self, x: Any) -> Any:
        """Compute the outputs [T, n, O] from the inputs [T, n, P]."""
        for lstm in self.hidden:
            x, _ = lstm(x)
        return self.output(x)

    def flat(self, network: Network, *, gradient: bool) -> NDArray[np.floating]:
        """Put weights or gradients into our order, shape (parameters,); peepholes are 0."""
        vector = np.zeros_like(network.weights)
        views = network.architecture.views(vector)
        for lstm, pieces in zip(self.hidden, views[:-1], strict=True):
            for name, theirs in (("W", lstm.weight_ih_l0), ("R", lstm.weight_hh_l0), ("b", lstm.bias_ih_l0)):
                array = (theirs.grad if gradient else theirs).detach().cpu().numpy()
                pieces[name][_OUR_ROW] = array.reshape(pieces[name].shape)
        for name, theirs in (("W", self.output.weight), ("b", self.output.bias)):
            views[-1][name][:] = (theirs.grad if gradient else theirs).detach().cpu().numpy()
        return vector


def _gates(piece: NDArray[np.floating]) -> Any:
    """Turn a piece [4, E, …] into torch's rows [4E, …]."""
    return torch.from_numpy(piece[_OUR_ROW].reshape(-1, *piece.shape[2:]).copy())


class WithoutPeepholes(CpuBackend):
    """Ours with peepholes that stay what they are, for PyTorch has none to train."""

    def backward(
        self,
        network: Network,
        batch: Batch,
        workspace: CpuWorkspace,
        signal: NDArray[np.floating],
        gradient: NDArray[np.floating],
        delta_limit: float = 1.0,
    ) -> None:
        """Write dE/dw into `gradient`, 0 for the peepholes."""
        super().backward(network, batch, workspace, signal, gradient, delta_limit)
        for pieces in workspace.views(gradient):
            if "p" in pieces:
                pieces["p"][:] = 0
