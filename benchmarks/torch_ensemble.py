"""Many networks in PyTorch, trained side by side: what the CUDA benchmark compares with.

`StackedNetworks` has the weights of K networks in one array each and computes them by batched products; a
layer is one step of automatic differentiation whose backward pass is written by hand, so that the gradients
of the recurrent weights are one product over all time.  Peepholes are 0 and not trained, as in
`TorchNetwork`.
`TorchTraining` goes over data in the device's memory; its step can be kept as a CUDA graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.torch_network import TorchNetwork
from lstmcore import SGD, Network, SequenceSet

_WARM = 3  # steps before a graph is captured


def cell_forward(s: Any, c_before: Any) -> tuple[Any, Any, Any, Any]:
    """Return z, the gates i, f, o, the cell state and the output for the net inputs [K, n, 4E]."""
    units = c_before.shape[-1]
    z = torch.tanh(s[..., :units])
    gates = torch.sigmoid(s[..., units:])
    i, f, o = gates.chunk(3, -1)
    c = torch.addcmul(f * c_before, i, z)
    return z, gates, c, o * torch.tanh(c)


def cell_backward(error: Any, z: Any, gates: Any, c_before: Any, c: Any, carry: Any) -> tuple[Any, Any]:
    """Return the deltas of z, i, f, o [K, n, 4E] and what the cell state before gets."""
    i, f, o = gates.chunk(3, -1)
    squashed = torch.tanh(c)
    state = carry + error * o * (1 - squashed * squashed)
    deltas = [
        state * i * (1 - z * z),
        state * z * i * (1 - i),
        state * c_before * f * (1 - f),
        error * squashed * o * (1 - o),
    ]
    return torch.cat(deltas, -1), state * f


Cell = tuple[Callable[..., Any], Callable[..., Any]]
PLAIN: Cell = (cell_forward, cell_backward)


class _Layer(torch.autograd.Function):
    """LSTM layers of K networks: inputs [K, T, n, P], weights [K, 4E, P], [K, 4E, E] and [K, 1, 4E]."""

    @staticmethod
    def forward(ctx: Any, x: Any, w: Any, r: Any, b: Any, cell: Cell) -> Any:
        networks, steps, count, inputs = x.shape
        units = r.shape[2]
        net = torch.baddbmm(b, x.reshape(networks, -1, inputs), w.mT).view(networks, steps, count, -1)
        zero = x.new_zeros(networks, count, units)
        z, gates, c, h, turned = [], [], [zero], [zero], r.mT
        for t in range(steps):
            one = cell[0](torch.baddbmm(net[:, t], h[-1], turned), c[-1])
            for kept, value in zip((z, gates, c, h), one, strict=True):
                kept.append(value)
        ctx.kept, ctx.cell = (x, w, r, z, gates, c, h), cell
        return torch.stack(h[1:], 1)

    @staticmethod
    def backward(ctx: Any, error: Any) -> tuple[Any, ...]:
        x, w, r, z, gates, c, h = ctx.kept
        networks, steps, count, inputs = x.shape
        carry, below, deltas = torch.zeros_like(c[0]), torch.zeros_like(c[0]), []
        for t in reversed(range(steps)):
            d, carry = ctx.cell[1](error[:, t] + below, z[t], gates[t], c[t], c[t + 1], carry)
            deltas.append(d)
            below = torch.bmm(d, r)
        delta = torch.stack(deltas[::-1], 1).view(networks, steps * count, -1)
        before = torch.stack(h[:-1], 1).view(networks, steps * count, -1)
        down = torch.bmm(delta, w).view(x.shape) if ctx.needs_input_grad[0] else None
        rows = x.reshape(networks, -1, inputs)
        return down, torch.bmm(delta.mT, rows), torch.bmm(delta.mT, before), delta.sum(1, keepdim=True), None


class StackedNetworks(torch.nn.Module):
    """K networks of the same LSTM layers under a linear one; their weights are copied, but for the peepholes.

    Parameters
    ----------
    networks
        The networks.
    cell
        What computes the cells, forward and backward; may be compiled.
    """

    def __init__(self, networks: Sequence[Network], cell: Cell = PLAIN) -> None:
        super().__init__()
        self._cell = cell
        self.pieces = torch.nn.ParameterList()
        for layer in range(len(networks[0].parameters)):
            for name in ("W", "R", "b"):
                if name in networks[0].parameters[layer]:
                    values = np.stack([network.parameters[layer][name] for network in networks])
                    rows = (len(networks), 1, -1) if name == "b" else (len(networks), -1, values.shape[-1])
                    self.pieces.append(torch.nn.Parameter(torch.from_numpy(values.reshape(rows).copy())))

    def forward(self, x: Any) -> Any:
        """Compute the outputs [K, T, n, O] from the inputs [K, T, n, P]."""
        *hidden, w, b = self.pieces
        for k in range(0, len(hidden), 3):
            x = _Layer.apply(x, *hidden[k : k + 3], self._cell)
        y = torch.baddbmm(b, x.reshape(x.shape[0], -1, x.shape[-1]), w.mT)
        return y.view(*x.shape[:3], -1)

    def flat(self, network: Network) -> NDArray[np.floating]:
        """Put the weights into our order, shape (networks, parameters); peepholes are 0."""
        names = [(k, n) for k, p in enumerate(network.parameters) for n in ("W", "R", "b") if n in p]
        arrays = [piece.detach().cpu().numpy() for piece in self.pieces]
        vectors = np.zeros((len(arrays[0]), len(network.weights)), network.dtype)
        for number, vector in enumerate(vectors):
            views = network.architecture.views(vector)
            for (layer, name), array in zip(names, arrays, strict=True):
                views[layer][name][:] = array[number].reshape(views[layer][name].shape)
        return vectors


@dataclass(frozen=True)
class Work:
    """What is trained how, by every candidate.

    Parameters
    ----------
    data
        Songs of one length.
    parallel_sequences
        Songs of an update.
    sgd
        Learning rate and momentum.
    noise
        Standard deviation of the noise on the inputs.
    """

    data: SequenceSet
    parallel_sequences: int
    sgd: SGD
    noise: float = 0.0


class TorchTraining:
    """Trains networks in PyTorch: one by ``torch.nn.LSTM`` (cuDNN on a GPU), or K stacked.

    Parameters
    ----------
    networks
        Where to start from.
    work
        What is trained how.
    device
        PyTorch's name of the device.
    stacked
        Whether by `StackedNetworks`; else there must be one network.
    graph
        Whether a step is captured as a CUDA graph.
    cell
        Of the stacked networks.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        work: Work,
        device: str,
        *,
        stacked: bool,
        graph: bool = False,
        cell: Cell = PLAIN,
    ) -> None:
        assert stacked or len(networks) == 1
        self.count, self.device, self._work = len(networks), device, work
        self.model: Any = (StackedNetworks(networks, cell) if stacked else TorchNetwork(networks[0])).to(
            device
        )
        self._stacked, frames = stacked, int(work.data.lengths[0])
        shape = (len(work.data), frames, -1)
        self._inputs, self._targets = (
            torch.from_numpy(array.reshape(shape)).to(device)
            for array in (work.data.inputs, work.data.targets)
        )
        weights = [p for p in self.model.parameters() if p.requires_grad]
        self._optimiser = torch.optim.SGD(weights, work.sgd.learning_rate, work.sgd.momentum, foreach=True)
        n, kinds = work.parallel_sequences, (self._inputs, self._targets)
        lead = (self.count, frames, n) if stacked else (frames, n)
        self._x, self._y = (
            torch.zeros(*lead, array.shape[-1], dtype=array.dtype, device=device) for array in kinds
        )
        self._replay = self._captured() if graph else self._step

    def _step(self) -> None:
        self._optimiser.zero_grad(set_to_none=True)
        error = self.model(self._x) - self._y
        (0.5 * (error * error).sum()).backward()
        self._optimiser.step()

    def _captured(self) -> Callable[[], None]:
        """Return a step as a graph; the targets are the outputs till then, so that no weight moves."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM):
                with torch.no_grad():
                    self._y.copy_(self.model(self._x))
                self._step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step()
        return graph.replay

    def _fill(self, buffer: Any, songs: Any, chosen: Any) -> None:
        """Put songs [networks, n] into a buffer, time before songs."""
        found = songs[chosen]  # [K, n, T, P]
        buffer.copy_(found.transpose(1, 2) if self._stacked else found[0].transpose(0, 1))

    def epoch(self, orders: Any) -> None:
        """Update once for each group of songs; `orders` is of the device, shape (networks, songs)."""
        for chosen in orders.split(self._work.parallel_sequences, 1):
            self._fill(self._x, self._inputs, chosen)
            self._fill(self._y, self._targets, chosen)
            if self._work.noise:
                self._x.add_(torch.randn_like(self._x), alpha=self._work.noise)
            self._replay()

    def weights(self, network: Network) -> NDArray[np.floating]:
        """Return the weights in our order, shape (networks, parameters), peepholes 0."""
        return self.model.flat(network) if self._stacked else self.model.flat(network, gradient=False)[None]
