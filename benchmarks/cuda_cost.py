"""What training costs at least, and what the GPU does at most: which of both bounds a time."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch

from benchmarks.train import INPUTS, UNITS, operations, paper_network


@dataclass(frozen=True)
class Cost:
    """Floating-point operations, and bytes moved."""

    operations: float
    bytes: float


@dataclass(frozen=True)
class Rates:
    """What the device does at most: operations of a large product and bytes of a copy, per second."""

    operations: float
    bytes: float

    def shares(self, cost: Cost, seconds: float) -> tuple[float, float]:
        """Return the parts of a time that operations and bytes would take."""
        return cost.operations / self.operations / seconds, cost.bytes / self.bytes / seconds

    def bound(self, cost: Cost, seconds: float) -> str:
        """Say what bounds a time."""
        computing, moving = self.shares(cost, seconds)
        if max(computing, moving) < 0.5:
            return "time loop"
        return "operations" if computing > moving else "bytes"


def cost(networks: int, updates: int, rows: int) -> Cost:
    """Return the least that so many updates of some networks on so many rows (frames of songs) each cost.

    Weights, momentum and gradient are read and the gradient, weights and momentum written in each
    update.  Of a layer with P inputs and E units, forward: inputs read, net inputs written and read,
    gates, cell state and output written; backward: gates, both cell states, error and output read,
    deltas written and read by each of three products, inputs read and, above the first, their error written.
    """
    values = 0
    for layer, (p, e) in enumerate(zip((INPUTS, *UNITS), UNITS, strict=False)):
        forward = p + 2 * 4 * e + 4 * e + 2 * e
        backward = 4 * e + 2 * e + 2 * e + 4 * 4 * e + p + (p if layer else 0)
        values += forward + backward
    parameters = paper_network().architecture.parameter_count
    moved = 4 * networks * updates * (6 * parameters + rows * values)
    return Cost(networks * updates * rows * operations(), moved)


def step_cost(networks: int, count: int) -> Cost:
    """Return what a step of the first layer forward costs, its part of the input product included."""
    p, e = INPUTS, UNITS[0]
    return Cost(2 * 4 * e * (p + e) * count * networks, 4 * networks * count * (p + 14 * e))


def measured_rates() -> Rates:
    """Measure a copy of 1 GiB and a product of 8192 x 8192 matrices in single precision."""
    source = torch.empty(2**28, device="cuda")
    target = torch.empty_like(source)
    copy = _event_seconds(lambda: target.copy_(source))
    size = 8192
    a, out = torch.randn(size, size, device="cuda"), torch.empty(size, size, device="cuda")
    product = _event_seconds(lambda: torch.mm(a, a, out=out))
    return Rates(2 * size**3 / product, 2 * 2**30 / copy)


def _event_seconds(call: Callable[[], object], rounds: int = 15) -> float:
    """Return the median time of a call by the device's own clock, s."""
    taken = []
    for turn in range(rounds + 3):
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        call()
        last.record()
        last.synchronize()
        if turn >= 3:
            taken.append(first.elapsed_time(last) / 1e3)
    return statistics.median(taken)
