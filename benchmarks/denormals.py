"""Whether numbers too small to be normal make anything slower.

    python -m benchmarks.denormals

Many processors take a hundred cycles more for a product with such a number.  They come up in
saturated gates, with tiny weights or inputs, in cell states that fade in silence, and in momentum that fades
while gradients are 0.  Each of these is timed in turn with ordinary numbers, in processor time
of one thread, and the ratio taken round by round; the table also says how many such numbers there were.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring import publish
from benchmarks.train import INPUTS, OUTPUTS, RATE, UNITS
from lstmcore import (
    LSTM,
    Backend,
    Linear,
    Network,
    SequenceSet,
    StreamingNetwork,
    get_backend,
    initial_network,
)
from lstmcore.batches import pack

FORGET_BIAS = 0.4  # the gate then is 0.6: the smallest number times 0.6 is rounded up to itself
Array = NDArray[np.floating]


@dataclass(frozen=True)
class Case:
    """A network and the songs it is trained on."""

    network: Network
    songs: SequenceSet


def cases(frames: int, dtype: str) -> dict[str, Case]:
    """Return the ordinary case first, then those that make small numbers."""
    generator = np.random.default_rng(1)
    layers = [*(LSTM(units) for units in UNITS), Linear(OUTPUTS)]
    network = initial_network(INPUTS, layers, generator, dtype=dtype)
    inputs = generator.standard_normal((frames, INPUTS))
    targets = generator.uniform(-1, 1, (frames, OUTPUTS))

    def case(weights: float = 1.0, loudness: float = 1.0) -> Case:
        scaled = Network(network.architecture, (weights * network.weights).astype(dtype))
        return Case(scaled, SequenceSet.from_lists([loudness * inputs], [targets], dtype=dtype))

    silent = inputs.copy()
    silent[10:] = 0
    fading = network.copy()
    for pieces in fading.parameters:
        pieces["b"][:] = 0
    for pieces in fading.parameters[:-1]:
        pieces["b"][2] = FORGET_BIAS
        pieces["R"][:] = 0
        pieces["p"][:] = 0
    return {
        "ordinary": case(),
        "weights x 50": case(weights=50),
        "weights x 1e-20": case(weights=1e-20),
        "weights x 1e-20, inputs x 1e-30": case(weights=1e-20, loudness=1e-30),
        "inputs x 1e-30": case(loudness=1e-30),
        "silent after 10 frames": Case(fading, SequenceSet.from_lists([silent], [targets], dtype=dtype)),
    }


def share_of_denormals(values: Array) -> float:
    """Return how many of the values that are not 0 are smaller than the smallest normal number."""
    size = np.abs(values[values != 0])
    return float((size < np.finfo(values.dtype).tiny).mean()) if len(size) else 0.0


def last_states(case: Case) -> Array:
    """Return what the network remembers after the last frame."""
    stream = StreamingNetwork(case.network)
    for frame in case.songs.inputs:
        stream.step(frame)
    return stream.state


def ratios(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Time the calls in turn; return the time of each by that of the first, round by round."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            started = time.thread_time()
            call()
            taken[name].append(time.thread_time() - started)
    first = taken[next(iter(calls))]
    return {name: [a / b for a, b in zip(own, first, strict=True)] for name, own in taken.items()}


def passes(dtype: str, frames: int, rounds: int) -> list[dict[str, Any]]:
    """Time the forward and the backward pass of all cases."""
    backend = get_backend("cpu")
    forward: dict[str, Callable[[], object]] = {}
    both: dict[str, Callable[[], object]] = {}
    gradients: dict[str, Array] = {}
    all_cases = cases(frames, dtype)
    for name, case in all_cases.items():
        gradients[name] = np.zeros_like(case.network.weights)
        forward[name], both[name] = _passes(backend, case, gradients[name])
    rows = []
    for what, calls in (("forward", forward), ("forward and backward", both)):
        for name, found in ratios(calls, rounds).items():
            small = last_states(all_cases[name]) if what == "forward" else gradients[name]
            rows.append(_row(dtype, what, name, found, small))
    return rows


def _passes(
    backend: Backend, case: Case, gradient: Array
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return the forward pass, and forward and backward pass together."""
    workspace = backend.workspace(case.network)
    batch = pack(case.songs, np.arange(1))

    def forward() -> Array:
        return backend.forward(case.network, batch, workspace)

    def both() -> None:
        outputs = forward()
        backend.backward(case.network, batch, workspace, outputs - batch.targets, gradient)

    return forward, both


def updates(dtype: str, rounds: int) -> list[dict[str, Any]]:
    """Time the update with momentum that has faded for many epochs without a gradient."""
    backend = get_backend("cpu")
    weights = cases(1, dtype)["ordinary"].network.weights
    nothing, some = np.zeros_like(weights), np.full_like(weights, 1e-3)
    faded = some.copy()
    epochs = int(np.log(np.finfo(dtype).smallest_subnormal) / np.log(RATE.momentum)) + 100
    for _ in range(epochs):
        backend.update(weights, faded, nothing, RATE)
    deltas = {"ordinary": some.copy(), "zeros": nothing.copy(), f"{epochs} updates without gradient": faded}
    calls: dict[str, Callable[[], object]] = {
        name: lambda d=d, g=some if name == "ordinary" else nothing: backend.update(weights, d, g, RATE)
        for name, d in deltas.items()
    }
    found = ratios(calls, 10 * rounds)
    return [_row(dtype, "update", name, found[name], deltas[name]) for name in calls]


def _row(dtype: str, what: str, name: str, found: list[float], small: Array) -> dict[str, Any]:
    low, middle, high = statistics.quantiles(found, n=4)
    return {
        "precision": dtype,
        "what": what,
        "case": name,
        "x ordinary time": middle,
        "lower quartile": low,
        "upper quartile": high,
        "denormal": share_of_denormals(small),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Whether denormal numbers make anything slower.")
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    rows = []
    for dtype in ("float32", "float64"):
        rows += passes(dtype, arguments.frames, arguments.rounds)
        rows += updates(dtype, arguments.rounds)
    publish("denormals", "Time of cases with denormal numbers by that of ordinary ones", rows)


if __name__ == "__main__":
    main()
