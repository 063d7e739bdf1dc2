"""The wall time of an experiment, folds × trials on all cores: ours and PyTorch's.

    python -m benchmarks.experiment [--networks paper] [--parallel-sequences 1 5] [--add]

Two scripts in PyTorch do the same: one written straight down (`benchmarks.torch_experiment_plain`), one
with care (`benchmarks.torch_experiment_careful`).  Ours are `lstmcore.Trainer` in the threads of
`lstmcore.experiments.jobs.executor`.  All train as many networks of the same size on the same random
songs, with input noise, SGD with momentum and a validation after each epoch, for a fixed number of
epochs; ours have peepholes besides.  That an epoch without noise comes to the same validation error
is checked first.
Data are in memory and processes started before the clock runs.

Run it on a machine that does nothing else: PyTorch's threads wait for each other after every piece of
work, and where one has lost its core to somebody, that is long.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks import torch_experiment_careful as careful, torch_experiment_plain as straight
from benchmarks.experiment_plan import Plan
from benchmarks.measuring import Timing, publish, with_earlier
from benchmarks.torch_network import TorchNetwork
from lstmcore import (
    LSTM,
    SGD,
    Linear,
    Network,
    SequenceSet,
    Sets,
    Trainer,
    Training,
    TrainingSettings,
    initial_network,
)
from lstmcore.backends import Backend
from lstmcore.backends.cpu.backend import CpuBackend, CpuWorkspace
from lstmcore.batches import Batch
from lstmcore.experiments.jobs.executor import Threads

Array = NDArray[np.floating]

WORKERS = 2
PAUSE = 0.2  # s before each turn: a process with real-time priority is stopped now and then unless it rests
TOLERANCE = 1e-6  # of the validation error after an epoch, relative; the epoch moves it by 2e-4 and more
NETWORKS = {"paper": (200, 150, 25), "quickstart": (16, 8)}


def new_network(plan: Plan, seed: np.random.SeedSequence) -> Network:
    """Make a network with random weights."""
    layers = [*(LSTM(units) for units in plan.hidden), Linear(plan.outputs)]
    return initial_network(plan.inputs, layers, np.random.default_rng(seed))


def train_network(
    plan: Plan, trial: int, fold: int, network: Network | None = None, backend: Backend | str = "cpu"
) -> list[float]:
    """Train one of our networks; return the validation error per frame after each epoch."""
    seed = np.random.SeedSequence((1, trial, fold))
    sets = []
    for songs in plan.split(fold):
        x, y = (a[songs].reshape(len(songs) * plan.frames, -1) for a in plan.data())
        sets.append(SequenceSet(x, y, np.full(len(songs), plan.frames)))
    settings = TrainingSettings(
        sgd=SGD(plan.learning_rate, plan.momentum),
        parallel_sequences=plan.parallel_sequences,
        shuffle=plan.shuffle,
        input_noise=plan.input_noise,
        max_epochs=plan.epochs,
    )
    network = network or new_network(plan, seed)
    trainer = Trainer(Training(network, Sets(*sets), settings, seed), backend=backend)
    errors = [trainer.run_epoch().validation_error_per_frame or np.nan for _ in range(plan.epochs)]
    trainer.best_network()
    return errors


class _WithoutPeepholes(CpuBackend):
    """Leaves the peepholes what they are: PyTorch has none."""

    def backward(
        self,
        network: Network,
        batch: Batch,
        workspace: CpuWorkspace,
        signal: Array,
        gradient: Array,
        delta_limit: float = 1.0,
    ) -> None:
        super().backward(network, batch, workspace, signal, gradient, delta_limit)
        for pieces in network.architecture.views(gradient)[:-1]:
            pieces["p"][:] = 0


class _PassByPass(CpuBackend):
    """A class of its own, whose every pass is a call."""


def difference(plan: Plan) -> float:
    """Return how far their validation errors after an epoch without noise are from ours, relative.

    Ours by many updates in one call must be the same as pass by pass, noise included.
    """
    if train_network(plan, 0, 0) != train_network(plan, 0, 0, backend=_PassByPass()):
        return float("inf")
    plan = replace(plan, epochs=1, input_noise=0.0, shuffle=False, learning_rate=1e-4)
    network = new_network(plan, np.random.SeedSequence(1))
    for pieces in network.parameters[:-1]:
        pieces["p"][:] = 0
    weights = TorchNetwork(network).state_dict()
    (ours,) = train_network(plan, 0, 0, network, _WithoutPeepholes())
    found = []
    for module, batch_first in ((straight, True), (careful, False)):
        model = straight.MoodNetwork(plan.inputs, plan.hidden, plan.outputs, batch_first)
        model.load_state_dict(weights)
        for lstm in model.hidden:
            lstm.bias_hh_l0.requires_grad_(False)  # our cell has one bias
        found += module.train_network(plan, 0, module.load(plan), model)
    return float(max(abs(theirs / ours - 1) for theirs in found))


Run = Callable[[Plan], float]  # does the whole experiment; returns the processor time, s


def ours(workers: int, plan: Plan) -> float:
    """Train all our networks."""
    started = time.process_time()
    tasks = [partial(train_network, plan, trial, fold) for trial, fold in plan.networks()]
    Threads(workers).run(tasks, threading.Event())
    return time.process_time() - started


@contextmanager
def candidates() -> Iterator[dict[str, Run]]:
    """Start the processes; yield who takes part."""
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(1, context) as one,
        ProcessPoolExecutor(WORKERS, context, careful.one_thread) as several,
    ):

        def straightforward(plan: Plan) -> float:
            return one.submit(straight.train_all, plan).result()

        def with_care(plan: Plan) -> float:
            folds = [fold for _, fold in plan.networks()]
            return sum(several.map(careful.train_one, [plan] * len(folds), folds))

        yield {
            f"ours, {WORKERS} workers": partial(ours, WORKERS),
            "ours, 1 worker": partial(ours, 1),
            "PyTorch, straight": straightforward,
            "PyTorch, careful": with_care,
        }


def measure(plan: Plan, runs: dict[str, Run], rounds: int) -> tuple[dict[str, Timing], dict[str, float]]:
    """Let all do the experiment in turn; return their times and the median of their processor times, s."""
    for run in runs.values():
        run(replace(plan, folds=WORKERS, trials=1, epochs=1))  # to be warm
    taken: dict[str, list[float]] = {name: [] for name in runs}
    busy: dict[str, list[float]] = {name: [] for name in runs}
    names = list(runs)
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            time.sleep(PAUSE)
            started = time.perf_counter()
            busy[name].append(runs[name](plan))
            taken[name].append(time.perf_counter() - started)
            print(f"  round {turn + 1} of {rounds}: {name}, {taken[name][-1]:.1f} s", flush=True)
    timings = {name: Timing(tuple(seconds)) for name, seconds in taken.items()}
    return timings, {name: float(np.median(seconds)) for name, seconds in busy.items()}


def one_case(name: str, plan: Plan, runs: dict[str, Run], rounds: int) -> list[dict[str, Any]]:
    """Check, then time one network and number of songs in a batch; return one row per candidate."""
    differs = difference(plan)
    if not differs <= TOLERANCE:
        raise SystemExit(f"{name}: validation errors after an epoch differ by {differs:.1e}")
    timings, busy = measure(plan, runs, rounds)
    first = next(iter(runs))
    rows = []
    for candidate, timing in timings.items():
        low, high = timings[first].spread(timing)
        rows.append(
            {
                "network": name,
                "songs a batch": plan.parallel_sequences,
                "candidate": candidate,
                "s": timing.median,
                "processor s": busy[candidate],
                f"times {first}": timings[first].ratio(timing),
                "lower quartile": low,
                "upper quartile": high,
                "errors differ": differs,
                "load": os.getloadavg()[0],
            }
        )
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description="Folds × trials on all cores against PyTorch.")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--parallel-sequences", type=int, nargs="+", default=[1, 5, 10])
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=1)
    parser.add_argument("--songs", type=int, default=220)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--add", action="store_true", help="keep the rows of other cases that were measured")
    a = parser.parse_args()
    rows = []
    torch.set_num_threads(1)  # in this process PyTorch only checks
    with threadpool_limits(1, user_api="blas"), candidates() as runs:
        for name in a.networks:
            for songs in a.parallel_sequences:
                print(f"{name}, {songs} songs a batch", flush=True)
                plan = Plan(NETWORKS[name], songs, a.folds, a.trials, a.songs, a.frames, a.epochs)
                rows += one_case(name, plan, runs, a.rounds)
    if a.add:
        rows = [dict(row) for row in with_earlier("experiment", rows, ("network", "songs a batch"))]
        rows.sort(key=lambda row: (list(NETWORKS).index(row["network"]), row["songs a batch"]))
    title = f"{a.folds} folds x {a.trials} trials, {a.songs} songs of {a.frames} frames, {a.epochs} epochs"
    publish("experiment", title, rows, ["torch"])


if __name__ == "__main__":
    main()
