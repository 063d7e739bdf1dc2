"""Where the time of a training step goes, kernel by kernel, each in its place.

    python -m benchmarks.pieces

The kernels of the CPU backend are called one after the other in the order of a step of the paper's
network, so that each finds the caches as it does in training; that the gradient is the backend's is
checked first.  A product's share is of the rate of a large product of NumPy's BLAS, measured in the same run.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.measuring import publish
from benchmarks.train import INPUTS, RATE, UNITS, operations, our_step, paper_network, product_rate, songs
from lstmcore import SSE, Network, SequenceSet, get_backend
from lstmcore.backends.cpu import feedforward, gemm as products, lstm
from lstmcore.backends.cpu.memory import aligned
from lstmcore.batches import Batch, pack

Array = NDArray[np.floating]
ONE = np.float32(1)
MOST = 16  # songs of 60 frames: a portion of the layer's pass, so that a kernel has one call per layer


def _array(*shape: int) -> Array:
    return aligned(int(np.prod(shape)), np.dtype(np.float32)).reshape(shape)


@dataclass
class _Layer:
    """An LSTM layer's weights, its part of the gradient, and memory for a batch."""

    inputs: int
    units: int
    weights: dict[str, Array]
    gradient: dict[str, Array]
    sequences: int
    frames: int

    def __post_init__(self) -> None:
        p, e, n, s = self.inputs, self.units, self.frames, self.sequences
        wide, deep = products.panel_width(np.float32, n), products.panel_width(np.float32, s)
        self.width, self.recurrent_width = wide, deep
        self.panels = _array(max(products.packed_size(p, 4 * e, wide), products.packed_size(4 * e, p, wide)))
        self.recurrent = _array(
            max(products.packed_size(e, 4 * e, deep), products.packed_size(4 * e, e, deep))
        )
        self.gates, self.c, self.h = _array(n, 4 * e), _array(n + s, e), _array(n + s, e)
        self.begin, self.below = _array(4 * e), _array(n, p)
        self.block = _array(products.block_size(4 * e, max(p, e), wide))
        self.carry, self.h_before = _array(s, e), _array(n, e)


class Step:
    """A step of training in pieces; `seconds` collects the times of each, by layer and name."""

    def __init__(self, network: Network, data: SequenceSet) -> None:
        self.network, self.data = network, data
        self.gradient, self.deltas = np.zeros_like(network.weights), np.zeros_like(network.weights)
        views = network.architecture.views(self.gradient)
        sizes = (INPUTS, *UNITS)
        shape = len(data), data.frames
        self.layers = [
            _Layer(sizes[n], sizes[n + 1], _flat(network.parameters[n]), _flat(views[n]), *shape)
            for n in range(len(UNITS))
        ]
        self.last, self.last_gradient = network.parameters[-1], views[-1]
        self.seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._since = 0.0

    def __call__(self) -> None:
        """Run it once."""
        self._since = time.perf_counter()
        batch = pack(self.data, np.arange(len(self.data)))
        self._tick("-", "batch put together")
        inputs = [batch.inputs]
        for number, layer in enumerate(self.layers, 1):
            self._forward(str(number), layer, inputs[-1], batch)
            inputs.append(layer.h[batch.sequences :])
        error = self._output(inputs[-1], batch)
        for number, layer in reversed(list(enumerate(self.layers, 1))):
            error = self._backward(str(number), layer, inputs[number - 1], batch, error)
        get_backend("cpu").update(self.network.weights, self.deltas, self.gradient, RATE)
        self._tick("-", "update")

    def _tick(self, layer: str, name: str) -> None:
        now = time.perf_counter()
        self.seconds[layer, name].append(now - self._since)
        self._since = time.perf_counter()

    def _forward(self, number: str, layer: _Layer, x: Array, batch: Batch) -> None:
        w = layer.weights
        products.pack_transposed(w["W"], layer.panels, layer.width)
        products.pack_transposed(w["R"], layer.recurrent, layer.recurrent_width)
        panels = products.packed(layer.panels, *w["W"].T.shape, layer.width)
        recurrent = products.packed(layer.recurrent, *w["R"].T.shape, layer.recurrent_width)
        self._tick(number, "weights packed")
        layer.c[: batch.sequences] = layer.h[: batch.sequences] = 0
        products.product(x, panels, w["b"], layer.gates)
        self._tick(number, "input projection")
        lstm.steps_forward(_steps(batch), recurrent, w["p"], lstm.States(layer.gates, layer.c, layer.h))
        self._tick(number, "time loop forward")

    def _output(self, x: Array, batch: Batch) -> Array:
        w, dw = self.last, self.last_gradient
        size, width = x.shape[1], products.panel_width(np.float32, len(x))
        memory, block = _array(width * 4 * size), _array(products.block_size(len(w["W"]), size, width))
        outputs, error = _array(len(x), len(w["W"])), _array(len(x), size)
        feedforward.affine_forward(x, w["W"], w["b"], ONE, width, memory, _array(len(w["W"])), outputs)
        signal = SSE.signal(outputs, batch.targets, batch.sequence)
        arguments = width, memory, block, _array(size), error, dw["W"], dw["b"]
        feedforward.affine_backward(signal, x, w["W"], ONE, *arguments)
        self._tick("-", "output layer")
        return error

    def _backward(self, number: str, layer: _Layer, x: Array, batch: Batch, error: Array) -> Array:
        w, dw, width = layer.weights, layer.gradient, layer.width
        panels = None
        if number != "1":
            products.pack(w["W"], layer.panels, width)
            panels = products.packed(layer.panels, *w["W"].shape, width)
        rows = 0 if batch.sequences == 1 else len(w["R"])
        products.pack_rows(w["R"], layer.recurrent, layer.recurrent_width, 0, rows)
        recurrent = products.packed(layer.recurrent, rows, w["R"].shape[1], layer.recurrent_width)
        self._tick(number, "weights packed")
        dw["b"][:] = dw["p"][:] = layer.carry[:] = 0
        states, scratch = (
            lstm.States(layer.gates, layer.c, layer.h),
            lstm.Scratch(layer.carry, layer.h_before),
        )
        lstm.steps_backward(error, _steps(batch), recurrent, w["R"], w["p"], ONE, states, scratch, dw["p"])
        self._tick(number, "time loop backward")
        for name, factor in (("R", layer.h[: batch.frames]), ("W", x)):  # all songs have one length
            gradient = dw[name]
            products.product_over_frames(
                layer.gates, factor, layer.block, width, True, True, 0, len(gradient), gradient
            )
            self._tick(number, f"gradient of {name}")
        products.column_sums(layer.gates, ONE, 0, len(dw["b"]), dw["b"])
        self._tick(number, "gradient of b")
        if panels is not None:
            products.product(layer.gates, panels, np.zeros(layer.inputs, np.float32), layer.below)
            self._tick(number, "error below")
        return layer.below


def _steps(batch: Batch) -> lstm.Steps:
    """All steps of a batch."""
    return lstm.Steps(batch.batch_sizes, 0, len(batch.batch_sizes), 0, batch.frames, 0, batch.sequences)


def _flat(pieces: dict[str, Array]) -> dict[str, Array]:
    """Pieces as the kernels take them, the four gates one below the other; peepholes as they are."""
    return {n: a if n == "p" else a.reshape(-1, *a.shape[2:]) for n, a in pieces.items()}


def _counted(layer: str, name: str) -> float:
    """Floating-point operations of a piece for a frame; 0 if it is no product."""
    if name in ("input projection", "gradient of W", "error below"):
        size = (INPUTS, *UNITS)[int(layer) - 1]
    elif name in ("time loop forward", "time loop backward", "gradient of R"):
        size = UNITS[int(layer) - 1]
    else:
        return 0.0
    return 8.0 * size * UNITS[int(layer) - 1]


def one_case(count: int, rounds: int) -> list[dict[str, Any]]:
    """Check, then time one number of songs of 60 frames; return the rows of the table."""
    data, network = songs(count, 60), paper_network()
    whole, expected = our_step("cpu", network.copy(), data)
    step, product = Step(network, data), product_rate()
    whole()
    step()
    difference = float(np.abs(step.gradient - expected).max() / np.abs(expected).max())
    if difference > 1e-6:
        raise SystemExit(
            f"{count} songs: the gradient in pieces differs from the backend's by {difference:.1e}"
        )
    together, large = [], []
    step.seconds.clear()
    for _ in range(rounds):
        step()
        for call, times in ((whole, together), (product, large)):
            started = time.perf_counter()
            call()
            times.append(time.perf_counter() - started)
    rate = 2 * 1024**3 / statistics.median(large)
    return _rows(count, data.frames, step, statistics.median(together), rate)


def _rows(count: int, frames: int, step: Step, whole: float, rate: float) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []

    def add(layer: str, name: str, seconds: float, counted: float) -> None:
        rows.append(
            {
                "songs": count,
                "layer": layer,
                "piece": name,
                "us a frame": seconds / frames * 1e6,
                "part of the step": seconds / whole,
                "GFLOP/s": counted * frames / seconds / 1e9 if counted else None,
                "share of sgemm": counted * frames / seconds / rate if counted else None,
            }
        )

    for (layer, name), times in sorted(step.seconds.items()):
        per_step = len(times) // len(step.seconds["-", "update"])  # weights are packed twice
        add(layer, name, statistics.median(times) * per_step, _counted(layer, name))
    add("-", "the step as the backend runs it", whole, operations())
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Where the time of a training step goes.")
    parser.add_argument("--sequences", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--rounds", type=int, default=61)
    arguments = parser.parse_args()
    if max(arguments.sequences) > MOST:
        parser.error(f"at most {MOST} sequences: the backend computes more in portions")
    with threadpool_limits(1, user_api="blas"):
        rows = [row for count in arguments.sequences for row in one_case(count, arguments.rounds)]
    publish("pieces", "A training step of the paper's network on one core, piece by piece", rows)


if __name__ == "__main__":
    main()
