"""A training as data: the problem, how far it has come, and what an epoch came to.

`Training` is everything that a result depends on.  Between two epochs everything that is left to know is in
`TrainingState`.  `lstmcore.training` computes; backends that train many networks at once read this, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lstmcore.batches import by_rising_length
from lstmcore.checks import finite, flag, from_zero, kind, real, shaped, shown, whole
from lstmcore.errors import DivergedError, EngineError
from lstmcore.evaluation import Evaluation
from lstmcore.fit import check_fit
from lstmcore.network import Network
from lstmcore.objective import SSE, Objective
from lstmcore.seeds import Seed, seed_of, stream
from lstmcore.sequences import SequenceSet
from lstmcore.sgd import SGD

Order = Callable[[int], NDArray[np.integer]]


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

    Examples
    --------
    >>> from lstmcore import SGD, TrainingSettings
    >>> settings = TrainingSettings(SGD(5e-6), input_noise=0.3, patience=20, max_epochs=1000)
    >>> settings.parallel_sequences
    1
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


@dataclass(frozen=True, eq=False)
class Sets:
    """The sets of a training.

    Parameters
    ----------
    training
        What the network is trained on.
    validation
        Watched for early stopping; without one, training ends at `max_epochs` only.
    test
        Its error is reported and never influences anything.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import SequenceSet, Sets
    >>> inputs = [np.zeros((60, 3)), np.zeros((90, 3))]
    >>> songs = SequenceSet.from_lists(inputs, [np.zeros((60, 2)), np.zeros((90, 2))])
    >>> sets = Sets(training=songs, validation=songs)
    >>> sets.test is None
    True
    """

    training: SequenceSet
    validation: SequenceSet | None = None
    test: SequenceSet | None = None


@dataclass(frozen=True, eq=False)
class Training:
    """A training: everything that its result depends on, besides the backend's rounding.

    Parameters
    ----------
    network
        Where to start from; it is left as it is.
    sets
        What the network is trained on, what is watched and what is reported.
    settings
        How to train.
    seed
        Root of the order and the noise of this training, or the whole number that it is made from.
    objective
        What to minimise.
    order
        Gives the order of the sequences in an epoch, counted from 1, instead of the order
        that ``settings.shuffle`` means: the number of each sequence, once.

    Raises
    ------
    EngineError
        If the sets don't fit the network, or training would never end.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import SGD, Linear, SequenceSet, Sets, Training, TrainingSettings
    >>> from lstmcore import initial_network, train
    >>> songs = SequenceSet.from_lists([np.ones((9, 3))], [np.ones((9, 1))])
    >>> network = initial_network(3, [Linear(1)], 1)
    >>> training = Training(network, Sets(songs), TrainingSettings(SGD(1e-2), max_epochs=50), seed=1)
    >>> [best] = train([training])
    """

    network: Network
    sets: Sets
    settings: TrainingSettings
    seed: Seed
    objective: Objective = SSE
    order: Order | None = None

    def __post_init__(self) -> None:
        kind("sets", self.sets, Sets, "; Sets(training, validation) makes one")
        kind("settings", self.settings, TrainingSettings)
        check_fit(self.network, self.sets.training, "training", self.objective)
        for name in ("validation", "test"):
            sequences = getattr(self.sets, name)
            if sequences is not None:
                check_fit(self.network, sequences, name, self.objective)
        if self.sets.validation is None and self.settings.max_epochs is None:
            raise EngineError("without a validation set, training needs max_epochs to end")
        object.__setattr__(self, "seed", seed_of(self.seed))

    def __repr__(self) -> str:
        s, sets = self.settings, self.sets
        told = [f"{len(sets.training)} sequences", self.objective.name]
        if sets.validation is not None:
            told += [f"watching {len(sets.validation)}", f"patience {s.patience}"]
        told += [f"learning rate {s.sgd.learning_rate:g}", f"{s.parallel_sequences} an update"]
        if s.max_epochs is not None:
            told.append(f"at most {s.max_epochs} epochs")
        return f"<Training of {self.network!r}: {', '.join(told)}>"

    def order_of(self, epoch: int) -> NDArray[np.integer]:
        """Return the order of the sequences in an epoch: the number of each, once."""
        count = len(self.sets.training)
        if self.order is not None:
            order = np.asarray(self.order(epoch))
            if order.dtype.kind not in "iu" or not np.array_equal(np.sort(order), np.arange(count)):
                raise EngineError(
                    f"epoch {epoch}: the order is {shown(order)}; "
                    f"expected the numbers of all {count} sequences, each once"
                )
            return order
        if self.settings.shuffle:
            return stream(self.seed, "order", epoch).permutation(count)
        return by_rising_length(self.sets.training)

    def divergence(self, epoch: int, error: float) -> DivergedError:
        """Return what to raise after an epoch with this training error, or with weights not finite."""
        found = f"the training error is {error:g}"
        if math.isfinite(error):
            found += " and some weights are no longer finite"
        rate = self.settings.sgd.learning_rate
        return DivergedError(f"epoch {epoch}: {found}; try a learning_rate below {rate:g}")


@dataclass(frozen=True)
class Progress:
    """How far a training has come.

    Parameters
    ----------
    epoch
        Epochs done.
    best_epoch, best_error
        Of the lowest validation error so far; without a validation set, the last epoch.
    without_better
        Validations since then.

    Examples
    --------
    >>> from lstmcore import Progress
    >>> progress = Progress()
    >>> progress.best_error
    inf
    """

    epoch: int = 0
    best_epoch: int = 0
    best_error: float = math.inf
    without_better: int = 0

    def ends(self, settings: TrainingSettings) -> bool:
        """Whether a training with these settings stops here."""
        limit = settings.max_epochs
        return self.without_better >= settings.patience or (limit is not None and self.epoch >= limit)


@dataclass(frozen=True)
class EpochReport:
    """What an epoch came to.

    Errors are sums over a set divided by its number of sequences, as CURRENNT prints
    them, or by its number of frames; class errors are the share of frames put into the wrong
    class.  The training error is met while training (each group before its own update), the
    others are those of the weights after the epoch.  None stands where a set wasn't looked at.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import SGD, Linear, SequenceSet, Sets, Trainer, Training, TrainingSettings
    >>> from lstmcore import initial_network
    >>> songs = SequenceSet.from_lists([np.ones((9, 3))], [np.ones((9, 1))])
    >>> network = initial_network(3, [Linear(1)], 1)
    >>> training = Training(network, Sets(songs), TrainingSettings(SGD(1e-2), max_epochs=9), seed=1)
    >>> report = Trainer(training).run_epoch()
    >>> report.epoch, report.validation_error is None
    (1, True)
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
    weights, velocity
        Parameters and velocity of the momentum, shape (parameters,).
    best_weights, best_epoch, best_error
        Of the lowest validation error so far; without a validation set, the last epoch.
    without_better
        Validations since then.

    Examples
    --------
    >>> import numpy as np
    >>> from lstmcore import SGD, Linear, SequenceSet, Sets, Trainer, Training, TrainingSettings
    >>> from lstmcore import initial_network
    >>> songs = SequenceSet.from_lists([np.ones((9, 3))], [np.ones((9, 1))])
    >>> network = initial_network(3, [Linear(1)], 1)
    >>> training = Training(network, Sets(songs), TrainingSettings(SGD(1e-2), max_epochs=9), seed=1)
    >>> trainer = Trainer(training)
    >>> report = trainer.run_epoch()
    >>> trainer.state.epoch  # to be stored, and gone on from
    1
    """

    epoch: int
    weights: NDArray[np.floating]
    velocity: NDArray[np.floating]
    best_weights: NDArray[np.floating]
    best_epoch: int
    best_error: float
    without_better: int

    def check(self, network: Network) -> None:
        """Raise an EngineError unless this can be a state of training the network."""
        for name in ("weights", "velocity", "best_weights"):
            vector = getattr(self, name)
            shaped(f"state: {name}", vector, network.weights.shape, network.dtype)
            finite(f"state: {name}", vector)
        for name in ("epoch", "best_epoch", "without_better"):
            whole(f"state: {name}", getattr(self, name), 0)
        if self.best_epoch > self.epoch:
            raise EngineError(f"state: best_epoch is {self.best_epoch}; expected at most epoch, {self.epoch}")
        if math.isnan(real("state: best_error", self.best_error)):
            raise EngineError("state: best_error is nan; expected a number")

    @property
    def progress(self) -> Progress:
        """The state without its arrays."""
        return Progress(self.epoch, self.best_epoch, self.best_error, self.without_better)


def report_of(
    sets: Sets,
    progress: Progress,
    evaluations: tuple[Evaluation, Evaluation | None, Evaluation | None],
    new_best: bool,
    seconds: float,
) -> EpochReport:
    """Put the report of an epoch together.

    Parameters
    ----------
    sets, progress
        The sets, and how far the training has come after the epoch.
    evaluations
        Of the training, validation and test set; None of a set that wasn't looked at.
    new_best
        Whether the validation error is lower than ever.
    seconds
        How long the epoch took.

    Returns
    -------
    EpochReport
        The report.
    """
    training, validation, test = evaluations
    watched = sets.validation
    return EpochReport(
        epoch=progress.epoch,
        training_error=training.per_sequence,
        training_error_per_frame=training.per_frame,
        validation_error=validation.per_sequence if validation else None,
        validation_error_per_frame=validation.per_frame if validation else None,
        seconds=seconds,
        best_epoch=progress.best_epoch,
        best_error=progress.best_error / len(watched) if watched and progress.best_epoch else None,
        new_best=new_best,
        test_error=test.per_sequence if test else None,
        training_class_error=training.class_error,
        validation_class_error=validation.class_error if validation else None,
        test_class_error=test.class_error if test else None,
    )
