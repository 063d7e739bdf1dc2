"""Training of many independent networks on a GPU, all in one launch per epoch.

    train_ensemble(trainers, on_epoch)

Networks of one shape are computed together: each by a team of blocks of its own, from its own
weights, in its own order, with its own noise, rates and sets.  The data are copied to the GPU once,
weights and momentum stay there; after each epoch some numbers of each network come back.  A network that has
stopped isn't launched again, and its place goes to the others.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmcore.backends.cuda.batch import Data
from lstmcore.backends.cuda.device import Device
from lstmcore.backends.cuda.epoch import Parameters
from lstmcore.backends.cuda.layout import STATISTICS, TEST, TRAINING, VALIDATION, DataShape, make_layout
from lstmcore.backends.cuda.members import Members
from lstmcore.backends.cuda.objectives import BINARY, MULTICLASS, NAMES
from lstmcore.backends.cuda.team import Memory
from lstmcore.backends.protocol import TrainingRun
from lstmcore.errors import DivergedError, EngineError
from lstmcore.evaluation import Evaluation
from lstmcore.problem import EpochReport, Progress, report_of
from lstmcore.sequences import SequenceSet

OnEpoch = Callable[[int, EpochReport], None]
OnDiverged = Callable[[int, DivergedError], None]

_LINE = 16  # numbers of a cache line: teams don't wait on each other's
_LASTING = ("epoch", "best_epoch", "best_error", "without_better")  # in STATISTICS and in Progress


def train_ensemble(
    trainers: Sequence[TrainingRun], on_epoch: OnEpoch | None = None, on_diverged: OnDiverged | None = None
) -> None:
    """Run trainers of the backend "cuda" to their end, those of one shape together.

    What a trainer comes to depends neither on the others nor on how many blocks compute it.

    Parameters
    ----------
    trainers
        Of one GPU.  One that is finished is left as it is.
    on_epoch
        Hears of each epoch of each trainer, by its place in `trainers`, while nothing is computed; the
        trainer's ``state`` is then that after the epoch.  If it raises, the others still hear of the same
        epoch, and then the exception ends all trainings; the ``state`` of each is what to go on from.
    on_diverged
        Hears, in the same way, of a trainer that diverged, whose ``state`` is that before the epoch.

    Raises
    ------
    DivergedError
        If a training diverged and there is no `on_diverged`; after the others have ended.
    EngineError
        If the backend can't train a network.
    """
    shapes: dict[Any, list[int]] = {}
    for place, trainer in enumerate(trainers):
        shapes.setdefault(_shape(trainer), []).append(place)
    diverged: list[DivergedError] = []

    def note(place: int, error: DivergedError) -> None:
        if on_diverged is None:
            diverged.append(DivergedError(f"network {place + 1} of {len(trainers)}, {error}"))
        else:
            on_diverged(place, error)

    for places in shapes.values():
        _Ensemble(trainers, places).train(on_epoch or (lambda place, report: None), note)
    if diverged:
        raise diverged[0]


def _shape(trainer: TrainingRun) -> Any:
    """Return what trainers of one launch have in common."""
    settings, objective, sets = trainer.training.settings, trainer.training.objective, trainer.training.sets
    if objective.name not in NAMES:
        expected = ", ".join(NAMES)
        raise EngineError(f"the cuda backend has no objective {objective.name!r}; expected one of {expected}")
    if settings.weight_noise:
        raise EngineError(
            f"weight_noise is {settings.weight_noise}: the cuda backend trains networks together without it; "
            "use Trainer.run_epoch of each, or the backend 'cpu'"
        )
    sizes = _sizes(sets.training)
    for name, other in (("validation", sets.validation), ("test", sets.test)):
        if other is not None and _sizes(other) != sizes:
            raise EngineError(
                f"{name} set: inputs, targets and context are {_sizes(other)}, in training {sizes}; "
                "the cuda backend trains networks together on sets of one shape"
            )
    a = trainer.training.network.architecture
    layers = tuple(replace(layer, learning_rate=None) for layer in a.layers)
    return id(_device(trainer)), a.input_size, layers, trainer.training.network.dtype, objective.name, sizes


def _sizes(sequences: SequenceSet) -> tuple[int, int, tuple[int, int]]:
    return sequences.inputs.shape[1], sequences.targets.shape[1], sequences.context


def _device(trainer: TrainingRun) -> Device:
    device: Device = trainer.backend.device  # type: ignore[attr-defined]
    return device


class _Ensemble:
    """Trainers of one shape with their memory on the GPU."""

    def __init__(self, trainers: Sequence[TrainingRun], places: Sequence[int]) -> None:
        self._trainers = {place: trainers[place] for place in places if not trainers[place].finished}
        self._places = list(self._trainers)

    def train(self, on_epoch: OnEpoch, on_diverged: OnDiverged) -> None:
        """Train all to their end."""
        if not self._places:
            return
        self._load()
        live = list(range(len(self._places)))
        try:
            while live:
                seconds = self._launch(live)
                live = self._tell(live, seconds, on_epoch, on_diverged)
        finally:
            self._settle()

    def _load(self) -> None:
        """Copy everything to the GPU."""
        trainers = list(self._trainers.values())
        first = trainers[0]
        self._device = device = _device(first)
        self._network, self._dtype = first.training.network, first.training.network.dtype
        architecture = self._network.architecture
        self._members = Members(trainers)
        self._data = DataShape(
            first.training.sets.training.inputs.shape[1],
            first.training.sets.training.targets.shape[1],
            first.training.sets.training.context,
            NAMES.index(first.training.objective.name),
        )
        states = [trainer.state for trainer in trainers]
        shape = len(trainers), architecture.parameter_count
        self._parameters = Parameters(
            weights=device.to_device(np.stack([s.weights for s in states])),
            velocity=device.to_device(np.stack([s.velocity for s in states])),
            gradient=device.empty(shape, self._dtype),
            best=device.to_device(np.stack([s.best_weights for s in states])),
            weights_before=device.empty(shape, self._dtype),
            velocity_before=device.empty(shape, self._dtype),
        )
        inputs, targets, noisy, starts, lengths = (device.to_device(a) for a in self._members.data())
        self._sets = Data(inputs, targets, noisy, starts, lengths, orders=None)
        self._learning_rates = device.to_device(self._members.learning_rates())
        self._statistics = np.zeros(len(trainers), STATISTICS)
        for statistics, state in zip(self._statistics, states, strict=True):
            for name in _LASTING:
                statistics[name] = getattr(state, name)
        self._on_device = device.to_device(self._statistics)
        self._teams = self._blocks = 0
        self._where: dict[int, tuple[Any, Any]] = {}  # weights and velocity of each trainer's state

    def _share_out(self, networks: int) -> None:
        """Give each of so many networks its blocks, and each team of blocks its memory."""
        device = self._device
        blocks = device.blocks_of(networks)
        if blocks == self._blocks:  # teams that find no network left end at once
            return
        self._blocks = blocks
        layout = make_layout(
            self._network.architecture,
            self._data,
            self._members.extent(NAMES[self._data.objective] == "ccc_pooled"),
            blocks,
            device.room(self._dtype),
        )
        team = layout.work * self._dtype.itemsize + 8 * layout.errors + 4 * layout.ints
        self._teams = min(networks, device.multiprocessors // blocks)
        self._memory = None  # free first
        free = device.free_bytes()
        if free is not None:
            self._teams = min(self._teams, free // team)
        if self._teams < 1:
            raise EngineError(
                f"the GPU has room for {free} bytes more; a batch of one network needs {team}: "
                "fewer parallel_sequences need less"
            )
        self._shared_bytes = layout.pool * self._dtype.itemsize
        self._records = [device.to_device(records) for records in layout.of_teams(self._teams)]
        self._memory = Memory(
            work=device.empty(self._teams * layout.work, self._dtype),
            ints=device.to_device(layout.integers(self._teams)),
            errors=device.empty(self._teams * layout.errors, np.float64),
        )

    def _launch(self, live: list[int]) -> float:
        """Train some members for an epoch; return the seconds it took."""
        started = time.perf_counter()
        device = self._device
        self._share_out(len(live))
        members, orders = self._members.epoch({k: int(self._statistics[k]["epoch"]) + 1 for k in live})
        self._let_go(live)
        device.launch(
            device.kernels(self._dtype).train_epoch,
            self._teams * self._blocks,
            *self._records,
            self._sets._replace(orders=device.to_device(orders)),
            device.to_device(members),
            self._learning_rates,
            self._parameters,
            self._memory,
            self._on_device,
            device.to_device(np.zeros((self._teams + 1, _LINE), np.int64)),
            self._blocks,
            shared_bytes=self._shared_bytes,
        )
        self._statistics = self._on_device.copy_to_host()
        return time.perf_counter() - started

    def _let_go(self, live: list[int]) -> None:
        """Before arrays on the GPU change: what a trainer has meanwhile is the state before the epoch."""
        before = self._parameters.weights_before, self._parameters.velocity_before
        self._where |= dict.fromkeys(live, before)

    def _fetch(self, k: int) -> list[NDArray[np.floating]]:
        """Copy weights, velocity and best weights of the state that the trainer has."""
        return [array[k].copy_to_host() for array in (*self._where[k], self._parameters.best)]

    def _tell(self, live: list[int], seconds: float, on_epoch: OnEpoch, on_diverged: OnDiverged) -> list[int]:
        """Set states, tell of the epoch, return who goes on."""
        diverged = {k: error for k in live if (error := self._next_state(k)) is not None}
        raised: BaseException | None = None
        for k in live:
            place = self._places[k]
            trainer = self._trainers[place]
            try:
                if k in diverged:
                    on_diverged(place, diverged[k])
                else:
                    on_epoch(place, self._report(trainer, self._statistics[k], seconds))
            except BaseException as error:  # noqa: BLE001 - the others hear of their epoch first
                raised = raised or error
        if raised is not None:
            raise raised
        return [k for k in live if k not in diverged and not self._trainers[self._places[k]].finished]

    def _next_state(self, k: int) -> DivergedError | None:
        """Set the state after an epoch, unless the trainer diverged in it."""
        trainer, statistics = self._trainers[self._places[k]], self._statistics[k]
        before, epoch, error = trainer.progress, trainer.progress.epoch + 1, statistics["error"][TRAINING]
        if statistics["finite"] != 1 or not np.isfinite(error):
            return trainer.training.divergence(epoch, float(error))
        self._where[k] = self._parameters.weights, self._parameters.velocity
        trainer.set_progress(_progress(statistics), partial(self._fetch, k))
        if trainer.finished:
            try:
                trainer.check_best(epoch)
            except DivergedError as diverged:
                self._let_go([k])
                weights, velocity, _ = self._fetch(k)
                first = trainer.training.network.weights.copy()  # whatever was kept as the best had run off
                before = replace(before, best_epoch=0, best_error=math.inf)
                trainer.set_progress(before, lambda: (weights, velocity, first))
                return diverged
        return None

    def _report(self, trainer: TrainingRun, statistics: np.void, seconds: float) -> EpochReport:
        settings, epoch = trainer.training.settings, int(statistics["epoch"])
        classes = self._data.objective in (BINARY, MULTICLASS)

        def evaluation(sequences: SequenceSet | None, which: int, every: int) -> Evaluation | None:
            if sequences is None or epoch % every:
                return None
            error, wrong = float(statistics["error"][which]), int(statistics["wrong"][which])
            return Evaluation(error, wrong if classes else None, sequences)

        training = evaluation(trainer.training.sets.training, TRAINING, 1)
        assert training is not None
        validation = evaluation(trainer.training.sets.validation, VALIDATION, settings.validate_every)
        test = evaluation(trainer.training.sets.test, TEST, settings.test_every)
        found = training, validation, test
        return report_of(
            trainer.training.sets, trainer.progress, found, bool(statistics["new_best"]), seconds
        )

    def _settle(self) -> None:
        """Copy the states, so that each trainer can go on without this."""
        for trainer in self._trainers.values():
            _ = trainer.state  # fetched now


def _progress(statistics: np.void) -> Progress:
    return Progress(**{name: statistics[name].item() for name in _LASTING})
