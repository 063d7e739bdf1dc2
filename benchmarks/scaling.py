"""How time and memory of a training step grow with what is trained.

    python -m benchmarks.scaling

One step (forward, backward, update) with 260 inputs, in single precision, against the frames of a song, the
songs of an update, the layers and the units.  Times are processor time of one thread, in turn; an
exponent of 1 means that twice as much takes twice as long.  Memory is the most a fresh process
held (Linux only), less what one held that took a step with one unit and one frame.  At last, the memory
of whole trainings with the paper's network.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lstmcore import (
    LSTM,
    SGD,
    Linear,
    Network,
    SequenceSet,
    Sets,
    Training,
    TrainingSettings,
    get_backend,
    initial_network,
    pack,
    train,
)

INPUTS, OUTPUTS, PAPER = 260, 2, [200, 150, 25]
RATE = SGD(1e-6, momentum=0.9)

# What is varied: its values, and what each means as (hidden layers, songs, frames a song).
SWEEPS: dict[str, tuple[list[int], Callable[[int], tuple[list[int], int, int]]]] = {
    "frames": ([15, 30, 60, 120, 240, 480, 960], lambda v: (PAPER, 5, v)),
    "songs": ([1, 3, 10, 30, 100, 430], lambda v: (PAPER, v, 60)),
    "layers of 100": ([1, 2, 3, 4, 5, 6], lambda v: ([100] * v, 5, 60)),
    "units of 1 layer": ([16, 32, 64, 128, 256, 512], lambda v: ([v], 5, 60)),
}


def network_of(hidden: Sequence[int]) -> Network:
    """Make a network of LSTM layers under a linear output."""
    layers = [*(LSTM(units) for units in hidden), Linear(OUTPUTS)]
    return initial_network(INPUTS, layers, np.random.default_rng(1))


def songs(count: int, frames: int) -> SequenceSet:
    """Make random songs, without ever holding them in double precision."""
    generator = np.random.default_rng(2)
    inputs = generator.standard_normal((count * frames, INPUTS), np.float32)
    targets = generator.random((count * frames, OUTPUTS), np.float32)
    return SequenceSet(inputs, targets, np.full(count, frames))


def step_of(hidden: Sequence[int], count: int, frames: int) -> Callable[[], None]:
    """Return a step of training."""
    backend, network, data = get_backend("cpu"), network_of(hidden), songs(count, frames)
    workspace, everyone = backend.workspace(network), np.arange(count)
    gradient, deltas = np.zeros_like(network.weights), np.zeros_like(network.weights)

    def step() -> None:
        batch = pack(data, everyone)
        outputs = backend.forward(network, batch, workspace)
        backend.backward(network, batch, workspace, outputs - batch.targets, gradient)
        backend.update(network.weights, deltas, gradient, RATE)

    return step


def operations(hidden: Sequence[int]) -> int:
    """Return the floating-point operations of the products for one frame, forward and backward."""
    sizes = (INPUTS, *hidden)
    recurrent = sum(4 * e * (p + e) for p, e in zip(sizes, hidden, strict=False))
    unwanted = 4 * hidden[0] * INPUTS  # nobody asks for the error of the inputs
    return 2 * (3 * (recurrent + hidden[-1] * OUTPUTS) - unwanted)


def times(cases: Sequence[tuple[list[int], int, int]], rounds: int) -> list[float]:
    """Time a step of each case in turn; return the median of each, s."""
    steps = [step_of(*case) for case in cases]
    taken: list[list[float]] = [[] for _ in steps]
    for step in steps:
        step()
    for _ in range(rounds):
        for step, seconds in zip(steps, taken, strict=True):
            started = time.thread_time()
            step()
            seconds.append(time.thread_time() - started)
    return [statistics.median(seconds) for seconds in taken]


def held(call: str, *arguments: Any) -> float:
    """Return the most memory that a fresh process held which called a function of this module, MB."""
    code = f"import json, sys; from benchmarks import scaling; scaling.{call}(*json.loads(sys.argv[1]))"
    command = [sys.executable, "-c", f"{code}; print(scaling.peak())", json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def peak() -> float:
    """Return the most memory that this process held, MB."""
    # Not getrusage: that of a new process begins with what its parent held.
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def take_steps(hidden: list[int], count: int, frames: int) -> None:
    """Train for two steps."""
    step = step_of(hidden, count, frames)
    step()
    step()


def train_paper(parallel: int) -> None:
    """Train the paper's network for two epochs on 392 songs, watching 39, of 60 frames."""
    settings = TrainingSettings(RATE, parallel_sequences=parallel, max_epochs=2, input_noise=0.3)
    train([Training(network_of(PAPER), Sets(songs(392, 60), songs(39, 60)), settings, seed=1)])


def sweep(name: str, rounds: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Measure one sweep; return a row for each value, and one with the exponents."""
    values, case_of = SWEEPS[name]
    cases = [case_of(value) for value in values]
    seconds = times(cases, rounds)
    nothing = held("take_steps", [1], 1, 1)
    memory = [held("take_steps", *case) - nothing for case in cases]
    work = [operations(hidden) * count * frames for hidden, count, frames in cases]
    rows = [
        {
            "against": name,
            "value": value,
            "ms a step": s * 1e3,
            "us a frame": s / (count * frames) * 1e6,
            "GFLOP/s": w / s / 1e9,
            "MB": m,
            "KB a frame": m / (count * frames) * 1e3,
        }
        for value, (_, count, frames), s, w, m in zip(values, cases, seconds, work, memory, strict=True)
    ]
    exponents = {
        "against": name,
        "from": values[0],
        "to": values[-1],
        "exponent of time": exponent(values, seconds),
        "of operations": exponent(values, work),
        "of memory": exponent(values, memory),
    }
    return rows, exponents


def exponent(values: Sequence[float], results: Sequence[float]) -> float:
    """Fit result ∝ value^exponent by least squares of the logarithms."""
    return float(np.polyfit(np.log(values), np.log(results), 1)[0])


def main() -> None:
    """Run the benchmark."""
    # Not above: they would be held by the processes whose memory is measured.
    from benchmarks.measuring import publish

    parser = argparse.ArgumentParser(description="How time and memory of training grow.")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    found = [sweep(name, arguments.rounds) for name in SWEEPS]
    publish("scaling", "A training step", [row for rows, _ in found for row in rows])
    publish("scaling_exponents", "Exponents, fitted in logarithms", [exponents for _, exponents in found])
    rows = [
        {"songs side by side": parallel, "MB in all": held("train_paper", parallel)}
        for parallel in (1, 16, 392)
    ]
    publish("scaling_training", "Training the paper's network on 392 + 39 songs of 60 frames", rows)


if __name__ == "__main__":
    main()
