"""Training speed of networks that learn from sound itself: ours and PyTorch's, on the default fronts.

    python -m benchmarks.front [--rounds N]

One step of training (forward, backward, update of all weights) of ten pieces of 60 rows, from data in memory:
a front of convolutions, an LSTM layer of 30 units without peepholes and a linear output, in single precision.
Gradients are compared first; then the two take turns, one thread each.  PyTorch's convolutions have the
channels last, as ours, or first, whichever is faster.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.measuring import alternate, publish
from benchmarks.torch_network import TorchNetwork
from lstmcore import LSTM, SGD, SSE, Convolution, Linear, MaxPool, Network, SequenceSet, get_backend
from lstmcore.batches import pack
from lstmcore.experiments.config.front import front_layers
from lstmcore.experiments.training.front import started
from lstmcore.features.sound_names import block_shape
from lstmcore.layers import BlockLayer
from lstmcore.network import Architecture, initial_network

PIECES, FRAMES, UNITS, OUTPUTS = 10, 60, 30, 2
RATE = SGD(1e-6, momentum=0.9)
TITLE = """A step of training of a network with a front: ten pieces of 60 rows, one thread each
ms: median; x torch: how many times faster ours is, with quartiles; differs: gradients, of the largest"""


class TorchFront(torch.nn.Module):
    """Convolutions and pools within a row, and the layers above them.

    Parameters
    ----------
    network
        Its weights are copied, but for the peepholes.
    last
        Whether the channels lie last in memory.
    """

    def __init__(self, network: Network, *, last: bool) -> None:
        super().__init__()
        a = network.architecture
        self.front = [layer for layer in a.layers if isinstance(layer, BlockLayer)]
        self.last, depth = last, len(self.front)
        self.filters = torch.nn.ModuleList()
        for layer, pieces in zip(self.front, network.parameters, strict=False):
            if not isinstance(layer, Convolution):
                continue
            conv = torch.nn.Conv2d(layer.shape[2], layer.filters, layer.window, layer.stride)
            with torch.no_grad():
                conv.weight.copy_(torch.from_numpy(pieces["W"].transpose(0, 3, 1, 2).copy()))
                conv.bias.copy_(torch.from_numpy(pieces["b"].copy()))
            self.filters.append(conv)
        above = Architecture(self.front[-1].size, a.layers[depth:])
        first = sum(p.size for p in a.parameters if p.layer < depth)
        self.above = TorchNetwork(Network(above, network.weights[first:].copy()))
        if last:
            self.to(memory_format=torch.channels_last)

    def forward(self, x: Any) -> Any:
        """Compute the outputs [T, n, O] from the inputs [T, n, P]."""
        time, bands, channels = self.front[0].shape
        y = x.reshape(-1, time, bands, channels).permute(0, 3, 1, 2)
        y = y.contiguous(memory_format=torch.channels_last if self.last else torch.contiguous_format)
        filters = iter(self.filters)
        for layer in self.front:
            if isinstance(layer, Convolution):
                y = next(filters)(y)
                y = torch.relu(y) if layer.activation == "relu" else torch.tanh(y)
                continue
            times, across, together = layer.window_shape
            pool = (
                torch.nn.functional.max_pool2d
                if isinstance(layer, MaxPool)
                else torch.nn.functional.avg_pool2d
            )
            y = pool(y, (times, across))
            if together > 1:
                groups = y.reshape(y.shape[0], -1, together, *y.shape[2:])
                y = groups.amax(2) if isinstance(layer, MaxPool) else groups.mean(2)
        y = y.permute(0, 2, 3, 1).reshape(x.shape[0], x.shape[1], -1)
        return self.above(y)


def network_on(feature_set: str) -> Network:
    """Make a network with the default front of a set, its peepholes 0."""
    front = front_layers(None, feature_set, 1.0)
    inputs = math.prod(block_shape(feature_set))
    layers = [*front, LSTM(UNITS), Linear(OUTPUTS)]
    network = started(initial_network(inputs, layers, np.random.default_rng(1)))
    network.parameters[len(front)]["p"][:] = 0
    return network


def pieces_of(inputs: int) -> SequenceSet:
    """Make standardised random inputs and targets."""
    generator = np.random.default_rng(2)
    x = generator.standard_normal((PIECES * FRAMES, inputs), np.float32)
    y = generator.uniform(-1, 1, (PIECES * FRAMES, OUTPUTS)).astype(np.float32)
    return SequenceSet(x, y, np.full(PIECES, FRAMES))


def our_step(network: Network, data: SequenceSet) -> tuple[Callable[[], None], Any]:
    """Return a step of our training, and where its gradient is left."""
    backend, everyone = get_backend("cpu"), np.arange(len(data))
    workspace = backend.workspace(network)
    gradient, velocity = np.zeros_like(network.weights), np.zeros_like(network.weights)

    def step() -> None:
        batch = pack(data, everyone)
        outputs = backend.forward(network, batch, workspace)
        signal = SSE.signal(outputs, batch.targets, batch.sequence)
        backend.backward(network, batch, workspace, signal, gradient)
        backend.update(network.weights, velocity, gradient, RATE)

    return step, gradient


def torch_step(model: TorchFront, data: SequenceSet) -> Callable[[], None]:
    """Return a step of PyTorch's training; its gradient stays in the parameters."""
    shape = (PIECES, FRAMES, -1)
    inputs = torch.from_numpy(data.inputs.reshape(shape)).transpose(0, 1).contiguous()
    targets = torch.from_numpy(data.targets.reshape(shape)).transpose(0, 1).contiguous()
    weights = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(weights, RATE.learning_rate, RATE.momentum, foreach=True)

    def step() -> None:
        optimiser.zero_grad()
        error = model(inputs) - targets
        (0.5 * (error * error).sum()).backward()
        optimiser.step()

    return step


def difference(network: Network, model: TorchFront, gradient: Any) -> float:
    """Return the largest difference of the filters' gradients, relative to the largest of them."""
    ours = [
        pieces["W"] for pieces in network.architecture.views(gradient) if pieces and pieces["W"].ndim == 4
    ]
    theirs = [conv.weight.grad.numpy().transpose(0, 2, 3, 1) for conv in model.filters]
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(ours, theirs, strict=True))


def one_case(feature_set: str, rounds: int) -> dict[str, Any]:
    """Check, then time one front; return a row of the table."""
    network = network_on(feature_set)
    data = pieces_of(network.architecture.input_size)
    models = {
        f"torch {'last' if last else 'first'}": TorchFront(network, last=last) for last in (True, False)
    }
    step, gradient = our_step(network.copy(), data)
    steps = {name: torch_step(model, data) for name, model in models.items()}
    step()
    for one in steps.values():
        one()
    apart = max(difference(network, model, gradient) for model in models.values())
    if apart > 1e-3:
        raise SystemExit(f"{feature_set}: our gradient differs from PyTorch's by {apart:.1e}")
    timings = alternate({"ours": step, **steps}, rounds)
    best = min(steps, key=lambda name: timings[name].median)
    low, high = timings["ours"].spread(timings[best])
    return {
        "features": feature_set,
        "ours ms": 1000 * timings["ours"].median,
        "torch ms": 1000 * timings[best].median,
        "channels": best.split()[1],
        "x torch": timings["ours"].ratio(timings[best]),
        "from": low,
        "to": high,
        "differs": float(f"{apart:.1e}"),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Training speed of fronts against PyTorch.")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(1, user_api="blas"):
        rows = [one_case(name, arguments.rounds) for name in ("log-mel", "waveform")]
    publish("front", TITLE, rows, ["torch"])
