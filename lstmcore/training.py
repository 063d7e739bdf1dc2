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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lstmcore.backends import Backend, as_backend, get_backend
from lstmcore.batches import by_rising_length, in_groups, pack
from lstmcore.checks import finite, flag, from_zero, kind, real, shaped, shown, whole
from lstmcore.errors import DivergedError, EngineError
from lstmcore.fit import check_fit
from lstmcore.network import Architecture, Network
from lstmcore.noise import InputNoise
from lstmcore.objective import SSE, Objective
from lstmcore.prediction import Evaluation, evaluation_of
from lstmcore.seeds import Seed, seed_of, stream
from lstmcore.sequences import SequenceSet
from lstmcore.sgd import SGD

_SIDE_BY_SIDE = 16  # sequences evaluated at once, or more if more are trained at once
_FAR = 1000.0  # times the largest target: no training comes back from there


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
    weight_noise
        Standard deviation of the Gaussian noise that is added to all weights during each backward
        pass and taken off before the update, so that it enters through the deltas only.
    validate_every, test_every
        Compute the error of the validation or test set after every so many epochs.
    """

    sgd: SGD = field(default_factory=SGD)
    parallel_sequences: int = 1
    stochastic: bool = True
    shuffle: bool = True
    input_noise: float = 0.0
    max_epochs: int | None = None
    patience: int = 20
    delta_limit: float = 1.0
    weight_noise: float = 0.0
    validate_every: int = 1
    test_every: int = 1

    def __post_init__(self) -> None:
        kind("sgd", self.sgd, SGD, ", such as SGD(1e-5)")
        for name in ("parallel_sequences", "patience", "max_epochs", "validate_every", "test_every"):
            value = getattr(self, name)
            if value is not None or name != "max_epochs":
                object.__setattr__(self, name, whole(name, value))
        for name in ("stochastic", "shuffle"):
            flag(name, getattr(self, name))
        for name in ("input_noise", "weight_noise"):
            from_zero(name, getattr(self, name))
        if not real("delta_limit", self.delta_limit) > 0:
            raise EngineError(f"delta_limit is {self.delta_limit}; expected a number above 0")


@dataclass(frozen=True)
class EpochReport:
    """What an epoch came to.

    Errors are sums over a set divided by its number of sequences, as CURRENNT prints
    them, or by its number of frames; class errors are the share of frames put into the wrong
    class.  The training error is met while training (each group before its own update), the
    others are those of the weights after the epoch.  None stands where a set wasn't looked at.
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
    test_error: float | None = None
    training_class_error: float | None = None
    validation_class_error: float | None = None
    test_class_error: float | None = None


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

    def check(self, network: Network) -> None:
        """Raise an EngineError unless this can be a state of training the network."""
        for name in ("weights", "deltas", "best_weights"):
            vector = getattr(self, name)
            shaped(f"state: {name}", vector, network.weights.shape, network.dtype)
            finite(f"state: {name}", vector)
        for name in ("epoch", "best_epoch", "without_better"):
            whole(f"state: {name}", getattr(self, name), 0)
        if self.best_epoch > self.epoch:
            raise EngineError(f"state: best_epoch is {self.best_epoch}; expected at most epoch, {self.epoch}")
        if math.isnan(real("state: best_error", self.best_error)):
            raise EngineError("state: best_error is nan; expected a number")


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
        Root of the order and the noise of this training, or the whole number that it is made from.
    objective
        What to minimise.
    backend
        A backend or its name.
    state
        Go on from here instead of from the network's weights.
    test
        A set whose error is reported and never influences anything.
    order
        Gives the order of the sequences in an epoch, counted from 1, instead of the order
        that ``settings.shuffle`` means: the number of each sequence, once.

    Raises
    ------
    EngineError
        If the sets or the state don't fit the network, or training would never end.
    """

    def __init__(
        self,
        network: Network,
        training: SequenceSet,
        validation: SequenceSet | None,
        settings: TrainingSettings,
        *,
        seed: Seed,
        objective: Objective = SSE,
        backend: Backend | str = "cpu",
        state: TrainingState | None = None,
        test: SequenceSet | None = None,
        order: Callable[[int], NDArray[np.integer]] | None = None,
    ) -> None:
        kind("settings", settings, TrainingSettings)
        check_fit(network, training, "training", objective)
        for name, sequences in (("validation", validation), ("test", test)):
            if sequences is not None:
                check_fit(network, sequences, name, objective)
        if validation is None and settings.max_epochs is None:
            raise EngineError("without a validation set, training needs max_epochs to end")
        self._first, self._network = network, network.copy()
        self._training, self._validation, self._test = training, validation, test
        self._settings, self._seed, self._objective = settings, seed_of(seed), objective
        # Not a method of our own by default: a trainer that holds itself is freed by the collector only.
        self._order_given = order
        self._rates = _learning_rates(network.architecture, settings.sgd)
        self._backend = as_backend(backend)
        self._workspace = self._backend.workspace(self._network)
        self._gradient = np.zeros_like(network.weights)
        self._group_gradient = self._gradient if settings.stochastic else np.zeros_like(network.weights)
        w = network.weights
        if state is not None:
            kind("state", state, TrainingState)
            state.check(network)
        self._state = state or TrainingState(0, w.copy(), np.zeros_like(w), w.copy(), 0, math.inf, 0)
        self._network.weights[:] = self._state.weights
        self._deltas = self._state.deltas.copy()

    @property
    def state(self) -> TrainingState:
        """All that is left to know after the last epoch; a new trainer may go on from it."""
        return self._state

    @property
    def backend(self) -> Backend:
        """What computes it."""
        return self._backend

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
            If the training error or a weight is not finite, or if what would be kept as the best gives
            outputs a thousand times as large as any target and any output at the start; `state` is still
            that before the epoch.
        """
        started = time.perf_counter()
        epoch = self.state.epoch + 1
        training = self._train(epoch)
        finite = bool(np.isfinite(self._network.weights).all())
        if not (math.isfinite(training.error) and finite):
            raise self._divergence(epoch, training.error)
        validation = self._evaluate(self._validation, epoch, self._settings.validate_every)
        test = self._evaluate(self._test, epoch, self._settings.test_every)
        new_best = self._validation is None or (
            validation is not None and validation.error < self.state.best_error
        )
        if validation is not None and new_best:
            self._see_that_outputs_are_near(epoch, validation.largest_output)
        elif self._validation is None and epoch == self._settings.max_epochs:
            self._see_that_outputs_are_near(epoch, self._largest_output(self._network))
        self._state = self._next_state(epoch, validation, new_best)
        return self._report(training, validation, test, new_best, time.perf_counter() - started)

    def _divergence(self, epoch: int, error: float) -> DivergedError:
        """Say how an epoch went wrong that met this training error."""
        found = f"the training error is {error:g}"
        if math.isfinite(error):
            found += " and some weights are no longer finite"
        rate = self._settings.sgd.learning_rate
        return DivergedError(f"epoch {epoch}: {found}; try a learning_rate below {rate:g}")

    def check_best(self, epoch: int) -> None:
        """Raise a DivergedError if the best network's outputs are out of all proportion after an epoch."""
        self._see_that_outputs_are_near(epoch, self._largest_output(self.best_network()))

    def _see_that_outputs_are_near(self, epoch: int, largest: float) -> None:
        """Notice a training that has run off though its error is bounded, as that of a correlation is."""
        t = self._training.targets
        targets = float(max(t.max(), -t.min()))
        # Targets may be small and the inputs unscaled: then the outputs were as large at the start.
        if largest > _FAR * targets and largest > _FAR * self._largest_output(self._first):
            rate = self._settings.sgd.learning_rate
            raise DivergedError(
                f"epoch {epoch}: the outputs reach {largest:.3g}, the targets {targets:.3g}; "
                f"try a learning_rate below {rate:g}"
            )

    def _largest_output(self, network: Network) -> float:
        """Return the largest magnitude of an output, of what is watched or some of what is trained on."""
        watched = self._validation or self._training
        groups = in_groups(by_rising_length(watched), _SIDE_BY_SIDE)
        # A GPU's memory is taken by what is trained there.
        backend = self._backend if self._backend.name != "cuda" else get_backend("cpu")
        workspace, largest = backend.workspace(network), 0.0
        for group in groups if self._validation else groups[:1]:
            outputs = backend.forward(network, pack(watched, group), workspace)
            largest = max(largest, float(np.abs(outputs).max()))
        return largest

    def _order(self, epoch: int) -> NDArray[np.integer]:
        count = len(self._training)
        if self._order_given is not None:
            order = np.asarray(self._order_given(epoch))
            if order.dtype.kind not in "iu" or not np.array_equal(np.sort(order), np.arange(count)):
                raise EngineError(
                    f"epoch {epoch}: the order is {shown(order)}; "
                    f"expected the numbers of all {count} sequences, each once"
                )
            return order
        if self._settings.shuffle:
            return stream(self._seed, "order", epoch).permutation(count)
        return by_rising_length(self._training)

    def _train(self, epoch: int) -> Evaluation:
        """Run over the training set; return what was met on the way."""
        settings, backend, network = self._settings, self._backend, self._network
        noise = InputNoise(self._seed, epoch, settings.input_noise)
        weight_noise = stream(self._seed, "weight_noise", epoch)
        self._gradient[:] = 0
        total = Evaluation(0.0, None, self._training)
        for group in in_groups(self._order(epoch), settings.parallel_sequences):
            batch = pack(self._training, group, noise)
            outputs = backend.forward(network, batch, self._workspace)
            total = total.plus(self._objective, outputs, batch.targets, batch.sequence)
            signal = self._objective.signal(outputs, batch.targets, batch.sequence)
            with self._noisy_weights(weight_noise):
                backend.backward(
                    network, batch, self._workspace, signal, self._group_gradient, settings.delta_limit
                )
            if settings.stochastic:
                self._update()
            else:
                self._gradient += self._group_gradient
        if not settings.stochastic:
            self._update()
        return total

    def _update(self) -> None:
        for part, sgd in self._rates:
            w, d, g = self._network.weights[part], self._deltas[part], self._gradient[part]
            self._backend.update(w, d, g, sgd)

    @contextmanager
    def _noisy_weights(self, noise: np.random.Generator) -> Iterator[None]:
        sigma, weights = self._settings.weight_noise, self._network.weights
        if not sigma:
            yield
            return
        clean = weights.copy()
        weights += sigma * noise.standard_normal(weights.shape, weights.dtype)
        yield
        weights[:] = clean

    def _evaluate(self, sequences: SequenceSet | None, epoch: int, every: int) -> Evaluation | None:
        if sequences is None or epoch % every:
            return None
        return evaluation_of(
            self._network,
            sequences,
            self._objective,
            self._backend,
            self._workspace,
            max(self._settings.parallel_sequences, _SIDE_BY_SIDE),
        )

    def _next_state(self, epoch: int, validation: Evaluation | None, new_best: bool) -> TrainingState:
        weights, deltas = self._network.weights.copy(), self._deltas.copy()
        state = replace(self.state, epoch=epoch, weights=weights, deltas=deltas)
        if new_best:
            error = math.inf if validation is None else validation.error
            return replace(state, best_weights=weights, best_epoch=epoch, best_error=error, without_better=0)
        if validation is None:  # not validated in this epoch
            return state
        return replace(state, without_better=state.without_better + self._settings.validate_every)

    def _report(
        self,
        training: Evaluation,
        validation: Evaluation | None,
        test: Evaluation | None,
        new_best: bool,
        seconds: float,
    ) -> EpochReport:
        state, found = self.state, self._validation
        return EpochReport(
            epoch=state.epoch,
            training_error=training.per_sequence,
            training_error_per_frame=training.per_frame,
            validation_error=validation.per_sequence if validation else None,
            validation_error_per_frame=validation.per_frame if validation else None,
            seconds=seconds,
            best_epoch=state.best_epoch,
            best_error=state.best_error / len(found) if found and state.best_epoch else None,
            new_best=new_best,
            test_error=test.per_sequence if test else None,
            training_class_error=training.class_error,
            validation_class_error=validation.class_error if validation else None,
            test_class_error=test.class_error if test else None,
        )


def _learning_rates(architecture: Architecture, sgd: SGD) -> list[tuple[slice, SGD]]:
    """Parts of the parameter vector and how each is updated: one if no layer has its own rate."""
    parts: list[tuple[slice, SGD]] = []
    for piece in architecture.pieces:
        rate = architecture.layers[piece.layer].learning_rate
        own = sgd if rate is None else replace(sgd, learning_rate=rate)
        start, end = piece.offset, piece.offset + piece.size
        if parts and parts[-1][1] == own:
            start = parts.pop()[0].start
        parts.append((slice(start, end), own))
    return parts


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
