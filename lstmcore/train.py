"""Training: epochs over a training set, early stopping on a validation set.

    trainer = Trainer(network, training, validation, settings, seed=seed)
    while not trainer.finished:
        report = trainer.run_epoch()
    best = trainer.best_network()

Between epochs everything that is left to know is in `TrainingState`: a trainer made with
a state goes on from there, bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lstmcore.backends import Backend, get_backend
from lstmcore.batches import by_rising_length, in_groups, pack
from lstmcore.errors import DivergedError, EngineError
from lstmcore.network import Network
from lstmcore.objective import SSE, Objective
from lstmcore.predict import total_error
from lstmcore.seeds import stream
from lstmcore.sequences import SequenceSet
from lstmcore.sgd import SGD


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Parameters
    ----------
    sgd
        Learning rate and momentum.
    parallel_sequences
        Sequences computed side by side; with `stochastic`, one update after each group.
    stochastic
        False adds up the gradients of an epoch and updates once.
    shuffle
        New random order of the sequences in each epoch; otherwise by rising length.
    input_noise
        Standard deviation of the Gaussian noise added to every input at every visit.
    max_epochs
        Stop after so many epochs at the latest; None for no limit.
    patience
        Stop after so many validations in a row without a strictly lower error.
    delta_limit
        Limit of the LSTM deltas.
    """

    sgd: SGD = field(default_factory=SGD)
    parallel_sequences: int = 1
    stochastic: bool = True
    shuffle: bool = True
    input_noise: float = 0.0
    max_epochs: int | None = None
    patience: int = 20
    delta_limit: float = 1.0

    def __post_init__(self) -> None:
        for name, lowest in (("parallel_sequences", 1), ("patience", 1), ("max_epochs", 1)):
            value = getattr(self, name)
            if value is not None and value < lowest:
                raise EngineError(f"{name} is {value}; expected at least {lowest}")
        if not (math.isfinite(self.input_noise) and self.input_noise >= 0):
            raise EngineError(f"input_noise is {self.input_noise}; expected a number from 0")
        if not self.delta_limit > 0:
            raise EngineError(f"delta_limit is {self.delta_limit}; expected a number above 0")


@dataclass(frozen=True)
class EpochReport:
    """What an epoch came to.

    Errors are sums over a set divided by its number of sequences, as CURRENNT prints
    them, or by its number of frames.  The training error is met while training (each group
    before its own update), the validation error is that of the weights after the epoch.
    """

    epoch: int
    training_error: float
    training_error_per_frame: float
    validation_error: float | None
    validation_error_per_frame: float | None
    seconds: float
    best_epoch: int
    best_error: float | None
    new_best: bool


@dataclass(frozen=True)
class TrainingState:
    """All that training depends on between two epochs, besides its inputs.

    Parameters
    ----------
    epoch
        Epochs done.
    weights, deltas
        Parameters and momentum, shape (parameters,).
    best_weights, best_epoch, best_error
        Of the lowest validation error so far; without a validation set, the last epoch.
    without_better
        Validations since then.
    """

    epoch: int
    weights: NDArray[np.floating]
    deltas: NDArray[np.floating]
    best_weights: NDArray[np.floating]
    best_epoch: int
    best_error: float
    without_better: int


class Trainer:
    """Trains one network.

    Parameters
    ----------
    network
        Where to start from; it is left as it is.
    training
        The training set.
    validation
        Watched for early stopping; without one, training ends at `max_epochs` only.
    settings
        How to train.
    seed
        Root of the order and the noise of this training.
    objective
        What to minimise.
    backend
        A backend or its name.
    state
        Go on from here instead of from the network's weights.

    Raises
    ------
    EngineError
        If the sets don't fit the network, or training would never end.
    """

    def __init__(
        self,
        network: Network,
        training: SequenceSet,
        validation: SequenceSet | None,
        settings: TrainingSettings,
        *,
        seed: np.random.SeedSequence,
        objective: Objective = SSE,
        backend: Backend | str = "cpu",
        state: TrainingState | None = None,
    ) -> None:
        for name, sequences in (("training", training), ("validation", validation)):
            if sequences is not None:
                check_fit(network, sequences, name)
        if validation is None and settings.max_epochs is None:
            raise EngineError("without a validation set, training needs max_epochs to end")
        self._network = network.copy()
        self._training, self._validation, self._settings = training, validation, settings
        self._seed, self._objective = seed, objective
        self._backend = get_backend(backend) if isinstance(backend, str) else backend
        self._workspace = self._backend.workspace(self._network)
        self._gradient = np.zeros_like(network.weights)
        self._group_gradient = self._gradient if settings.stochastic else np.zeros_like(network.weights)
        w = network.weights
        self.state = state or TrainingState(0, w.copy(), np.zeros_like(w), w.copy(), 0, math.inf, 0)
        self._network.weights[:] = self.state.weights
        self._deltas = self.state.deltas.copy()

    @property
    def finished(self) -> bool:
        """Whether a rule says stop."""
        s, limit = self.state, self._settings.max_epochs
        return s.without_better >= self._settings.patience or (limit is not None and s.epoch >= limit)

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
            If the training error is not finite; `state` is still that before the epoch.
        """
        started = time.perf_counter()
        epoch = self.state.epoch + 1
        error = self._train(epoch)
        if not math.isfinite(error):
            raise DivergedError(
                f"epoch {epoch}: the training error is {error}; "
                f"try a learning_rate below {self._settings.sgd.learning_rate:g}"
            )
        validation = self._validate()
        new_best = validation is None or validation < self.state.best_error
        self.state = self._next_state(epoch, validation, new_best)
        return self._report(error, validation, new_best, time.perf_counter() - started)

    def _order(self, epoch: int) -> NDArray[np.integer]:
        if self._settings.shuffle:
            return stream(self._seed, "order", epoch).permutation(len(self._training))
        return by_rising_length(self._training)

    def _train(self, epoch: int) -> float:
        """Run over the training set; return the sum of the error met on the way."""
        settings, backend, network = self._settings, self._backend, self._network
        noise = stream(self._seed, "noise", epoch)
        self._gradient[:] = 0
        error = 0.0
        for group in in_groups(self._order(epoch), settings.parallel_sequences):
            batch = pack(self._training, group)
            if settings.input_noise:
                batch.inputs[:] += settings.input_noise * noise.standard_normal(
                    batch.inputs.shape, batch.inputs.dtype
                )
            outputs = backend.forward(network, batch, self._workspace)
            error += self._objective.error(outputs, batch.targets)
            signal = self._objective.signal(outputs, batch.targets)
            backend.backward(
                network, batch, self._workspace, signal, self._group_gradient, settings.delta_limit
            )
            if settings.stochastic:
                backend.update(network.weights, self._deltas, self._gradient, settings.sgd)
            else:
                self._gradient += self._group_gradient
        if not settings.stochastic:
            backend.update(network.weights, self._deltas, self._gradient, settings.sgd)
        return error

    def _validate(self) -> float | None:
        if self._validation is None:
            return None
        return total_error(
            self._network,
            self._validation,
            objective=self._objective,
            backend=self._backend,
            workspace=self._workspace,
            parallel_sequences=max(self._settings.parallel_sequences, 16),
        )

    def _next_state(self, epoch: int, validation: float | None, new_best: bool) -> TrainingState:
        weights, deltas = self._network.weights.copy(), self._deltas.copy()
        state = replace(self.state, epoch=epoch, weights=weights, deltas=deltas)
        if not new_best:
            return replace(state, without_better=state.without_better + 1)
        best_error = math.inf if validation is None else validation
        return replace(state, best_weights=weights, best_epoch=epoch, best_error=best_error, without_better=0)

    def _report(self, error: float, validation: float | None, new_best: bool, seconds: float) -> EpochReport:
        def per(divisor: str, value: float | None, sequences: SequenceSet | None) -> float | None:
            if value is None or sequences is None:
                return None
            return value / (len(sequences) if divisor == "sequence" else sequences.frames)

        best = self.state.best_error if self._validation is not None else None
        return EpochReport(
            epoch=self.state.epoch,
            training_error=error / len(self._training),
            training_error_per_frame=error / self._training.frames,
            validation_error=per("sequence", validation, self._validation),
            validation_error_per_frame=per("frame", validation, self._validation),
            seconds=seconds,
            best_epoch=self.state.best_epoch,
            best_error=per("sequence", best, self._validation),
            new_best=new_best,
        )


def check_fit(network: Network, sequences: SequenceSet, name: str) -> None:
    """Raise an EngineError unless a set has the network's inputs, outputs and precision."""
    a = network.architecture
    found = (sequences.inputs.shape[1], sequences.targets.shape[1], sequences.inputs.dtype)
    expected = (a.input_size, a.output_size, network.dtype)
    if found != expected:
        raise EngineError(
            f"{name} set has {found[0]} inputs and {found[1]} targets in {found[2]}; "
            f"the network has {expected[0]} inputs and {expected[1]} outputs in {expected[2]}"
        )


def train(trainer: Trainer, on_epoch: Callable[[EpochReport], None] | None = None) -> Network:
    """Run a trainer to its end and return the best network; `on_epoch` hears of each epoch.

    An exception from `on_epoch` (a KeyboardInterrupt, say) ends training between two
    epochs; ``trainer.state`` is then what to go on from.
    """
    while not trainer.finished:
        report = trainer.run_epoch()
        if on_epoch is not None:
            on_epoch(report)
    return trainer.best_network()
