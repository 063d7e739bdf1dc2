"""What the CUDA benchmark compares: ours on GPU and CPU and PyTorch's ways, and whether they agree."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
import torch

from benchmarks.torch_ensemble import PLAIN, Cell, TorchTraining, Work, cell_backward, cell_forward
from benchmarks.torch_network import WithoutPeepholes
from benchmarks.train import paper_network, songs
from lstmcore import (
    SGD,
    Backend,
    EpochReport,
    Network,
    SequenceSet,
    Sets,
    Trainer,
    Training,
    TrainingSettings,
    train,
)
from lstmcore.experiments.jobs.executor import Threads

LIMITS = {"float32": 1e-4, "float64": 1e-10}
"""Of the difference of weights, relative to the largest weight."""

_RATE, _SONGS, _FRAMES, _TOGETHER, _EPOCHS = SGD(1e-5, momentum=0.9), 20, 60, 10, 10
_LEAST_MOVED = 1e-2  # by some weight, else equal weights say nothing


class _Enough(Exception):
    """All epochs that were wanted are timed."""


class Ours:
    """Our networks, trained together; timed without their making, copying and first epoch."""

    def __init__(
        self,
        networks: Sequence[Network],
        work: Work,
        validation: SequenceSet | None = None,
        backend: Backend | str = "cuda",
    ) -> None:
        self._networks, self._work, self._validation, self._backend = networks, work, validation, backend

    def trainings(self, epochs: int) -> list[Training]:
        """Make a training of each network."""
        work = self._work
        settings = TrainingSettings(
            work.sgd,
            parallel_sequences=work.parallel_sequences,
            input_noise=work.noise,
            max_epochs=epochs,
            patience=epochs,
        )
        sets = Sets(work.data, self._validation)
        return [Training(network, sets, settings, seed=k) for k, network in enumerate(self._networks)]

    def seconds(self, repeats: int) -> float:
        """Return the time of so many epochs of all networks, s.

        Trainings are stopped before their end, at which the best network's outputs are looked at on the CPU.
        """
        ends: dict[int, float] = {}

        def on_epoch(place: int, report: EpochReport, trainer: Trainer) -> None:
            ends[report.epoch] = time.perf_counter()
            if report.epoch > repeats:
                raise _Enough

        with suppress(_Enough):
            train(self.trainings(2 + repeats), backend=self._backend, on_epoch=on_epoch)
        return ends[1 + repeats] - ends[1]


class OurCpu(Ours):
    """Our networks on all cores, one network a core."""

    def __init__(self, networks: Sequence[Network], work: Work, workers: int) -> None:
        super().__init__(networks, work, backend="cpu")
        self._workers, self._made = workers, [Trainer(one) for one in self.trainings(1)]

    def seconds(self, repeats: int) -> float:
        """Return the time of so many epochs of all networks, s."""
        tasks = [trainer.run_epoch for trainer in self._made]
        started = time.perf_counter()
        for _ in range(repeats):
            Threads(self._workers).run(tasks, threading.Event())
        return time.perf_counter() - started


def torch_epoch(training: TorchTraining, work: Work) -> Callable[[], None]:
    """Return an epoch in a new random order."""

    def epoch() -> None:
        training.epoch(torch.rand(training.count, len(work.data), device=training.device).argsort(1))
        if training.device == "cuda":
            torch.cuda.synchronize()

    return epoch


def ways() -> dict[str, tuple[bool, bool, Cell]]:
    """Return PyTorch's candidates: whether stacked, whether a graph, and the cell."""
    compiled = (torch.compile(cell_forward, dynamic=False), torch.compile(cell_backward, dynamic=False))
    return {
        "cudnn": (False, False, PLAIN),
        "cudnn graph": (False, True, PLAIN),
        "stacked": (True, True, PLAIN),
        "stacked compiled": (True, True, compiled),
    }


def check_cpu(precision: str, backend: Backend | str = "cuda") -> float:
    """Train on both of our backends; return the largest difference of the weights by the largest weight."""
    network, data = paper_network(precision), songs(_SONGS, _FRAMES, precision)
    for pieces in network.parameters[:-1]:
        pieces["p"][:] = np.random.default_rng(4).uniform(-0.1, 0.1, pieces["p"].shape)
    settings = TrainingSettings(_RATE, parallel_sequences=_TOGETHER, max_epochs=_EPOCHS, patience=_EPOCHS)
    training = Training(network, Sets(data, data), settings, seed=5)
    ours, theirs = (train([training], backend=one) for one in (backend, "cpu"))
    moved = float(np.abs(theirs[0].weights - network.weights).max())
    difference = np.abs(ours[0].weights - theirs[0].weights).max() / np.abs(theirs[0].weights).max()
    if not (difference < LIMITS[precision] and moved > _LEAST_MOVED):
        raise SystemExit(
            f"cuda and cpu differ by {difference:.1e} after 10 epochs in {precision}; expected below "
            f"{LIMITS[precision]:g} (the weights have moved by {moved:.1e})"
        )
    return float(f"{difference:.1e}")


def check_torch(training: TorchTraining, networks: Sequence[Network], work: Work) -> float:
    """Train PyTorch's networks for an epoch without noise; return the difference from ours on the CPU."""
    count = len(work.data)
    orders = np.stack([np.random.default_rng(k).permutation(count) for k in range(len(networks))])
    training.epoch(torch.from_numpy(orders).to(training.device))
    settings = TrainingSettings(work.sgd, parallel_sequences=work.parallel_sequences, max_epochs=1)
    backend, worst = WithoutPeepholes(), 0.0
    for network, order, found in zip(networks, orders, training.weights(networks[0]), strict=True):
        training = Training(network, Sets(work.data), settings, seed=1, order=lambda _, order=order: order)
        (ours,) = train([training], backend=backend)
        worst = max(worst, float(np.abs(ours.weights - found).max() / np.abs(ours.weights).max()))
    if not worst < LIMITS["float32"]:
        raise SystemExit(f"PyTorch's weights differ from ours by {worst:.1e} after an epoch")
    return float(f"{worst:.1e}")


def check_all() -> dict[str, float]:
    """Check our backends against each other and PyTorch's candidates against ours."""
    found = {f"cuda against cpu, 10 epochs, {precision}": check_cpu(precision) for precision in LIMITS}
    networks = [paper_network(seed=k) for k in range(3)]
    work = Work(songs(_SONGS, _FRAMES), _TOGETHER, _RATE)
    for name, (stacked, graph, cell) in ways().items():
        some = networks if stacked else networks[:1]
        training = TorchTraining(some, work, "cuda", stacked=stacked, graph=graph, cell=cell)
        found[f"PyTorch, {name}, against cpu, 1 epoch"] = check_torch(training, some, work)
    return found
