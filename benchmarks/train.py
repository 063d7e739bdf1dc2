"""Training speed: ours, PyTorch's and the reference's, on the paper's network.

    python -m benchmarks.train [--sequences 1 5] [--frames 60] [--add]

For each number of sequences side by side and each length, one step of training (forward,
backward, update of all weights) from data in memory.  Gradients are compared first: that of one thread with
PyTorch's, and with that of two threads, bit by bit.  Each candidate
has a process of its own, as its user would; they take turns.  PyTorch is also measured with an
allocator that gives nothing back to the system, for with one thread its step waits for fresh pages.
The arithmetic counted is that of the matrix products alone, the yardstick the rate of a large product
of NumPy's BLAS, measured in the same run.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.measuring import RESULTS, Timing, alternate, publish
from benchmarks.own_process import OwnProcess
from benchmarks.torch_network import TorchNetwork
from lstmcore import LSTM, SGD, SSE, Linear, Network, SequenceSet, get_backend, initial_network
from lstmcore.batches import choose

INPUTS, UNITS, OUTPUTS = 260, (200, 150, 25), 2
TITLE = """Training the paper's network: microseconds a frame, and times faster than PyTorch
torch: one thread; kept: one thread, memory kept; from, to: quartiles of x torch
two: our two threads; x one: by our one; x torch 2: by PyTorch's two, the better of both allocators
sgemm: GFLOP/s of a large product on one thread; share: our one thread's rate by that"""
RATE = SGD(1e-6, momentum=0.9)
# glibc's malloc: memory once taken from the system is kept and used again.
KEEPING = {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"}


def paper_network(dtype: Any = np.float32, seed: int = 1, units: Sequence[int] = UNITS) -> Network:
    """Make the paper's network 260-200-150-25-2, or one of other units, peepholes 0."""
    layers = [*(LSTM(size) for size in units), Linear(OUTPUTS)]
    network = initial_network(INPUTS, layers, np.random.default_rng(seed), dtype=dtype)
    for pieces in network.parameters[:-1]:
        pieces["p"][:] = 0
    return network


def songs(count: int, frames: int, dtype: Any = np.float32) -> SequenceSet:
    """Make standardised random inputs and targets of so many songs of so many frames."""
    generator = np.random.default_rng(2)
    inputs = generator.standard_normal((count * frames, INPUTS)).astype(dtype)
    targets = generator.uniform(-1, 1, (count * frames, OUTPUTS)).astype(dtype)
    return SequenceSet(inputs, targets, np.full(count, frames))


def operations() -> float:
    """Floating-point operations of the products for one frame: forward, and twice that backward."""
    sizes = (INPUTS, *UNITS)
    products = sum(4 * e * (p + e) for p, e in zip(sizes, UNITS, strict=False)) + UNITS[-1] * OUTPUTS
    unwanted = 4 * UNITS[0] * INPUTS  # nobody asks for the error of the inputs
    return 2.0 * (3 * products - unwanted)


def our_step(
    backend_name: str, network: Network, data: SequenceSet, threads: int = 1
) -> tuple[Callable[[], None], Any]:
    """Return a step of our training and where its gradient is left."""
    backend = get_backend(backend_name, threads)
    workspace = backend.workspace(network)
    gradient, deltas = np.zeros_like(network.weights), np.zeros_like(network.weights)
    everyone = np.arange(len(data))

    def step() -> None:
        batch = choose(data, everyone)
        outputs = backend.forward(network, batch, workspace)
        signal = SSE.signal(outputs, batch.targets, batch.sequence)
        backend.backward(network, batch, workspace, signal, gradient)
        backend.update(network.weights, deltas, gradient, RATE)

    return step, gradient


def torch_step(model: TorchNetwork, data: SequenceSet, threads: int) -> Callable[[], None]:
    """Return a step of PyTorch's training; its gradient stays in the parameters."""
    frames = int(data.lengths[0])
    shape = (len(data), frames, -1)
    inputs = torch.from_numpy(data.inputs.reshape(shape)).transpose(0, 1).contiguous()
    targets = torch.from_numpy(data.targets.reshape(shape)).transpose(0, 1).contiguous()
    weights = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(weights, RATE.learning_rate, RATE.momentum, foreach=True)

    def step() -> None:
        torch.set_num_threads(threads)
        optimiser.zero_grad()
        error = model(inputs) - targets
        (0.5 * (error * error).sum()).backward()
        optimiser.step()

    return step


def check(count: int, frames: int) -> float:
    """Return the largest difference of our gradient from PyTorch's, relative to the largest of all."""
    network, data = paper_network(), songs(count, frames)
    model = TorchNetwork(network)
    step, gradient = our_step("cpu", network.copy(), data)
    step()
    torch_step(model, data, 1)()
    theirs, ours = model.flat(network, gradient=True), gradient.copy()
    together, gradient = our_step("cpu", network.copy(), data, 2)
    together()
    if not np.array_equal(gradient, ours):
        raise SystemExit(f"{count} x {frames}: two threads' gradient is not that of one")
    for pieces in network.architecture.views(ours)[:-1]:
        pieces["p"][:] = 0
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def product_rate(size: int = 1024) -> Callable[[], object]:
    """Return a large single-precision product of NumPy's BLAS, 2 size³ operations."""
    a = np.random.default_rng(3).standard_normal((size, size)).astype(np.float32)
    out = np.empty_like(a)
    return lambda: np.dot(a, a, out)


def own_step_alone(
    backend: str, count: int, frames: int, threads: int = 1, dtype: Any = np.float32
) -> Callable[[], None]:
    """Return a step of our training, for a process of its own."""
    return our_step(backend, paper_network(dtype), songs(count, frames, dtype), threads)[0]


def torch_step_alone(count: int, frames: int, threads: int) -> Callable[[], None]:
    """Return a step of PyTorch's training, for a process of its own."""
    return torch_step(TorchNetwork(paper_network()), songs(count, frames), threads)


def one_case(count: int, frames: int, rounds: int, with_reference: bool) -> dict[str, Any]:
    """Check, then time one number of sequences and frames; return a row of the table."""
    difference = check(count, frames)
    if difference > 2e-5:
        raise SystemExit(f"{count} x {frames}: our gradient differs from PyTorch's by {difference:.1e}")
    size = count, frames
    with ExitStack() as processes:

        def alone(make: Callable[..., Callable[[], None]], *arguments: Any, **variables: str) -> OwnProcess:
            return processes.enter_context(OwnProcess(make, *arguments, variables=variables))

        candidates: dict[str, OwnProcess | Callable[[], object]] = {
            "ours": alone(own_step_alone, "cpu", *size),
            "ours2": alone(own_step_alone, "cpu", *size, 2),
            "torch1": alone(torch_step_alone, *size, 1),
            "torch1 kept": alone(torch_step_alone, *size, 1, **KEEPING),
            "torch2": alone(torch_step_alone, *size, 2),
            "torch2 kept": alone(torch_step_alone, *size, 2, **KEEPING),
            "product": product_rate(),
        }
        if with_reference:
            candidates["reference"] = alone(own_step_alone, "reference", *size, 1, np.float64)
        timings = alternate(candidates, rounds, pause=0.1)
    return _row(count, frames, timings, difference)


def _row(count: int, frames: int, timings: dict[str, Timing], difference: float) -> dict[str, Any]:
    total = count * frames
    micro = {name: timing.median / total * 1e6 for name, timing in timings.items()}
    ours, together, rate = timings["ours"], timings["ours2"], 2 * 1024**3 / timings["product"].median
    two = min(("torch2", "torch2 kept"), key=lambda name: timings[name].median)
    low, high = ours.spread(timings["torch1"])
    reference = timings.get("reference")
    return {
        "songs": count,
        "frames": frames,
        "ours us": micro["ours"],
        "torch": micro["torch1"],
        "kept": micro["torch1 kept"],
        "x torch": ours.ratio(timings["torch1"]),
        "from": low,
        "to": high,
        "x kept": ours.ratio(timings["torch1 kept"]),
        "two": micro["ours2"],
        "x one": together.ratio(ours),
        "torch 2": micro[two],
        "x torch 2": together.ratio(timings[two]),
        "x ref.": ours.ratio(reference) if reference else None,
        "GF/s": operations() / micro["ours"] / 1e3,
        "sgemm": rate / 1e9,
        "share": operations() / (micro["ours"] * 1e-6) / rate,
        "differs": float(f"{difference:.1e}"),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Training speed against PyTorch.")
    parser.add_argument("--sequences", type=int, nargs="+", default=[1, 5, 10, 40, 430])
    parser.add_argument("--frames", type=int, nargs="+", default=[60, 600])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--add", action="store_true", help="keep the rows of other sizes that were measured")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with threadpool_limits(1, user_api="blas"):
        for frames in arguments.frames:
            for count in arguments.sequences:
                if count * frames > 430 * 60:  # the activations of PyTorch's graph fill the memory
                    continue
                rows.append(one_case(count, frames, arguments.rounds, with_reference=count * frames <= 600))
                print(f"{count} sequences of {frames} frames: {rows[-1]['x torch']:.2f} x", flush=True)
    if arguments.add:
        measured = {(row["songs"], row["frames"]) for row in rows}
        before = json.loads((RESULTS / "train.json").read_text())["rows"]
        rows += [row for row in before if (row["songs"], row["frames"]) not in measured]
        rows.sort(key=lambda row: (row["frames"], row["songs"]))
    publish("train", TITLE, rows, ["torch"])


if __name__ == "__main__":
    main()
