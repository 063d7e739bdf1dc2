"""Training: epochs over a training set, early stopping on a validation set.

    training = Training(network, Sets(songs, validation), settings, seed=1)
    [best] = train([training])

or step by step:

    trainer = Trainer(training)
    while not trainer.finished:
        report = trainer.run_epoch()
    best = trainer.best_network()

A trainer made with a `TrainingState` goes on from there, bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from lstmcore.backends import Backend, as_backend, get_backend
from lstmcore.backends.protocol import EnsembleBackend, FetchArrays, ManyUpdates, Updates
from lstmcore.batches import Batch, by_rising_length, choose, in_groups
from lstmcore.checks import kind
from lstmcore.errors import DivergedError, EngineError
from lstmcore.evaluation import Evaluation
from lstmcore.network import Architecture, Network
from lstmcore.noise import InputNoise
from lstmcore.objective import SSE
from lstmcore.prediction import batches_of, evaluation_of
from lstmcore.problem import EpochReport, Progress, Training, TrainingState, report_of
from lstmcore.seeds import stream
from lstmcore.sequences import SequenceSet
from lstmcore.sgd import SGD

_SIDE_BY_SIDE = 16  # sequences evaluated at once, or more if more are trained at once
_KEPT = 64 << 20  # bytes of a set that is watched whose batches are kept from epoch to epoch, at most
_FAR = 1000.0  # times the largest target: no training comes back from there


class Trainer:
    """Trains one network, an epoch at a time.

    Parameters
    ----------
    training
        The problem.
    backend
        A backend or its name.
    state
        Go on from here instead of from the network's weights.
    threads
        How many threads of the CPU compute the network together, of a backend that is given by name; None:
        one.  The result has the same bits.

    Attributes
    ----------
    training, backend
        As given.

    Raises
    ------
    EngineError
        If the state doesn't fit the network, or the backend can't compute it.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import SGD, Linear, SequenceSet, Sets, Trainer, Training, TrainingSettings
    >>> from lstmcore import initial_network
    >>> songs = SequenceSet.from_lists([np.ones((9, 3))], [np.ones((9, 1))])
    >>> network = initial_network(3, [Linear(1)], 1)
    >>> training = Training(network, Sets(songs), TrainingSettings(SGD(1e-2), max_epochs=9), seed=1)
    >>> trainer = Trainer(training)
    >>> errors = [trainer.run_epoch().training_error for _ in range(3)]
    >>> errors[2] < errors[0]
    True
    """

    def __init__(
        self,
        training: Training,
        *,
        backend: Backend | str = "cpu",
        state: TrainingState | None = None,
        threads: int | None = None,
    ) -> None:
        kind("training", training, Training)
        network = training.network
        if state is not None:
            kind("state", state, TrainingState)
            state.check(network)
        w = network.weights
        self._state = state or TrainingState(0, w.copy(), np.zeros_like(w), w.copy(), 0, math.inf, 0)
        self._progress = self._state.progress
        self._fetch: FetchArrays | None = None
        self.training, self.backend = training, as_backend(backend, threads)
        # The epoch that is being computed works on these.
        self._network, self._velocity = network.copy(), np.zeros_like(w)
        self._rates = _learning_rates(network.architecture, training.settings.sgd)
        self._workspace = self.backend.workspace(self._network)
        self._watched: dict[int, list[Batch]] = {}  # by the set's identity
        # That of a group, and the sum over groups if weights are updated once per epoch only.
        self._gradient = np.zeros_like(w)
        self._sum = None if training.settings.stochastic else np.zeros_like(w)

    def __repr__(self) -> str:
        p = self._progress
        best = f"best error {p.best_error:.6g} in epoch {p.best_epoch}" if math.isfinite(p.best_error) else ""
        told = [f"epoch {p.epoch}", *([best] if best else []), f"backend {self.backend.name}"]
        return f"<Trainer of {self._network!r}: {', '.join(told)}>"

    @property
    def progress(self) -> Progress:
        """How far training has come."""
        return self._progress

    @property
    def state(self) -> TrainingState:
        """All that is left to know after the last epoch; a new trainer may go on from it.

        Where a GPU trains many networks at once, to ask for it costs a copy.
        """
        if self._fetch is not None:
            p, (weights, velocity, best) = self._progress, self._fetch()
            self._state = TrainingState(
                p.epoch, weights, velocity, best, p.best_epoch, p.best_error, p.without_better
            )
            self._fetch = None
        return self._state

    def set_progress(self, progress: Progress, fetch: FetchArrays) -> None:
        """Note what a backend has computed by itself.

        Parameters
        ----------
        progress
            How far training has come.
        fetch
            Returns weights, velocity and best weights, when `state` is asked for.
        """
        self._progress, self._fetch = progress, fetch

    @property
    def finished(self) -> bool:
        """Whether training stops here: by patience, or after `max_epochs`."""
        return self._progress.ends(self.training.settings)

    def best_network(self) -> Network:
        """Return a network with the best weights so far."""
        return Network(self._network.architecture, self.state.best_weights.copy())

    def run_epoch(self) -> EpochReport:
        """Train for one epoch and validate.

        Returns
        -------
        EpochReport
            What it came to.

        Raises
        ------
        DivergedError
            If the training error or a weight is not finite, or if what would be kept as the best gives
            outputs a thousand times as large as any target and any output at the start; `state` is still
            that before the epoch.
        """
        started = time.perf_counter()
        state, sets, settings = self.state, self.training.sets, self.training.settings
        epoch = state.epoch + 1
        self._network.weights[:], self._velocity[:] = state.weights, state.velocity
        training = self._train(epoch)
        finite = bool(np.isfinite(self._network.weights).all())
        if not (math.isfinite(training.error) and finite):
            raise self.training.divergence(epoch, training.error)
        validation = self._evaluate(sets.validation, epoch, settings.validate_every)
        test = self._evaluate(sets.test, epoch, settings.test_every)
        new_best = sets.validation is None or (validation is not None and validation.error < state.best_error)
        if validation is not None and new_best:
            self._see_that_outputs_are_near(epoch, validation.largest_output)
        elif sets.validation is None and epoch == settings.max_epochs:
            self._see_that_outputs_are_near(epoch, self._largest_output(self._network))
        self._state = self._next_state(epoch, validation, new_best)
        self._progress = self._state.progress
        seconds = time.perf_counter() - started
        return report_of(sets, self._progress, (training, validation, test), new_best, seconds)

    def check_best(self, epoch: int) -> None:
        """Raise a DivergedError if the best network's outputs are out of all proportion after an epoch."""
        self._see_that_outputs_are_near(epoch, self._largest_output(self.best_network()))

    def _see_that_outputs_are_near(self, epoch: int, largest: float) -> None:
        """Notice a training that has run off though its error is bounded, as that of a correlation is."""
        t = self.training.sets.training.targets
        targets = float(max(t.max(), -t.min()))
        # Targets may be small and the inputs unscaled: then the outputs were as large at the start.
        if largest > _FAR * targets and largest > _FAR * self._largest_output(self.training.network):
            rate = self.training.settings.sgd.learning_rate
            raise DivergedError(
                f"epoch {epoch}: the outputs reach {largest:.3g}, the targets {targets:.3g}; "
                f"try a learning_rate below {rate:g}"
            )

    def _largest_output(self, network: Network) -> float:
        """Return the largest magnitude of an output, of what is watched or some of what is trained on."""
        sets = self.training.sets
        watched = sets.validation or sets.training
        groups = in_groups(by_rising_length(watched), _SIDE_BY_SIDE)
        # A GPU's memory is taken by what is trained there.
        backend = get_backend("cpu") if self.backend.trains_together else self.backend
        workspace, largest = backend.workspace(network), 0.0
        for group in groups if sets.validation else groups[:1]:
            outputs = backend.forward(network, choose(watched, group), workspace)
            largest = max(largest, float(np.abs(outputs).max()))
        return largest

    def _train(self, epoch: int) -> Evaluation:
        """Run over the training set; return what was met on the way."""
        training, backend, network = self.training, self.backend, self._network
        settings, objective, songs = training.settings, training.objective, training.sets.training
        noise = InputNoise(training.seed, epoch, settings.input_noise)
        weight_noise = stream(training.seed, "weight_noise", epoch)
        if self._updates is not None and self._updates.fit:
            order, error = training.order_of(epoch), 0.0
            for residual in self._updates.run(network, self._velocity, self._gradient, order, noise):
                error += SSE.of_residual(residual)
            return Evaluation(error, None, songs)
        if self._sum is not None:
            self._sum[:] = 0
        total = Evaluation(0.0, None, songs)
        for group in in_groups(training.order_of(epoch), settings.parallel_sequences):
            batch = choose(songs, group, noise)
            outputs = backend.forward(network, batch, self._workspace)
            total = total.plus(objective, outputs, batch.targets, batch.sequence)
            signal = objective.signal(outputs, batch.targets, batch.sequence)
            with self._noisy_weights(weight_noise):
                backend.backward(
                    network, batch, self._workspace, signal, self._gradient, settings.delta_limit
                )
            if self._sum is None:
                self._update(self._gradient)
            else:
                self._sum += self._gradient
        if self._sum is not None:
            self._update(self._sum)
        return total

    @cached_property
    def _updates(self) -> Updates | None:
        """What does many updates in one call; None where each pass is one."""
        training, backend, settings = self.training, self.backend, self.training.settings
        if (
            type(training.objective) is not type(SSE)
            or not settings.stochastic
            or settings.weight_noise
            or not isinstance(backend, ManyUpdates)
        ):
            return None
        return backend.updates(
            self._network,
            training.sets.training,
            settings.parallel_sequences,
            self._rates,
            settings.delta_limit,
        )

    def _update(self, gradient: NDArray[np.floating]) -> None:
        for part, sgd in self._rates:
            self.backend.update(self._network.weights[part], self._velocity[part], gradient[part], sgd)

    @contextmanager
    def _noisy_weights(self, noise: np.random.Generator) -> Iterator[None]:
        """Add noise to the weights during the backward pass only, as CURRENNT does."""
        sigma, weights = self.training.settings.weight_noise, self._network.weights
        if not sigma:
            yield
            return
        clean = weights.copy()
        weights += sigma * noise.standard_normal(weights.shape, weights.dtype)
        try:
            yield
        finally:
            weights[:] = clean

    def _evaluate(self, sequences: SequenceSet | None, epoch: int, every: int) -> Evaluation | None:
        if sequences is None or epoch % every:
            return None
        return evaluation_of(
            self._network,
            sequences,
            self.training.objective,
            self.backend,
            self._workspace,
            self._batches_of(sequences),
        )

    def _batches_of(self, sequences: SequenceSet) -> Iterable[Batch]:
        """Divide a set that is watched into batches: once, unless it is large, for it stays the same.

        A backend without memory for the frames of a batch has them from the batch, which then keeps them.
        """
        at_once = max(self.training.settings.parallel_sequences, _SIDE_BY_SIDE)
        if sequences.frames * sequences.input_size * sequences.inputs.itemsize > _KEPT:
            return batches_of(sequences, at_once)
        if id(sequences) not in self._watched:
            self._watched[id(sequences)] = list(batches_of(sequences, at_once))
        return self._watched[id(sequences)]

    def _next_state(self, epoch: int, validation: Evaluation | None, new_best: bool) -> TrainingState:
        weights, velocity = self._network.weights.copy(), self._velocity.copy()
        state = replace(self._state, epoch=epoch, weights=weights, velocity=velocity)
        if new_best:
            error = math.inf if validation is None else validation.error
            return replace(state, best_weights=weights, best_epoch=epoch, best_error=error, without_better=0)
        if validation is None:  # not validated in this epoch
            return state
        every = self.training.settings.validate_every
        return replace(state, without_better=state.without_better + every)


def _learning_rates(architecture: Architecture, sgd: SGD) -> list[tuple[slice, SGD]]:
    """Parts of the parameter vector and how each is updated: one if no layer has its own rate."""
    parts: list[tuple[slice, SGD]] = []
    for parameter in architecture.parameters:
        rate = architecture.layers[parameter.layer].learning_rate
        own = sgd if rate is None else replace(sgd, learning_rate=rate)
        start, end = parameter.offset, parameter.offset + parameter.size
        if parts and parts[-1][1] == own:
            start = parts.pop()[0].start
        parts.append((slice(start, end), own))
    return parts


OnEpoch = Callable[[int, EpochReport, Trainer], None]
OnDiverged = Callable[[int, DivergedError], None]


def train(
    trainings: Sequence[Training],
    *,
    backend: Backend | str = "cpu",
    states: Sequence[TrainingState | None] | None = None,
    on_epoch: OnEpoch | None = None,
    on_diverged: OnDiverged | None = None,
    threads: int | None = None,
) -> list[Network]:
    """Run trainings that don't depend on each other to their end; return the best network of each.

    A GPU trains them all at once, for one network leaves it idle; other backends one after the other.  What
    a training comes to doesn't depend on the others, nor on how many they are.

    Parameters
    ----------
    trainings
        The problems.
    backend
        A backend or its name.
    states
        For each training the state to go on from, or None.
    on_epoch
        Called after each epoch of each training with the training's place in `trainings`, the report, and
        the trainer, whose ``state`` is that after the epoch; if it is ``finished``, there is no further
        call for this training.  It is called by this thread while nothing is being computed, and may use the
        backend.  An exception from it ends all trainings, each after an epoch that was reported; the
        trainer's ``state`` is then what to go on from.
    on_diverged
        Called in the same way with the place and the error of a training that diverged; the others go on.
        Without it the error is raised.
    threads
        As in `Trainer`.

    Returns
    -------
    list of Network
        In the order of `trainings`; of one that diverged, the best before that.

    Raises
    ------
    DivergedError
        If a training diverged and there is no `on_diverged`.
    EngineError
        If the backend can't train a network, or a state doesn't fit its network.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import SGD, Linear, SequenceSet, Sets, Training, TrainingSettings
    >>> from lstmcore import initial_network, train
    >>> songs = SequenceSet.from_lists([np.ones((9, 3))], [np.ones((9, 1))])
    >>> network = initial_network(3, [Linear(1)], 1)
    >>> training = Training(network, Sets(songs), TrainingSettings(SGD(1e-2), max_epochs=50), seed=1)
    >>> [best] = train([training])
    >>> best
    <Network 3 → Linear(1); 4 weights, float32>
    """
    if isinstance(trainings, Training | Trainer):
        raise EngineError(f"trainings is a {type(trainings).__name__}; expected a list of Training")
    trainings = list(trainings)
    for place, training in enumerate(trainings):
        kind(f"training {place + 1} of {len(trainings)}", training, Training)
    states = [None] * len(trainings) if states is None else list(states)
    if len(states) != len(trainings):
        raise EngineError(f"{len(trainings)} trainings and {len(states)} states; expected as many")
    engine = as_backend(backend, threads)
    trainers = [
        Trainer(training, backend=engine, state=state)
        for training, state in zip(trainings, states, strict=True)
    ]

    def epoch_ended(place: int, report: EpochReport) -> None:
        if on_epoch is not None:
            on_epoch(place, report, trainers[place])

    if engine.trains_together:
        cast(EnsembleBackend, engine).train_ensemble(trainers, epoch_ended, on_diverged)
    else:
        for place, trainer in enumerate(trainers):
            _train_alone(place, trainer, epoch_ended, on_diverged)
    return [trainer.best_network() for trainer in trainers]


def _train_alone(
    place: int,
    trainer: Trainer,
    on_epoch: Callable[[int, EpochReport], None],
    on_diverged: OnDiverged | None,
) -> None:
    while not trainer.finished:
        try:
            report = trainer.run_epoch()
        except DivergedError as error:
            if on_diverged is None:
                raise
            on_diverged(place, error)
            return
        on_epoch(place, report)
